/** `shoal earnings`: what the node of this machine used and earned, from its own record. */
import { Command, InvalidArgumentError, Option } from 'commander'
import {
  type EarningsRow,
  earningsCsv,
  earningsRows,
  type LedgerAnswer,
  type LedgerSum,
} from '#agent/energy/earnings.ts'
import { TASKS_TAKEN } from '#agent/energy/energy-keeper.ts'
import type { CliContext } from '#cli/context.ts'
import { dataFolderOf, type GlobalOptions } from '#cli/credentials.ts'
import { formatCount, formatMoney } from '#cli/format.ts'
import { runSession, type Session } from '#cli/session.ts'
import { styleFor } from '#cli/style.ts'
import { type Column, formatTable } from '#cli/table.ts'
import type { EnergyStore, JobRecord, Period } from '#host/energy-store.ts'
import { openSqliteEnergyStore } from '#host/node/sqlite-energy-store.ts'
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import { PAGE_LIMIT_MAX } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import { findEnergyRecord } from './find-energy-record.ts'

interface EarningsOptions extends GlobalOptions {
  readonly by: 'hour' | 'day'
  readonly from?: number
  readonly to?: number
  readonly csv?: boolean
  readonly ledger?: boolean
  readonly node?: 'agent' | 'provider'
}

const DAYS_DEFAULT = 30
const JOBS_MAX = 1_000_000

export const earningsCommand = (context: CliContext): Command =>
  new Command('earnings')
    .description("show this machine's energy and earnings, from its own record")
    .addOption(new Option('--by <step>', 'what a line is').choices(['hour', 'day']).default('day'))
    .option('--from <date>', 'the first day, in UTC (default: 30 days ago)', parseDay)
    .option('--to <date>', 'the last day, in UTC (default: today)', parseDay)
    .option('--csv', 'print all columns as CSV, for spreadsheets and tax')
    .option('--ledger', "ask the network's ledger what it paid for the same requests")
    .addOption(
      new Option('--node <kind>', 'the node of "shoal up" (agent) or of "shoal provide" (provider)').choices([
        'agent',
        'provider',
      ]),
    )
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<EarningsOptions>()
      const store = openSqliteEnergyStore(findEnergyRecord(dataFolderOf(context, options), options.node))
      try {
        await show(context, command, { options, store })
      } finally {
        store.close()
      }
    })

function parseDay(text: string): number {
  const atMs = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  if (Number.isNaN(atMs)) throw new InvalidArgumentError('Expected a day such as 2026-11-22.')
  return atMs
}

async function show(
  context: CliContext,
  command: Command,
  { options, store }: { options: EarningsOptions; store: EnergyStore },
): Promise<void> {
  const { stdout, env, clock } = context
  const toMs = options.to === undefined ? clock.nowMs() : options.to + DAY_MS
  const fromMs = options.from ?? Math.floor((toMs - DAYS_DEFAULT * DAY_MS) / DAY_MS) * DAY_MS
  const period = { fromMs, toMs }
  if (fromMs >= toMs) throw new Problem('config_invalid', '--from is after --to: nothing lies between them.')
  // Before the network is asked: the node writes on meanwhile.
  const hours = store.hours(period)
  let ledger: LedgerAnswer | null = null
  if (options.ledger) {
    const jobs = store.jobs(period, JOBS_MAX)
    await runSession(context, command, async (session) => {
      ledger = await readLedger(session, jobs, period)
    })
  }
  const rows = earningsRows(hours, options.by, ledger)
  if (options.csv) return stdout.write(earningsCsv(rows))
  if (options.json) return stdout.write(`${JSON.stringify(rows, withTextAmounts, 2)}\n`)
  const style = styleFor(stdout, env)
  if (rows.length === 0) return stdout.write(`${style('dim', 'Nothing is on record in that time.')}\n`)
  stdout.write(`${formatTable(columnsOf(options.by, ledger !== null), rows, style)}\n`)
  const hasTasks = store.read(TASKS_TAKEN) !== null
  const told = remarks(rows, { hasLedger: ledger !== null, hasTasks })
  stdout.write(`${style('dim', told.join('\n'))}\n`)
}

const withTextAmounts = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? value.toString() : value

/** What the ledger paid for `jobs`, by the hour in which each ended. */
async function readLedger(
  session: Session,
  jobs: readonly JobRecord[],
  { fromMs }: Period,
): Promise<LedgerAnswer> {
  const hourOf = new Map(jobs.map((job) => [job.requestId, Math.floor(job.endedAtMs / HOUR_MS) * HOUR_MS]))
  const asked = new Map<number, number>()
  for (const { endedAtMs } of jobs) {
    const hourMs = Math.floor(endedAtMs / HOUR_MS) * HOUR_MS
    asked.set(hourMs, (asked.get(hourMs) ?? 0) + 1)
  }
  const sums = new Map<number, LedgerSum>()
  const { items } = await session.member.listAccounts({ query: { limit: PAGE_LIMIT_MAX } })
  for (const { accountId } of items.filter(({ kind }) => kind === 'provider')) {
    for (let before: string | undefined; ; ) {
      const query = { limit: PAGE_LIMIT_MAX, ...(before !== undefined && { before }) }
      const page = await session.member.getStatement({ params: { accountId }, query })
      for (const { kind, requestId, amount } of page.items) {
        const hourMs = requestId === null ? undefined : hourOf.get(requestId)
        if (kind !== 'capture' || hourMs === undefined) continue
        const known = sums.get(hourMs) ?? { net: 0n, requests: 0 }
        sums.set(hourMs, { net: known.net + amount, requests: known.requests + 1 })
      }
      // Newest first: what is older than the first request was not paid for any of them.
      const isPast = (page.items.at(-1)?.atMs ?? 0) < fromMs
      if (page.next === null || isPast) break
      before = page.next
    }
  }
  return { paid: sums, asked }
}

const UNKNOWN = '–'

function columnsOf(step: 'hour' | 'day', hasLedger: boolean): Column<EarningsRow>[] {
  const day = (atMs: number): string => new Date(atMs).toISOString().slice(0, step === 'day' ? 10 : 16)
  return [
    { title: step === 'day' ? 'DAY (UTC)' : 'HOUR (UTC)', text: (row) => day(row.fromMs).replace('T', ' ') },
    { title: 'REQUESTS', isRight: true, text: (row) => formatCount(row.requests) },
    { title: 'GROSS', isRight: true, text: (row) => formatMoney(row.expectedGross) },
    { title: 'FEE', isRight: true, text: (row) => formatMoney(row.expectedFee) },
    { title: 'NET', isRight: true, text: (row) => formatMoney(row.expectedNet) },
    ...(hasLedger
      ? [
          {
            title: 'PAID',
            isRight: true,
            text: ({ ledger }: EarningsRow) => (ledger ? formatMoney(ledger.net) : UNKNOWN),
          },
        ]
      : []),
    { title: 'KWH', isRight: true, text: (row) => row.kwh?.toFixed(3) ?? UNKNOWN },
    { title: 'MEASURED', text: (row) => row.kwhSource ?? UNKNOWN },
    {
      title: 'ELECTRICITY',
      isRight: true,
      text: (row) => (row.electricityCost === null ? UNKNOWN : formatMoney(row.electricityCost)),
    },
    { title: 'SERVED', isRight: true, text: (row) => `${row.servingHours.toFixed(1)} h` },
    { title: 'PARKED', isRight: true, text: (row) => `${row.parkedHours.toFixed(1)} h` },
  ]
}

/** What the table does not say by itself. */
function remarks(
  rows: readonly EarningsRow[],
  { hasLedger, hasTasks }: { hasLedger: boolean; hasTasks: boolean },
): string[] {
  const has = (holds: (row: EarningsRow) => boolean): boolean => rows.some(holds)
  return [
    hasLedger
      ? 'PAID is what the network credited for the same requests.'
      : "GROSS, FEE and NET are this node's own reckoning; --ledger compares them with what was paid.",
    ...(hasLedger && has((row) => row.ledger === null)
      ? [
          'Where PAID is unknown, not all requests of that time are kept singly any more: "shoal accounts statement" has what was paid.',
        ]
      : []),
    ...(hasTasks
      ? [
          'This node worked off tasks as well: their electricity is in KWH, what they paid is not in this table but in "shoal accounts statement".',
        ]
      : []),
    ...(has((row) => row.kwhSource === 'parts' || row.kwhSource === 'mixed')
      ? ['Without a plug, KWH is what the GPUs and the CPU measure of themselves: the machine draws more.']
      : []),
    ...(has((row) => row.kwh !== null && row.costedKwh < row.kwh * 0.999)
      ? ['ELECTRICITY counts the energy at a known price only.']
      : []),
  ]
}
