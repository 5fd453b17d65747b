import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { staleReason } from './build-web.ts'
import { hashOf } from './vite-build.ts'

test('what was never built is to be built, and what is damaged as well', (t) => {
  const { root, write } = setup(t)
  assert.equal(staleReason(root), 'they were never built')
  write('web/dist/current.json', '{"folder": "build-1", "sour')
  assert.equal(staleReason(root), 'they were never built')
  write('web/dist/current.json', '{"folder": "build-1", "sources": {}}')
  assert.equal(staleReason(root), 'they were never built')
})

test('a build is current until one of its sources changes or is gone', (t) => {
  const { root, write } = setup(t)
  write('web/roi/a.ts', 'one')
  write('web/roi/b.ts', 'two')
  write('web/dist/build-1/roi.html', '')
  const sources = Object.fromEntries(
    ['web/roi/a.ts', 'web/roi/b.ts'].map((path) => [path, hashOf(join(root, path))]),
  )
  write('web/dist/current.json', JSON.stringify({ folder: 'build-1', sources }))
  assert.equal(staleReason(root), null)
  write('web/roi/unused.ts', 'nobody imports it')
  assert.equal(staleReason(root), null)
  write('web/roi/b.ts', 'three')
  assert.equal(staleReason(root), 'web/roi/b.ts changed')
  write('web/roi/b.ts', 'two')
  assert.equal(staleReason(root), null)
  rmSync(join(root, 'web/roi/a.ts'))
  assert.equal(staleReason(root), 'web/roi/a.ts changed')
})

function setup(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'shoal-web-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const write = (path: string, text: string): void => {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  return { root, write }
}
