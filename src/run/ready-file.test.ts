import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Ready } from './cell-keeper.ts'
import { clearReady, readyWriter } from './ready-file.ts'

test('a place that cannot be written any more is told once, and costs nothing else', (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'shoal-ready-'))
  t.after(() => rmSync(parent, { recursive: true }))
  const folder = join(parent, 'made')
  const file = join(folder, 'ready.json')
  const notes: string[] = []
  const write = readyWriter(file, (text) => notes.push(text))
  mkdirSync(folder)
  clearReady(file)
  write(ready)
  assert.equal(JSON.parse(readFileSync(file, 'utf8')).apiUrl, 'http://here')
  assert.equal(statSync(file).mode & 0o777, 0o600)
  rmSync(folder, { recursive: true })
  write(ready)
  write(ready)
  assert.equal(notes.length, 1)
  assert.match(notes[0] ?? '', /^The ready file .*ready\.json cannot be written: ENOENT/)
  mkdirSync(folder)
  write(ready)
  assert.equal(JSON.parse(readFileSync(file, 'utf8')).apiUrl, 'http://here')
})

test('without a file nothing is written', () => {
  readyWriter(undefined, (text) => assert.fail(text))(ready)
})

const ready: Ready = {
  type: 'ready',
  ...{ apiUrl: 'http://here', openaiBaseUrl: 'http://here/v1', publicUrl: 'http://here' },
  ...{ apiKey: null, operatorKey: null, port: 1, localPort: 1, holder: 'here' },
}
