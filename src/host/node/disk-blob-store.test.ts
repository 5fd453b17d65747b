import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { chunksOf } from '#host/blob-store.ts'
import { createDiskBlobStore } from './disk-blob-store.ts'
import { mountSmallDisk } from './small-disk.ts'

test('a blob shows under its name once it is finished, whole, and is read in any pieces', async (t) => {
  const { store } = setup(t)
  const writer = await store.create()
  await writer.write(bytes('hello '))
  await writer.write(bytes('world'))
  assert.equal(await store.open('a'), null)
  assert.deepEqual(writer.digest(), {
    bytes: 11,
    sha256: 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9',
  })
  await writer.finish('a')
  const reader = await store.open('a')
  assert.ok(reader)
  assert.equal(reader.bytes, 11)
  assert.deepEqual(
    [text(await reader.read(6, 3)), text(await reader.read(9, 99)), text(await reader.read(50, 1))],
    ['wor', 'ld', ''],
  )
  let whole = ''
  for await (const chunk of chunksOf(reader, 3)) whole += text(chunk)
  assert.equal(whole, 'lo world')
})

test('what is finished is there when the folder is opened again, and what was not is not', async (t) => {
  const { store, folder, open } = setup(t)
  await put(store, 'kept', 'x')
  const half = await store.create()
  await half.write(bytes('half'))
  const again = open()
  assert.deepEqual(await again.list(''), [{ name: 'kept', bytes: 1 }])
  assert.deepEqual(again.usage(), { bytes: 1, bytesMax: 100 })
  await half.abort()
  assert.deepEqual(readdirSync(join(folder, 'temporary')), [])
})

test('blobs are listed by how their names begin, replaced and deleted', async (t) => {
  const { store } = setup(t)
  await put(store, 'file-1', 'ab')
  await put(store, 'file-2', 'c')
  await put(store, 'batch.1', 'd')
  await put(store, 'file-1', 'xyz')
  assert.deepEqual([await names(store, 'file-'), store.usage().bytes], [['file-1', 'file-2'], 5])
  await store.delete('file-1')
  await store.delete('file-1')
  assert.deepEqual([await names(store, ''), store.usage().bytes], [['batch.1', 'file-2'], 2])
})

test('beyond its maximum the store is full, and what is given up gives its room back', async (t) => {
  const { store } = setup(t)
  await put(store, 'a', 'x'.repeat(60))
  const writer = await store.create()
  await writer.write(bytes('y'.repeat(40)))
  await assert.rejects(writer.write(bytes('z')), { code: 'disk_full' })
  await assert.rejects(put(store, 'b', 'z'), { code: 'disk_full' })
  await writer.abort()
  await put(store, 'b', 'z'.repeat(40))
})

test('on a disk with too little free nothing is begun, and what there is can be read and deleted', async (t) => {
  const { store, folder } = setup(t)
  await put(store, 'a', 'x')
  const tight = createDiskBlobStore(folder, { bytesMax: 100, spareBytes: Number.MAX_SAFE_INTEGER })
  await assert.rejects(tight.create(), { code: 'disk_full', message: /^The disk for files is nearly full: / })
  const reader = await tight.open('a')
  assert.equal(reader?.bytes, 1)
  await reader?.close()
  await tight.delete('a')
  assert.deepEqual(await tight.list(''), [])
})

test('what is written while the disk fills ends before the room that is to stay free', async (t) => {
  const MIB = 1024 ** 2
  const disk = mountSmallDisk(8 * 1024)
  if (typeof disk === 'string') return t.skip(disk)
  t.after(() => disk.dispose())
  const freeBytes = (): number => {
    const { bavail, bsize } = statfsSync(disk.folder)
    return bavail * bsize
  }
  const store = createDiskBlobStore(join(disk.folder, 'store'), { bytesMax: 1e12, spareBytes: 4 * MIB })
  const writers = [await store.create(), await store.create()]
  await assert.rejects(
    async () => {
      for (;;) for (const writer of writers) await writer.write(new Uint8Array(MIB / 16))
    },
    { code: 'disk_full', message: / 4 MiB stay free / },
  )
  assert.ok(freeBytes() > 3 * MIB, `${freeBytes()} bytes are free`)
  for (const writer of writers) await writer.abort()
  await put(store, 'a', 'with room again')
})

test('what is no name names nothing', async (t) => {
  const { store, folder } = setup(t)
  writeFileSync(join(folder, '..', 'outside'), 'secret')
  for (const name of ['../outside', '', '.', 'a/b', 'A', 'x'.repeat(129), 'a\0']) {
    assert.equal(await store.open(name), null, name)
    await store.delete(name)
  }
  const writer = await store.create()
  await assert.rejects(writer.finish('../outside'), /no name/)
})

const bytes = (of: string): Uint8Array => new TextEncoder().encode(of)
const text = (of: Uint8Array): string => new TextDecoder().decode(of)

async function put(
  store: ReturnType<typeof createDiskBlobStore>,
  name: string,
  content: string,
): Promise<void> {
  const writer = await store.create()
  try {
    await writer.write(bytes(content))
    await writer.finish(name)
  } finally {
    await writer.abort()
  }
}

const names = async (store: ReturnType<typeof createDiskBlobStore>, prefix: string): Promise<string[]> =>
  (await store.list(prefix)).map(({ name }) => name).sort()

function setup(t: TestContext) {
  const parent = mkdtempSync(join(tmpdir(), 'shoal-blob-store-'))
  t.after(() => rmSync(parent, { recursive: true, force: true }))
  const folder = join(parent, 'store')
  const open = () => createDiskBlobStore(folder, { bytesMax: 100 })
  return { store: open(), folder, open }
}
