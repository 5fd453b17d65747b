import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { lockFolder } from './folder-lock.ts'
import { mountSmallDisk } from './small-disk.ts'

test('a locked folder is refused, with who holds it and what to do', (t) => {
  const { folder } = setup(t)
  const before = Date.now()
  const lock = lockFolder(folder, 'shoal up')
  const error = refusal(() => lockFolder(folder, 'shoal doctor'))
  const [, pid, since] =
    /^.*\/data is in use by shoal up \(process (\d+), since (\S+Z)\)\. Stop it, or choose another folder with --data\.$/.exec(
      error.message,
    ) ?? []
  assert.equal(error.code, 'folder_in_use')
  assert.ok(error.message.startsWith(folder))
  assert.equal(Number(pid), process.pid)
  assert.ok(Date.parse(String(since)) >= before && Date.parse(String(since)) <= Date.now())
  lock.release()
})

test('a missing folder is made, and a released one is free', (t) => {
  const { folder } = setup(t)
  const lock = lockFolder(folder, 'first')
  assert.deepEqual(Object.keys(JSON.parse(readFileSync(join(folder, 'lock.json'), 'utf8'))), [
    'pid',
    'owner',
    'sinceMs',
  ])
  lock.release()
  lock.release()
  assert.equal(existsSync(join(folder, 'lock.json')), false)
  lockFolder(folder, 'second').release()
})

test('one release frees one lock, also when repeated', (t) => {
  const { folder } = setup(t)
  const first = lockFolder(folder, 'first')
  first.release()
  const second = lockFolder(folder, 'second')
  first.release()
  assert.match(refusal(() => lockFolder(folder, 'third')).message, /in use by second/)
  second.release()
})

test('a refused attempt leaves the lock with its holder', (t) => {
  const { folder } = setup(t)
  const lock = lockFolder(folder, 'first')
  for (let attempt = 0; attempt < 3; attempt++) {
    assert.match(refusal(() => lockFolder(folder, 'second')).message, /in use by first/)
  }
  lock.release()
})

test('another process is refused, and let in the moment the holder is killed', async (t) => {
  const { folder, hold } = setup(t)
  const child = await hold()
  const { message } = refusal(() => lockFolder(folder, 'shoal up'))
  assert.ok(message.includes(`in use by shoal up (process ${child.pid}, since `), message)
  child.kill('SIGKILL')
  await once(child, 'exit')
  const lock = lockFolder(folder, 'next')
  assert.equal(JSON.parse(readFileSync(join(folder, 'lock.json'), 'utf8')).owner, 'next')
  lock.release()
})

test('what cannot be read of the holder is left out of the message', (t) => {
  const { folder } = setup(t)
  const lock = lockFolder(folder, 'first')
  for (const text of [
    '',
    '{"pid":',
    'null',
    '[]',
    '{"pid":"1","owner":2}',
    '{"pid":1,"owner":"x","sinceMs":1e300}',
  ]) {
    writeFileSync(join(folder, 'lock.json'), text)
    assert.match(
      refusal(() => lockFolder(folder, 'second')).message,
      /is in use by another process\. Stop it/,
    )
  }
  lock.release()
})

test('a folder that cannot be written is refused with the way out', (t) => {
  const { parent, folder } = setup(t)
  const disk = mountSmallDisk(256)
  if (typeof disk !== 'string') {
    t.after(() => disk.dispose())
    disk.protect()
  } else if (process.getuid?.() === 0) {
    return t.skip(`root is bound by no mode, and ${disk}`)
  } else chmodSync(parent, 0o500)
  for (const path of typeof disk === 'string' ? [folder] : [disk.folder, join(disk.folder, 'new')]) {
    const { code, message } = refusal(() => lockFolder(path, 'shoal up'))
    assert.equal(code, 'disk_read_only')
    assert.match(
      message,
      /cannot be written .*Make the folder writable for this user, or choose another with --data/,
    )
  }
})

test('a holder that was killed on a disk that is read-only since leaves nothing in the way of the reason', (t) => {
  const disk = mountSmallDisk(256)
  if (typeof disk === 'string') return t.skip(disk)
  t.after(() => disk.dispose())
  const lock = lockFolder(disk.folder, 'shoal up')
  lock.release()
  // As it stands when its writer was killed.
  writeFileSync(join(disk.folder, 'lock.json'), '{}')
  disk.protect()
  assert.throws(() => lockFolder(disk.folder, 'shoal up'), { code: 'disk_read_only' })
})

test('a file where the folder should be is named', (t) => {
  const { folder } = setup(t)
  writeFileSync(folder, '')
  const { code, message } = refusal(() => lockFolder(folder, 'shoal up'))
  assert.equal(code, 'disk_failed')
  assert.match(message, /a file stands where a folder should be/)
})

/** The problem that `run` throws. */
function refusal(run: () => unknown): { code: string; message: string } {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error, String(error))
    return { code: String(error.code), message: error.message }
  }
  throw new Error('it was not refused')
}

function setup(t: TestContext) {
  const parent = mkdtempSync(join(tmpdir(), 'shoal-lock-'))
  const folder = join(parent, 'data')
  const children: ChildProcess[] = []
  t.after(async () => {
    for (const child of children) {
      if (child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    chmodSync(parent, 0o700)
    rmSync(parent, { recursive: true })
  })
  return {
    parent,
    folder,
    /** Starts a process that holds the lock. */
    async hold(): Promise<ChildProcess> {
      const path = join(import.meta.dirname, 'journal-child.ts')
      const child = spawn(process.execPath, [path, 'lock', folder], { stdio: ['pipe', 'pipe', 'inherit'] })
      children.push(child)
      await once(child.stdout, 'data')
      return child
    },
  }
}
