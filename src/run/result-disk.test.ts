import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { resultDisk } from './result-disk.ts'

test('a finished file gets its name unless something has it, and the part is gone', async () => {
  const { path, write } = setup()
  write('part', 'new')
  assert.equal(await resultDisk.give(path('part'), path('a/b/frame.png')), true)
  assert.equal(readFileSync(path('a/b/frame.png'), 'utf8'), 'new')
  assert.deepEqual(readdirSync(path('.')), ['a'])
  assert.equal(statSync(path('a/b/frame.png')).mode & 0o777, 0o666 & ~process.umask())
  write('part', 'newer')
  assert.equal(await resultDisk.give(path('part'), path('a/b/frame.png')), false)
  assert.equal(readFileSync(path('a/b/frame.png'), 'utf8'), 'new')
  // Also a link that leads nowhere is somebody's.
  symlinkSync('/nowhere', path('link'))
  assert.equal(await resultDisk.give(path('part'), path('link')), false)
  assert.equal(await resultDisk.writeNew(path('link'), Buffer.from('x')), false)
})

test('of many who give one name at once, one succeeds', async () => {
  const { path, write } = setup()
  const names = Array.from({ length: 20 }, (_, at) => `part-${at}`)
  for (const name of names) write(name, name)
  const given = await Promise.all(names.map((name) => resultDisk.give(path(name), path('frame.png'))))
  assert.equal(given.filter((isGiven) => isGiven).length, 1)
  assert.equal(readFileSync(path('frame.png'), 'utf8'), names[given.indexOf(true)])
})

test('what a job needs is found through links, and what is no file is named', async () => {
  const { path, write } = setup()
  mkdirSync(path('far'))
  write('far/a.png', 'a')
  mkdirSync(path('job'))
  symlinkSync(path('far'), path('job/pictures'))
  symlinkSync(path('far/a.png'), path('job/one.png'))
  assert.deepEqual(await resultDisk.follow(path('job/pictures')), { kind: 'folder' })
  assert.deepEqual(await resultDisk.follow(path('job/one.png')), { kind: 'file' })
  assert.equal(await resultDisk.follow(path('job/none')), null)
  assert.deepEqual(await resultDisk.filesBelow(path('job'), 10), ['one.png', 'pictures/a.png'])
  symlinkSync(path('nowhere'), path('job/gone'))
  assert.deepEqual(await resultDisk.follow(path('job/gone')), { kind: 'other' })
  const isWrong = (message: RegExp) =>
    assert.rejects(resultDisk.filesBelow(path('job'), 10), { code: 'invalid_request', message })
  await isWrong(/job\/gone is neither a file nor a folder, or a link that leads nowhere/)
  rmSync(path('job/gone'))
  symlinkSync(path('.'), path('job/round'))
  symlinkSync(path('job'), path('again'))
  await isWrong(/job\/round\/(again|job) leads to a folder that it is in/)
})

test('what is there is told apart, and read', async () => {
  const { path, write } = setup()
  write('file', 'abc')
  symlinkSync(path('file'), path('link'))
  mkdirSync(path('.hidden'))
  write('.hidden/x', '1')
  write('.y', '1')
  assert.deepEqual(await resultDisk.look(path('file')), { kind: 'file', bytes: 3 })
  assert.deepEqual(await resultDisk.look(path('.')), { kind: 'folder' })
  assert.deepEqual(await resultDisk.look(path('link')), { kind: 'other' })
  assert.equal(await resultDisk.look(path('none')), null)
  assert.equal(await resultDisk.read(path('none')), null)
  assert.equal((await resultDisk.sha256(path('file'))).slice(0, 8), 'ba7816bf')
  assert.deepEqual(await resultDisk.filesBelow(path('.'), 10), ['file', 'link'])
  assert.equal(await resultDisk.filesBelow(path('.'), 1), null)
  await resultDisk.append(path('deep/record'), 'one')
  await resultDisk.append(path('deep/record'), 'two')
  assert.equal(readFileSync(path('deep/record'), 'utf8'), 'one\ntwo\n')
})

test('a disk that refuses is a problem that names the file', async () => {
  const { path, write } = setup()
  write('file', '')
  const refused = (error: unknown): true => {
    assert.ok(error instanceof Problem && error.code === 'disk_failed', String(error))
    assert.match(error.message, /file\/below/)
    return true
  }
  await assert.rejects(resultDisk.writeNew(path('file/below'), Buffer.from('x')), refused)
  await assert.rejects(resultDisk.append(path('file/below'), 'x'), refused)
  assert.deepEqual(readdirSync(path('.')), ['file'])
})

test('where the system makes no folder that is said, and not tried for ever', {
  skip: existsSync('/proc/self') ? false : 'there is no /proc on this machine',
}, async () => {
  const none = '/proc/no-such-folder/frame.png'
  await assert.rejects(resultDisk.writeNew(none, Buffer.from('x')), { code: 'disk_failed' })
})

function setup() {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-results-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const path = (name: string): string => join(folder, name)
  return { path, write: (name: string, text: string) => writeFileSync(path(name), text) }
}
