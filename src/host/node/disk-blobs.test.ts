import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createDiskBlobs } from './disk-blobs.ts'
import { mountSmallDisk } from './small-disk.ts'

const bytes = new TextEncoder().encode('frame 17')
const hash = createHash('sha256').update(bytes).digest('hex')

test('bytes come back by their hash', async (t) => {
  const { folder, blobs } = setup(t)
  assert.equal(await blobs.put(bytes), hash)
  assert.deepEqual(await blobs.get(hash), bytes)
  assert.deepEqual(await createDiskBlobs(folder).get(hash), bytes)
  assert.equal(await blobs.put(new Uint8Array(0)), createHash('sha256').digest('hex'))
  assert.equal(await blobs.get('0'.repeat(64)), null)
})

test('a blob is one file, named by its hash, and nothing is left beside it', async (t) => {
  const { folder, path, blobs } = setup(t)
  await Promise.all(Array.from({ length: 20 }, () => blobs.put(bytes)))
  assert.deepEqual(readFileSync(path), Buffer.from(bytes))
  assert.deepEqual(readdirSync(join(folder, hash.slice(0, 2))), [hash.slice(2)])
  assert.deepEqual(readdirSync(join(folder, 'temporary')), [])
})

test('a file that does not match its name is put aside and not served', async (t) => {
  const { path, blobs } = setup(t)
  await blobs.put(bytes)
  writeFileSync(path, 'frame 18')
  assert.deepEqual(await Promise.all([blobs.get(hash), blobs.get(hash)]), [null, null])
  assert.equal(existsSync(path), false)
  assert.equal(readFileSync(`${path}.corrupt`, 'utf8'), 'frame 18')
})

test('putting a blob again mends a damaged copy', async (t) => {
  const { path, blobs } = setup(t)
  await blobs.put(bytes)
  writeFileSync(path, 'frame 18')
  await blobs.put(bytes)
  assert.deepEqual(await blobs.get(hash), bytes)
})

test('delete forgets a blob, and one that is not there', async (t) => {
  const { blobs } = setup(t)
  await blobs.put(bytes)
  await blobs.delete(hash)
  await blobs.delete(hash)
  assert.equal(await blobs.get(hash), null)
})

test('what is not a hash names nothing, inside the folder or outside', async (t) => {
  const { folder, blobs } = setup(t)
  await blobs.put(bytes)
  writeFileSync(join(folder, 'secret'), 'kept')
  const upper = hash.toUpperCase()
  for (const name of [
    '',
    'secret',
    '../secret',
    `${hash}/`,
    `${hash}\n`,
    upper,
    `..${hash.slice(2)}`,
    hash.slice(1),
  ]) {
    assert.equal(await blobs.get(name), null, name)
    await blobs.delete(name)
  }
  assert.equal(readFileSync(join(folder, 'secret'), 'utf8'), 'kept')
  assert.deepEqual(await blobs.get(hash), bytes)
})

test('what a crash left half-written is removed at a later start, what is under way is not', (t) => {
  const { folder } = setup(t)
  const [old, young] = [join(folder, 'temporary', 'old'), join(folder, 'temporary', 'young')]
  for (const path of [old, young]) writeFileSync(path, 'half')
  const weekAgo = Date.now() / 1000 - 7 * 86_400
  utimesSync(old, weekAgo, weekAgo)
  createDiskBlobs(folder)
  assert.equal(existsSync(old), false)
  assert.equal(existsSync(young), true)
})

test('a full disk refuses a blob whole, and keeps the others', async (t) => {
  const disk = mountSmallDisk(256)
  if (typeof disk === 'string') return t.skip(disk)
  t.after(() => disk.dispose())
  const blobs = createDiskBlobs(disk.folder)
  await blobs.put(bytes)
  const large = new Uint8Array(300_000)
  await assert.rejects(blobs.put(large), { code: 'disk_full' })
  assert.equal(await blobs.get(createHash('sha256').update(large).digest('hex')), null)
  assert.deepEqual(readdirSync(join(disk.folder, 'temporary')), [])
  assert.deepEqual(await blobs.get(hash), bytes)
})

function setup(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-blobs-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return { folder, path: join(folder, hash.slice(0, 2), hash.slice(2)), blobs: createDiskBlobs(folder) }
}
