import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Problem } from '#protocol/problem.ts'
import { type AccessLog, openAccessLog } from './access-log.ts'

test('each entry is one line of JSON, in a file for this user alone', async (t) => {
  const { file, log, lines } = setup(t)
  log.write({ event: 'call', requestId: 'req_1', prompt: 'two\nlines "quoted"', status: 200 })
  log.write({ event: 'call', requestId: 'req_2', code: null })
  await until(() => lines().length === 2)
  assert.deepEqual(lines(), [
    { event: 'call', requestId: 'req_1', prompt: 'two\nlines "quoted"', status: 200 },
    { event: 'call', requestId: 'req_2', code: null },
  ])
  assert.equal(statSync(file).mode & 0o777, 0o600)
})

test('what waits is written when it closes, and nothing afterwards', async (t) => {
  const { log, file, lines } = setup(t)
  // The file is opened by the way; a process lives longer than that.
  log.write({ event: 'call', requestId: 'req_0' })
  await until(() => existsSync(file) && lines().length === 1)
  log.write({ event: 'call', requestId: 'req_1' })
  log.close()
  log.write({ event: 'call', requestId: 'req_2' })
  log.close()
  assert.deepEqual(
    lines().map(({ requestId }) => requestId),
    ['req_0', 'req_1'],
  )
})

test('a full file makes room, the oldest goes, and no line is lost or cut', async (t) => {
  const { folder, file, log, lines } = setup(t, { bytesMax: 12_000, filesMax: 3 })
  for (let number = 0; number < 1_000; number++) {
    log.write({ number, text: 'x'.repeat(40) })
    // Nothing is written while this loop has the thread.
    if (number % 50 === 0) await pause(2)
  }
  await until(() => lines().at(-1)?.['number'] === 999)
  assert.deepEqual(readdirSync(folder).sort(), ['access.log', 'access.log.1', 'access.log.2', 'access.log.3'])
  const kept = ['.3', '.2', '.1', ''].flatMap((end) => readLines(file + end).map((line) => line['number']))
  const first = kept[0] as number
  assert.ok(first > 0, 'the oldest file is gone')
  assert.deepEqual(
    kept,
    Array.from({ length: 1_000 - first }, (_, index) => first + index),
  )
})

test('a file of an earlier run is added to, and counts', async (t) => {
  const { folder, file } = setup(t)
  const options = { file, bytesMax: 10_000, filesMax: 1 }
  for (let run = 0; run < 3; run++) {
    const log = openAccessLog(options)
    await pause(20)
    for (let number = 0; number < 60; number++) log.write({ run, text: 'x'.repeat(60) })
    log.close()
  }
  assert.ok(existsSync(`${file}.1`), `rotated: ${readdirSync(folder).join(' ')}`)
})

test('a place where no file can be is told at once', (t) => {
  const { folder } = setup(t)
  assert.throws(
    () => openAccessLog({ file: folder, bytesMax: 1, filesMax: 1 }),
    (error) => error instanceof Problem,
  )
})

function setup(t: TestContext, { bytesMax = 1_000_000, filesMax = 2 } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-access-log-'))
  const file = join(folder, 'access.log')
  const log: AccessLog = openAccessLog({ file, bytesMax, filesMax })
  t.after(() => {
    log.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { folder, file, log, lines: () => readLines(file) }
}

const readLines = (file: string): Record<string, unknown>[] =>
  (existsSync(file) ? readFileSync(file, 'utf8') : '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(20)
}
