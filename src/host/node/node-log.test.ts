import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, test } from 'node:test'
import type { Log } from '#host/host.ts'
import { createNodeLog, type NodeLogOptions } from './node-log.ts'

test('a line is one JSON object with its event and flat fields, bigints as text', () => {
  const { lines } = setup({}, (log) => {
    log.info('lease.closed', {
      leaseId: 'lease_1',
      usedNanoUsd: 9_007_199_254_740_993n,
      ok: true,
      gone: undefined,
    })
    log.warn('node.suspect')
    log.error('node.lost', { reason: 'a\n"b"', count: 3, node: null })
  })
  const [info, warn, error] = lines().map((line) => JSON.parse(line))
  assert.match(info.time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  assert.deepEqual(
    { ...info, time: 0 },
    {
      level: 'info',
      time: 0,
      pid: process.pid,
      event: 'lease.closed',
      leaseId: 'lease_1',
      usedNanoUsd: '9007199254740993',
      ok: true,
    },
  )
  assert.deepEqual([warn.level, warn.event], ['warn', 'node.suspect'])
  assert.deepEqual([error.reason, error.count, error.node], ['a\n"b"', 3, null])
})

test('a level leaves out what is less grave', () => {
  const all = (log: Log): void => {
    log.info('a.a')
    log.warn('b.b')
    log.error('c.c')
  }
  assert.equal(setup({ level: 'warn' }, all).lines().length, 2)
  assert.equal(setup({ level: 'silent' }, all).lines().length, 0)
})

test('a line is in the file when the call returns, and a second log adds to the first', () => {
  const path = join(tempFolder(), 'deep', 'shoal.log')
  for (const event of ['one.one', 'two.two']) {
    const log = createNodeLog({ level: 'info', destination: path })
    log.info(event)
    assert.match(readFileSync(path, 'utf8'), new RegExp(event))
    log.close()
    log.close()
    log.info('too.late')
  }
  assert.equal(readFileSync(path, 'utf8').split('\n').length, 3)
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('lines for people name the event and the fields, and let no control character through', () => {
  const { lines } = setup({ pretty: true }, (log) => {
    log.warn('node.lost', {
      nodeId: 'node_1',
      reason: 'no heartbeat',
      evil: '\u001b[2J',
      cost: 5n,
      gone: null,
    })
  })
  const [line = ''] = lines()
  assert.match(line, /^\d\d:\d\d:\d\d\.\d{3} .*warn/)
  assert.match(line, /node\.lost nodeId=node_1 reason="no heartbeat" evil="\\u001b\[2J" cost=5 gone=null$/)
})

test('a file that cannot be opened is a problem that names it', () => {
  const file = join(tempFolder(), 'file')
  writeFileSync(file, '')
  const destination = join(file, 'shoal.log')
  assert.throws(() => createNodeLog({ level: 'info', destination }), {
    name: 'Problem',
    code: 'disk_failed',
    details: { file: destination },
  })
})

test('a disk without room costs lines, not the process', { skip: process.platform !== 'linux' }, () => {
  const log = createNodeLog({ level: 'info', destination: '/dev/full' })
  for (let count = 0; count < 5_000; count++) log.info('line.lost', { text: 'x'.repeat(1_000) })
  log.close()
})

test('the standard error output takes lines up to the last before the end', () => {
  const script = `import { createNodeLog } from '${new URL('./node-log.ts', import.meta.url)}'
    createNodeLog({ level: 'info', destination: 'stderr' }).info('last.words')
    process.exit(3)`
  const child = (): Buffer =>
    execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'pipe' })
  assert.throws(child, (error: { status: number; stderr: Buffer }) => {
    assert.equal(error.status, 3)
    assert.equal(JSON.parse(String(error.stderr)).event, 'last.words')
    return true
  })
})

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-log-'))
  folders.push(folder)
  return folder
}

function setup(options: Partial<NodeLogOptions>, write: (log: Log) => void) {
  const destination = join(tempFolder(), 'shoal.log')
  const log = createNodeLog({ level: 'info', destination, ...options })
  write(log)
  log.close()
  return { lines: () => readFileSync(destination, 'utf8').split('\n').filter(Boolean) }
}
