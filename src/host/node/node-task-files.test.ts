import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { nodeTaskFiles } from './node-task-files.ts'

const NO_TEXT = Buffer.of(0xff)
const noFallocate = spawnSync('fallocate', ['--version']).status !== 0 && 'no fallocate'

test('a plain file is copied and hashed', async () => {
  const { from, to } = setup()
  const bytes = Buffer.alloc(3_000_000, 'frame')
  writeFileSync(join(from, 'frame.png'), bytes)
  const file = await nodeTaskFiles.collect({ from, to, name: 'frame.png', bytesMax: 3_000_000 })
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  assert.deepEqual(file, { name: 'frame.png', bytes: 3_000_000, sha256 })
  assert(readFileSync(join(to, 'frame.png')).equals(bytes))
})

test('links, pipes, folders, what is too large and what is not there are no files', async () => {
  const { from, to } = setup()
  symlinkSync('/etc/passwd', join(from, 'link'))
  spawnSync('mkfifo', [join(from, 'pipe')])
  mkdirSync(join(from, 'folder'))
  writeFileSync(join(from, 'large'), Buffer.alloc(11))
  for (const name of ['link', 'pipe', 'folder', 'large', 'none'])
    assert.equal(await nodeTaskFiles.collect({ from, to, name, bytesMax: 10 }), null, name)
})

test('a link in the way of a result is not written through', async () => {
  const { from, to } = setup()
  writeFileSync(join(from, 'frame.png'), 'new')
  writeFileSync(join(from, 'precious'), 'old')
  symlinkSync(join(from, 'precious'), join(to, 'frame.png'))
  await assert.rejects(nodeTaskFiles.collect({ from, to, name: 'frame.png', bytesMax: 10 }))
  assert.equal(readFileSync(join(from, 'precious'), 'utf8'), 'old')
})

test('one name is removed: a file, a link and not where it leads, a pipe, and never a folder', async () => {
  const { from, to } = setup()
  writeFileSync(join(to, 'precious'), 'old')
  writeFileSync(join(from, 'file'), '')
  symlinkSync(to, join(from, 'link'))
  spawnSync('mkfifo', [join(from, 'pipe')])
  mkdirSync(join(from, 'folder'))
  const names = ['file', 'link', 'pipe', 'none', 'folder']
  const gone = await Promise.all(names.map((name) => nodeTaskFiles.removeFile(join(from, name))))
  assert.deepEqual(gone, [true, true, true, true, false])
  assert.deepEqual([readdirSync(from), readdirSync(to)], [['folder'], ['precious']])
})

test('bytes are counted below a folder, without links, and not for ever', async () => {
  const { from } = setup()
  mkdirSync(join(from, 'a/b'), { recursive: true })
  writeFileSync(join(from, 'a/b/one'), Buffer.alloc(5))
  writeFileSync(join(from, 'two'), Buffer.alloc(7))
  symlinkSync('/usr', join(from, 'link'))
  assert.equal(await nodeTaskFiles.bytesBelow(from, 100), 12)
  assert.equal(await nodeTaskFiles.bytesBelow(from, 2), null)
})

test('what has a name that is no text is counted, and removed', async () => {
  const { from } = setup()
  const folder = Buffer.concat([Buffer.from(`${from}/d`), NO_TEXT])
  mkdirSync(folder)
  writeFileSync(Buffer.concat([folder, Buffer.from('/f'), NO_TEXT]), Buffer.alloc(5))
  writeFileSync(Buffer.concat([Buffer.from(`${from}/f`), NO_TEXT]), Buffer.alloc(7))
  assert.equal(await nodeTaskFiles.bytesBelow(from, 100), 12)
  await nodeTaskFiles.removeFolder(from)
  assert(!existsSync(from))
})

test('blocks beyond the size of a file count', { skip: noFallocate }, async () => {
  const { from } = setup()
  writeFileSync(join(from, 'file'), '')
  spawnSync('fallocate', ['--keep-size', '--length', '3000000', join(from, 'file')])
  assert(((await nodeTaskFiles.bytesBelow(from, 100)) ?? 0) > 2_900_000)
})

test('what lies deeper than a path is long is too much, and is removed', async () => {
  const { from } = setup()
  const name = 'd'.repeat(200)
  const script = `for i in $(seq 30); do mkdir ${name} && cd ${name}; done; echo x > file`
  spawnSync('bash', ['-c', script], { cwd: from })
  assert.equal(await nodeTaskFiles.bytesBelow(from, 100), null)
  await nodeTaskFiles.removeFolder(from)
  assert(!existsSync(from))
})

test('a folder that is closed to its owner is too much, and is removed', async () => {
  const { from } = setup()
  mkdirSync(join(from, 'a/b'), { recursive: true })
  writeFileSync(join(from, 'a/b/file'), Buffer.alloc(5))
  const isRoot = process.getuid?.() === 0
  // Nothing is closed to root: there it is tried as somebody else.
  if (isRoot) spawnSync('chown', ['-R', '65534:65534', join(from, '..')])
  chmodSync(join(from, '..'), 0o755)
  chmodSync(join(from, 'a'), 0o300)
  const script = `
    const { nodeTaskFiles } = await import(${JSON.stringify(import.meta.resolve('./node-task-files.ts'))})
    const bytes = await nodeTaskFiles.bytesBelow(${JSON.stringify(from)}, 100)
    await nodeTaskFiles.removeFolder(${JSON.stringify(from)})
    console.log(bytes)`
  const told = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: import.meta.dirname,
    ...(isRoot && { uid: 65534, gid: 65534 }),
  })
  assert.equal(told.stdout.toString(), 'null\n', told.stderr.toString())
  assert(!existsSync(from))
})

test('files below a folder are listed in order, without links and pipes', async () => {
  const { from } = setup()
  mkdirSync(join(from, 'a/b'), { recursive: true })
  for (const name of ['z', 'a/b/one', 'a/two']) writeFileSync(join(from, name), '')
  symlinkSync('/usr', join(from, 'a/link'))
  symlinkSync('/etc/passwd', join(from, 'passwd'))
  spawnSync('mkfifo', [join(from, 'pipe')])
  assert.deepEqual(await nodeTaskFiles.filesBelow(from, 100), ['a/b/one', 'a/two', 'z'])
  assert.equal(await nodeTaskFiles.filesBelow(from, 3), null)
  assert.deepEqual(await nodeTaskFiles.filesBelow(join(from, 'none'), 3), [])
})

function setup(): { from: string; to: string } {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-task-files-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  mkdirSync(from)
  mkdirSync(to)
  return { from, to }
}
