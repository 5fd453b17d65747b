import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseWebhook } from './alert-flags.ts'
import { keepAlertSecret } from './open-alerts.ts'

test('alerts go out over TLS, or stay on this machine', () => {
  for (const url of [
    'https://alerts.example/shoal',
    'http://127.0.0.1:9000/a',
    'http://localhost/',
    'http://[::1]:1/',
  ])
    assert.equal(parseWebhook(url), url)
  for (const url of [
    'http://alerts.example/',
    'http://10.0.0.7/',
    'http://127.0.0.1.example/',
    'file:///etc/passwd',
    'alerts.example',
    'https://ada:secret@alerts.example/',
    '',
  ])
    assert.throws(() => parseWebhook(url), /Expected/, url)
})

test('the secret is made once', () => {
  const kept = new Map<string, string>()
  const secrets = {
    read: (name: string) => kept.get(name) ?? null,
    write: (name: string, text: string) => void kept.set(name, text),
    randomBytes: (length: number) => new Uint8Array(length).fill(kept.size + 1),
  }
  const made = keepAlertSecret(secrets)
  assert.ok(made.length >= 50)
  assert.equal(keepAlertSecret(secrets), made)
})
