import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { guardRequest } from './control-guard.ts'

const OURS = 'http://127.0.0.1:7420'

test('a host name that is not ours is refused, whatever it points at', () => {
  const rows: [string, boolean][] = [
    ['127.0.0.1:7420', true],
    ['localhost', true],
    ['LOCALHOST:80', true],
    ['localhost.:80', true],
    ['[::1]:7420', true],
    ['gpu.example:7420', true],
    ['a.pool.example', true],
    ['a.b.pool.example', false],
    ['pool.example', false],
    ['evil.example:7420', false],
    ['127.0.0.1.evil.example', false],
    ['', false],
  ]
  for (const [host, isAllowed] of rows) assert.equal(isRefused({ host }), !isAllowed, host)
})

test('behind a proxy that checks it, any host name is taken', () => {
  assert.equal(isRefused({ host: 'anything.example' }, { hostnames: ['*'] }), false)
})

test('a page of another origin may read nothing that needs a key, and change nothing', () => {
  const rows: [string, Record<string, string>, boolean][] = [
    ['POST', {}, true],
    ['POST', { origin: OURS }, true],
    ['POST', { origin: OURS, 'sec-fetch-site': 'same-origin' }, true],
    ['POST', { 'sec-fetch-site': 'none' }, true],
    ['POST', { origin: 'https://console.example', 'sec-fetch-site': 'cross-site' }, true],
    ['POST', { origin: 'http://127.0.0.1:9999' }, false],
    ['POST', { origin: 'http://evil.example' }, false],
    ['POST', { origin: 'null' }, false],
    ['POST', { origin: '' }, false],
    ['POST', { 'sec-fetch-site': 'cross-site' }, false],
    ['POST', { 'sec-fetch-site': 'same-site' }, false],
    ['DELETE', { origin: 'http://evil.example' }, false],
    ['GET', { origin: 'http://evil.example' }, true],
  ]
  for (const [method, headers, isAllowed] of rows) {
    assert.equal(isRefused({ method, headers }), !isAllowed, `${method} ${JSON.stringify(headers)}`)
  }
})

interface Asked {
  readonly host?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
}

function isRefused(asked: Asked, options: { hostnames?: string[] } = {}): boolean {
  const { host = '127.0.0.1:7420', method = 'GET', headers = {} } = asked
  const request = new Request(OURS, { method, headers: { ...headers, host } })
  try {
    guardRequest(request, {
      hostnames: ['gpu.example', '*.pool.example'],
      origins: ['https://console.example'],
      ...options,
    })
    return false
  } catch (error) {
    assert.ok(error instanceof Problem && error.code === 'forbidden_origin')
    return true
  }
}
