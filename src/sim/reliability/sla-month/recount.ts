/**
 * What a month's credits should be, worked out anew from what gateways wrote down of each request: none of the product's counting
 * is used here, only its table of what is promised.
 */
import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import { HOUR_MS } from '#kernel/time.ts'
import { type ProblemCode, problemKinds } from '#protocol/problem.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { tiers } from '#sla/tiers.ts'

const BIN_MS = 300_000
const WHOLE = 1_000_000_000n
/** A reading that comes later counts as of when it came. */
const LATE_MS = 6 * HOUR_MS

export interface Recounted {
  /** Parts per billion, rounded down. */
  readonly uptime: bigint
  readonly charges: bigint
  readonly credit: bigint
  readonly errors: number
}

interface Tally {
  charges: bigint
  errors: number
  readonly bins: Map<number, { good: bigint; bad: bigint; left: bigint }>
}

/** By organisation, of the month that begins at `fromMs` and ends before `toMs`. */
export function recount(
  events: Iterable<CoordinatorEvent>,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Map<string, Recounted> {
  const byCustomer = new Map<string, Tally>()
  const classes = new Map<string, keyof typeof tiers>()
  const lost = new Set<string>()

  function add(
    organisationId: string,
    atMs: number,
    what: 'good' | 'bad' | 'left' | null,
    times = 1,
  ): Tally | null {
    if (atMs < fromMs || atMs >= toMs) return null
    const tally = byCustomer.get(organisationId) ?? { charges: 0n, errors: 0, bins: new Map() }
    byCustomer.set(organisationId, tally)
    if (what === null) return tally
    const start = atMs - (atMs % BIN_MS)
    const bin = tally.bins.get(start) ?? { good: 0n, bad: 0n, left: 0n }
    tally.bins.set(start, bin)
    bin[what] += BigInt(times)
    if (what === 'bad') tally.errors += times
    return tally
  }

  for (const event of events) {
    if (event.type === 'sla.class_set') classes.set(event.organisationId, event.slaClass)
    else if (event.type === 'sla.requests_lost')
      for (const { requestId, organisationId, startedAtMs } of event.requests) {
        lost.add(requestId)
        add(organisationId, startedAtMs, 'bad')
      }
    else if (event.type === 'sla.tallied')
      for (const { organisationId, binStartMs, problem, count } of event.tally.refused)
        add(organisationId, binStartMs, isOurs(problem) ? 'bad' : null, count)
    else if (event.type === 'sla.refunded') {
      const tally = add(event.organisationId, Date.parse(`${event.month}-01`), null)
      if (tally) tally.charges -= event.amount
    }
    // A node's own copy says what it is owed; the request counts by its reading.
    else if (event.type === 'usage.recorded' && !event.spoolId.startsWith('receipts:')) {
      const { record, paidBefore = 0n, atMs = event.record.startedAtMs } = event
      const cost = event.cost + paidBefore
      const placedMs = atMs - record.startedAtMs > LATE_MS ? atMs : Math.min(atMs, record.startedAtMs)
      const tally = add(
        record.organisationId,
        placedMs,
        lost.has(record.requestId) ? null : judge(record, cost),
      )
      if (tally) tally.charges += event.slaCharge ?? cost
    }
  }
  const bins = BigInt((toMs - fromMs) / BIN_MS)
  return new Map(
    [...byCustomer].map(([organisationId, tally]) => {
      const slaClass = classes.get(organisationId) ?? 'none'
      return [organisationId, resultOf(tally, { bins, slaClass })]
    }),
  )
}

function judge(record: UsageRecord, cost: bigint): 'good' | 'bad' | 'left' | null {
  const { exempt, outcome, problem, firstTokenMs, firstTokenDueMs, totalMs } = record
  if (exempt !== undefined) return null
  if (outcome === 'completed') return cost > 0n ? 'good' : null
  if (outcome === 'failed') return isOurs(problem ?? 'internal') ? 'bad' : null
  const waitedInVain = firstTokenMs === null && firstTokenDueMs !== undefined && totalMs >= firstTokenDueMs
  return waitedInVain ? 'bad' : 'left'
}

/** An answer of 5xx, but for what was never offered. */
function isOurs(problem: string): boolean {
  const status = problem in problemKinds ? problemKinds[problem as ProblemCode].status : 500
  return status >= 500 && status !== 501
}

function resultOf(
  { charges, errors, bins: counted }: Tally,
  { bins, slaClass }: { bins: bigint; slaClass: keyof typeof tiers },
): Recounted {
  let lost = 0n
  for (const { good, bad, left } of counted.values()) {
    const asked = good + bad + left
    if (bad > 0n) lost += (bad * WHOLE + asked - 1n) / asked
  }
  const uptime = (bins * WHOLE - lost) / bins
  const step = tiers[slaClass].credits.find(({ belowPpb }) => uptime < BigInt(belowPpb))
  const credit = (charges * BigInt(step?.creditBps ?? 0) + 9_999n) / 10_000n
  return { uptime, charges, credit, errors }
}
