import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { nodeTaskFiles } from './node-task-files.ts'

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

test('bytes are counted below a folder, without links, and not for ever', async () => {
  const { from } = setup()
  mkdirSync(join(from, 'a/b'), { recursive: true })
  writeFileSync(join(from, 'a/b/one'), Buffer.alloc(5))
  writeFileSync(join(from, 'two'), Buffer.alloc(7))
  symlinkSync('/usr', join(from, 'link'))
  assert.equal(await nodeTaskFiles.bytesBelow(from, 100), 12)
  assert.equal(await nodeTaskFiles.bytesBelow(from, 2), null)
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
