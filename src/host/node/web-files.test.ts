import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { readWebFiles } from './web-files.ts'

test('the newest build is read, each file with its compressed forms', (t) => {
  const { folder, write } = setup(t)
  write('current.json', '{"folder": "build-2", "sources": {}}')
  write('build-1/roi.html', 'old')
  write('build-2/roi.html', 'page')
  write('build-2/roi.html.gz', 'gz')
  write('build-2/assets/roi-a1.js', 'script')
  write('build-2/assets/roi-a1.js.gz', 'gz')
  write('build-2/assets/roi-a1.js.br', 'br')
  const files = readWebFiles(folder) ?? []
  const text = (bytes: Uint8Array | null | undefined) => bytes && Buffer.from(bytes).toString()
  assert.deepEqual(
    files
      .map(({ path, bodies, isImmutable }) => [
        path,
        text(bodies.identity),
        text(bodies.gzip),
        text(bodies.br),
        isImmutable,
      ])
      .sort(),
    [
      ['/assets/roi-a1.js', 'script', 'gz', 'br', true],
      ['/roi', 'page', 'gz', null, false],
    ],
  )
})

test('without a build, or with one that is damaged, there are no pages', (t) => {
  const { folder, write } = setup(t)
  assert.equal(readWebFiles(folder), null)
  write('current.json', '{"folder": "build-9"}')
  assert.equal(readWebFiles(folder), null)
  write('current.json', '{"fol')
  assert.equal(readWebFiles(folder), null)
})

function setup(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-pages-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const write = (path: string, text: string): void => {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return { folder, write }
}
