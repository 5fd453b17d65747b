/**
 * The month's end: everybody who was promised anything gets a statement, and what is owed is on the account with it, in
 * the same entry of the journal. Nobody has to ask for it.
 */
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { consumerAccount, NETWORK_FEES } from '#ledger/ledger.ts'
import type { SlaClass } from '#protocol/sla.ts'
import type { JobFacts, SlaStatement } from '#protocol/sla-statement.ts'
import { monthOf, spanOfMonth } from '#sla/bins.ts'
import { creditsOf, jobCreditOf } from '#sla/credits.ts'
import { countKey, type JobPromise, MONTH_GRACE_MS, monthBinsOf, type Sla } from '#sla/sla.ts'
import { tiers } from '#sla/tiers.ts'
import type { Turn } from '../turn.ts'
import { takeShares } from './take-shares.ts'

/** In one turn at most: an entry of the journal has a size. */
const STATEMENTS_AT_ONCE_MAX = 100

/** Makes some of the statements that are due; the month is closed once all are made. Nothing where none is due. */
export function closeMonths(turn: Turn): void {
  const { sla } = turn.state
  const month = dueMonth(sla, turn.nowMs)
  if (month === null) return
  let left = STATEMENTS_AT_ONCE_MAX
  for (const due of dueStatements(sla, month)) {
    if (left-- === 0) return
    makeStatement(turn, due)
  }
  turn.record([{ type: 'sla.month_closed', month, atMs: turn.nowMs }])
}

/** The oldest month that is over, its grace with it, and of which something was counted. */
function dueMonth(sla: Sla, nowMs: TimestampMs): string | null {
  const newest = monthOf(nowMs - MONTH_GRACE_MS)
  let due: string | null = null
  const consider = (month: string): void => {
    if (month < newest && month > sla.closedMonth && (due === null || month < due)) due = month
  }
  for (const { month } of sla.counts.values()) consider(month)
  for (const { endedAtMs } of sla.jobs.values()) if (endedAtMs !== null) consider(monthOf(endedAtMs))
  return due
}

interface Due {
  readonly organisationId: string
  readonly slaClass: SlaClass
  readonly month: string
}

/** In a total order, those made in earlier turns not among them. */
function dueStatements(sla: Sla, month: string): Due[] {
  const due = new Map<string, Due>()
  const add = (organisationId: string, slaClass: SlaClass): void => {
    const one = { organisationId, slaClass, month }
    if (!sla.statements.has(countKey(one))) due.set(countKey(one), one)
  }
  for (const count of sla.counts.values())
    if (count.month === month) add(count.organisationId, count.slaClass)
  for (const job of jobsEndedIn(sla, month)) add(job.organisationId, job.slaClass)
  return [...due].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
}

function jobsEndedIn(sla: Sla, month: string): JobPromise[] {
  const { fromMs, toMs } = spanOfMonth(month)
  return [...sla.jobs.values()].filter(
    ({ endedAtMs }) => endedAtMs !== null && endedAtMs >= fromMs && endedAtMs < toMs,
  )
}

function makeStatement(turn: Turn, due: Due): void {
  const { sla } = turn.state
  const { organisationId, slaClass, month } = due
  const count = sla.counts.get(countKey(due))
  const tier = tiers[slaClass]
  const charges = count?.charges ?? 0n
  const credits = creditsOf(
    monthBinsOf(sla, { month, bins: count?.bins ?? new Map() }, turn.nowMs),
    charges,
    tier,
  )
  const jobs = jobsEndedIn(sla, month)
    .filter((job) => job.organisationId === organisationId && job.slaClass === slaClass)
    .map((job) => jobCreditOf(job.jobId, factsOf(job)))
  const posted = jobs.reduce((sum, { credit }) => sum + credit, credits.credit)
  const transferId = posted > 0n ? `sla:${month}:${organisationId}:${slaClass}` : null
  const shares = transferId && count ? takeShares(turn, { count, credit: credits.credit, transferId }) : []
  const statement: SlaStatement = {
    organisationId,
    slaClass,
    month,
    valid: count?.valid ?? 0,
    errors: count?.errors ?? 0,
    aborted: count?.aborted ?? 0,
    uptimePpb: credits.uptimePpb,
    binsCounted: credits.binsCounted,
    binsExcluded: credits.binsExcluded,
    targetPpb: tier.targetPpb,
    charges,
    creditBps: credits.creditBps,
    credit: credits.credit,
    jobs,
    posted,
    transferId,
    shares,
  }
  const left = shares.reduce((sum, { amount }) => sum - amount, posted)
  if (transferId && left > 0n) postCredit(turn, { transferId, statement, amount: left })
  turn.record([{ type: 'sla.statement_made', ...statement, atMs: turn.nowMs }])
}

function factsOf({
  jobId: _,
  organisationId: _of,
  slaClass: _in,
  pausedAtMs: _since,
  ownRefund: _back,
  ...facts
}: JobPromise): JobFacts {
  return facts
}

/** What no node pays is the network's: out of its fees, and where there are none out of its losses. */
function postCredit(
  turn: Turn,
  { transferId, statement, amount }: { transferId: string; statement: SlaStatement; amount: NanoUsd },
): void {
  const { organisationId, month, slaClass } = statement
  const refusal = turn.ledger({
    kind: 'capture',
    transferId,
    accountId: NETWORK_FEES,
    holdId: '',
    payouts: [{ accountId: consumerAccount(organisationId), amount }],
    memo: `SLA credit · ${slaClass} · ${month}`,
    nowMs: turn.nowMs,
  })
  assert(refusal === null, `a credit that is owed is posted, not ${refusal}`)
}
