import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { TASKS_TAKEN } from '#agent/energy/energy-keeper.ts'
import { createHourBook } from '#agent/energy/hour-book.ts'
import { createProgram, runProgram } from '#cli/program.ts'
import { createStubTerminal } from '#cli/stub-context.ts'
import { STUB_NOW_MS } from '#cli/stub-network.ts'
import { openSqliteEnergyStore } from '#host/node/sqlite-energy-store.ts'
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import { earningsCommand } from './earnings-command.ts'

/** The hour before the stub's now. */
const HOUR = Math.floor(STUB_NOW_MS / HOUR_MS) * HOUR_MS - HOUR_MS
const day = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10)

test('the table says what was expected, what was measured, and what that rests on', async (t) => {
  const { run } = setup(t)
  const { exitCode, out } = await run('earnings')
  assert.equal(exitCode, 0)
  assert.match(
    out,
    new RegExp(
      `${day(HOUR)} +1 +\\$0\\.0000002 +\\$0\\.00000001 +\\$0\\.00000019 +0\\.250 +parts +\\$0\\.05`,
    ),
  )
  assert.match(out, /own reckoning; --ledger compares/)
  assert.match(out, /Without a plug, KWH is what the GPUs and the CPU measure/)
})

test('the ledger is asked for the same requests, page by page, until they are passed', async (t) => {
  const { run, asked } = setup(t)
  const { exitCode, out } = await run('earnings', '--ledger', '--csv')
  assert.equal(exitCode, 0)
  const [header = '', first = ''] = out.split('\r\n')
  const cell = (name: string) => first.split(',')[header.split(',').indexOf(name)]
  assert.deepEqual(
    [cell('net_expected'), cell('net_ledger'), cell('requests_ledger')],
    ['0.00000019', '0.00000018', '1'],
  )
  assert.equal(cell('income_source'), 'ledger')
  assert.equal(asked.filter((path) => path.includes('statement')).length, 2)
})

test('what is no longer kept singly is not shown as unpaid', async (t) => {
  const { run } = setup(t, { forgotten: 1 })
  const { out } = await run('earnings', '--ledger')
  assert.match(out, new RegExp(`${day(HOUR)} +2 .* – +0\\.250`))
  assert.match(out, /Where PAID is unknown, not all requests of that time are kept singly any more/)
})

test('of tasks the table says that their pay is elsewhere, where there were any', async (t) => {
  const { run } = setup(t, { tasksAtMs: HOUR })
  assert.match((await run('earnings')).out, /worked off tasks as well: .* not in this table/)
  const without = setup(t)
  assert.doesNotMatch((await without.run('earnings')).out, /tasks/)
})

test('as JSON amounts are exact', async (t) => {
  const { run } = setup(t)
  const { out } = await run('--json', 'earnings', '--by', 'hour')
  const [row] = JSON.parse(out) as { expectedGross: string; fromMs: number }[]
  assert.deepEqual([row?.expectedGross, row?.fromMs], ['200', HOUR])
})

test('a time without a record says so', async (t) => {
  const { run } = setup(t)
  const { out } = await run('earnings', '--to', day(HOUR - 40 * DAY_MS))
  assert.match(out, /Nothing is on record/)
})

test('a folder without a node, two nodes in one, days that are none and days in the wrong order are refused', async (t) => {
  const { run, folder } = setup(t)
  const fails = async (expected: RegExp, ...more: string[]): Promise<void> => {
    const { exitCode, err } = await run('earnings', ...more)
    assert.notEqual(exitCode, 0)
    assert.match(err, expected)
  }
  await fails(/is after --to/, '--from', '2026-11-22', '--to', '2026-11-01')
  await fails(/Expected a day/, '--from', 'yesterday')
  await fails(/no record of a node/, '--node', 'agent')
  mkdirSync(join(folder, 'agent'))
  openSqliteEnergyStore(join(folder, 'agent/energy.sqlite')).close()
  await fails(/records of two nodes/)
})

function setup(
  t: TestContext,
  { forgotten = 0, tasksAtMs }: { readonly forgotten?: number; readonly tasksAtMs?: number } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-earnings-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'provider'))
  const store = openSqliteEnergyStore(join(folder, 'provider/energy.sqlite'))
  const book = createHourBook(() => ({ usdPerKwh: 0.2, source: '--kwh' }))
  book.addEnergy({
    fromMs: HOUR,
    toMs: HOUR + HOUR_MS,
    source: 'gpu',
    quality: 'measured',
    isDetail: false,
    joules: 0.25 * 3.6e6,
  })
  book.addJob({
    requestId: 'req_mine',
    model: 'guide',
    startedAtMs: HOUR,
    endedAtMs: HOUR + 5,
    outcome: 'completed',
    promptTokens: 1,
    completionTokens: 2,
    expectedGross: 200n,
    expectedFee: 10n,
    soldGpuHours: 0,
    joules: null,
    isLowerBound: true,
  })
  const additions = book.take()
  assert.ok(additions)
  store.add({
    ...additions,
    hours: additions.hours.map((hour) => ({ ...hour, requests: hour.requests + forgotten })),
  })
  if (tasksAtMs !== undefined) store.write(TASKS_TAKEN, String(tasksAtMs))
  store.close()

  const asked: string[] = []
  const terminal = createStubTerminal({
    files: { [join(folder, 'credentials.json')]: CREDENTIALS },
    fetch: async (request) => {
      const { pathname, searchParams } = new URL(request.url)
      asked.push(pathname)
      const reply = pathname.endsWith('/statement') ? statement(searchParams.get('before')) : ACCOUNTS
      return Response.json(reply)
    },
  })
  const run = async (...commandLine: string[]) => {
    Object.assign(terminal.written, { out: '', err: '' })
    const program = createProgram(terminal.context, [earningsCommand(terminal.context)])
    const exitCode = await runProgram(program, terminal.context, ['--data', folder, ...commandLine])
    return { exitCode, ...terminal.written }
  }
  return { run, asked, folder }
}

const CREDENTIALS = JSON.stringify({
  apiUrl: 'http://127.0.0.1:7420',
  openaiBaseUrl: 'http://127.0.0.1:7420/v1',
  apiKey: 'member',
})
const account = (kind: string) => ({
  accountId: `${kind}:org`,
  organisationId: 'org',
  kind,
  available: '0',
  held: '0',
})
const ACCOUNTS = { items: [account('consumer'), account('provider')], next: null }

const line = (requestId: string, amount: string) => ({
  sequence: 1,
  atMs: HOUR + 5,
  kind: 'capture',
  memo: '',
  amount,
  counterpartyAccountId: 'consumer:other',
  transferId: requestId,
  requestId,
  externalReference: null,
  balanceAfter: '0',
})
const fresh = { accountId: 'provider:org', asOfSequence: 1, lagEntries: 0 }
const statement = (before: string | null) =>
  before === null
    ? { ...fresh, items: [line('req_of_another_node', '77')], next: 'older' }
    : { ...fresh, items: [line('req_mine', '180')], next: null }
