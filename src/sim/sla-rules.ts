/**
 * What the journal says that each customer is owed at the end of its months, worked out by other code than decides it; and
 * that the month's end pays just that. A run is shorter than a month: its end is played at the end of the run.
 */
import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import { type CoordinatorState, checkState } from '#coordinator/coordinator-state.ts'
import { closeMonths } from '#coordinator/sla/close-month.ts'
import { stepSla } from '#coordinator/sla/step-sla.ts'
import { startTurn } from '#coordinator/turn.ts'
import { assert } from '#kernel/assert.ts'
import { type ProblemCode, problemKinds } from '#protocol/problem.ts'
import type { UsageRecord } from '#protocol/usage.ts'

const BIN = 300_000n
const SHARE = 1_000_000_000n
const LATE_MS = 6 * 3_600_000

interface Owed {
  charges: bigint
  readonly bins: Map<bigint, { asked: bigint; failed: bigint }>
}
type Recorded = Extract<CoordinatorEvent, { type: 'usage.recorded' }>

export interface SlaFigures {
  /** Requests that count for somebody, and those of them that failed. */
  readonly counted: number
  readonly failed: number
  /** Requests that were under way at gateways that were lost. */
  readonly lost: number
}

export class SlaRules {
  readonly #owed = new Map<string, Owed>()
  readonly #lost = new Set<string>()
  readonly #classes = new Map<string, string>()
  /** Billed by the nodes' own copies, by request. */
  readonly #claimed = new Map<string, bigint>()
  /** Organisations with nodes of their own. */
  readonly #owners = new Set<string>()
  /** Months that have their statement. */
  readonly #stated = new Set<string>()
  /** Requests whose answers were looked at as of those that nothing is promised for, and those that are. */
  readonly #unpromised = { lookedAt: new Set<string>(), told: new Set<string>() }
  #refused = 0
  #counted = 0
  #failed = 0

  read(events: readonly CoordinatorEvent[]): void {
    this.#refunds(events)
    this.#statements(events)
    for (const event of events) {
      if (event.type === 'fleet.node_enrolled') this.#owners.add(event.organisationId)
      if (event.type === 'usage.recorded') this.#request(event)
      if (event.type === 'sla.class_set') this.#classes.set(event.organisationId, event.slaClass)
      if (event.type === 'verify.answer_checked' && !event.isCanary) {
        const { auditId, organisationId, slaClass = 'none' } = event
        const promised = this.#classes.get(organisationId) ?? 'none'
        const isUnpromised = slaClass === 'none' && promised !== 'none'
        if (isUnpromised) this.#unpromised.lookedAt.add(auditId.split(':')[0] ?? '')
        else assert(slaClass === promised, `${auditId} is looked at as of ${slaClass}, and is of ${promised}`)
      }
      if (event.type === 'sla.tallied') {
        for (const { binStartMs, count, problem, exempt, ...of } of event.tally.refused) {
          this.#refused += count
          this.#checkExempt(of.organisationId, exempt)
          const isError = exempt === undefined && isFault(problem)
          if (isError) this.#add({ ...of, startedAtMs: binStartMs, atMs: event.atMs }, { isError, count })
        }
      }
      if (event.type === 'sla.requests_lost') {
        for (const request of event.requests) {
          assert(!this.#lost.has(request.requestId), `${request.requestId} was lost twice`)
          this.#lost.add(request.requestId)
          this.#add({ ...request, atMs: event.atMs }, { isError: true, count: 1 })
        }
      }
    }
  }

  /** What came back to callers is no charge, and no more is taken for that than came back in the same entry. */
  #refunds(events: readonly CoordinatorEvent[]): void {
    const back = new Map<string, bigint>()
    for (const event of events) {
      if (event.type === 'ledger.captured' && event.transferId.startsWith('answers-forfeited:'))
        for (const { accountId, amount } of event.payouts)
          back.set(accountId, (back.get(accountId) ?? 0n) + amount)
      if (event.type !== 'sla.refunded') continue
      const { organisationId, slaClass, month, amount } = event
      const account = `consumer:${organisationId}`
      const left = (back.get(account) ?? 0n) - amount
      assert(left >= 0n, `${organisationId} is charged ${-left} less than came back to it`)
      back.set(account, left)
      this.#owedFor(`${organisationId} ${slaClass} ${month}`).charges -= amount
    }
  }

  #request({ spoolId, record, cost: billed, slaCharge, paidBefore = 0n, wasLost, atMs = 0 }: Recorded): void {
    const { requestId, slaClass, outcome, exempt, problem, firstTokenMs, firstTokenDueMs, totalMs } = record
    const claimed = this.#claimed.get(requestId) ?? 0n
    if (spoolId.startsWith('receipts:')) return void this.#claimed.set(requestId, claimed + billed)
    assert(paidBefore === claimed, `of ${requestId} ${claimed} were paid by copies, not ${paidBefore}`)
    const cost = billed + claimed
    this.#checkExempt(record.organisationId, exempt)
    if (slaClass === undefined) return
    const place = { ...record, slaClass, atMs }
    const isUnpromised = exempt === 'batch' || exempt === 'restricted'
    if (isUnpromised) this.#unpromised.told.add(requestId)
    assert(!isUnpromised || slaCharge === 0n, `${requestId} is promised nothing, and is no part of a credit`)
    this.#of(place).charges += slaCharge ?? cost
    const isLost = this.#lost.has(requestId)
    assert(isLost === (wasLost === true), `${requestId} tells whether it was counted as lost`)
    if (exempt !== undefined || isLost) return
    if (outcome === 'completed' && cost === 0n) return
    const isTooLate =
      outcome === 'cancelled' &&
      firstTokenMs === null &&
      totalMs >= (firstTokenDueMs ?? Number.POSITIVE_INFINITY)
    if (outcome === 'failed' && !isFault(problem ?? 'internal')) return
    this.#add(place, { isError: outcome === 'failed' || isTooLate, count: 1 })
  }

  #checkExempt(organisationId: string, exempt: UsageRecord['exempt']): void {
    const isOwn = exempt === 'own_node'
    assert(
      !isOwn || this.#owners.has(organisationId),
      `${organisationId} fails at its own nodes, and has none`,
    )
  }

  #add(place: Place, { isError, count }: { isError: boolean; count: number }): void {
    const { bins } = this.#of(place)
    const start = BigInt(instantOf(place)) / BIN
    const bin = bins.get(start) ?? { asked: 0n, failed: 0n }
    bin.asked += BigInt(count)
    if (isError) bin.failed += BigInt(count)
    bins.set(start, bin)
    if (place.slaClass === 'none') return
    this.#counted += count
    if (isError) this.#failed += count
  }

  #of(place: Place): Owed {
    const month = new Date(instantOf(place)).toISOString().slice(0, 7)
    return this.#owedFor(`${place.organisationId} ${place.slaClass} ${month}`)
  }

  #owedFor(key: string): Owed {
    const owed = this.#owed.get(key) ?? { charges: 0n, bins: new Map() }
    this.#owed.set(key, owed)
    return owed
  }

  /** `unanswered`: calls that got no whole answer. More cannot have been refused. */
  refusedAtMost(unanswered: number): void {
    assert(
      this.#refused <= unanswered,
      `${this.#refused} refusals are told, and ${unanswered} calls got no answer`,
    )
  }

  /** Plays the months' ends on `state`, which is changed. */
  end(state: CoordinatorState, nowMs: number): SlaFigures {
    const events: CoordinatorEvent[] = []
    // What a lost gateway had open is given up after a while without a word of it.
    stepSla(startTurn(state, nowMs + 16 * 60_000, events))
    this.read(events)
    assert(state.sla.open.size === 0, 'what is told as open for ever is lost')
    for (const requestId of this.#unpromised.lookedAt)
      assert(this.#unpromised.told.has(requestId), `${requestId} is looked at as of one without a promise`)
    const endMs = nowMs + 32 * 86_400_000
    for (let turns = 0; turns < 100; turns++) closeMonths(startTurn(state, endMs, events))
    checkState(state)
    this.#statements(events)
    const promised = [...this.#owed.keys()].filter((key) => !key.includes(' none '))
    assert(
      this.#stated.size === promised.length,
      `${promised.length} months are owed a statement, ${this.#stated.size} were made`,
    )
    return { counted: this.#counted, failed: this.#failed, lost: this.#lost.size }
  }

  /** Each says what was counted, and moves what it says. */
  #statements(events: readonly CoordinatorEvent[]): void {
    for (const event of events) {
      if (event.type !== 'sla.statement_made') continue
      const key = `${event.organisationId} ${event.slaClass} ${event.month}`
      assert(!this.#stated.has(key), `${key} has two statements`)
      this.#stated.add(key)
      const owed = this.#owed.get(key)
      assert(owed, `${key} has a statement, and nothing was counted for it`)
      const { uptime, credit, asked, failed } = creditOf(owed, event.month, event.slaClass)
      assert(
        event.valid + event.aborted === asked && event.errors === failed,
        `${key} counts ${event.errors} errors of ${event.valid + event.aborted}, not ${failed} of ${asked}`,
      )
      assert(event.charges === owed.charges, `${key} is charged ${event.charges}, not ${owed.charges}`)
      assert(BigInt(event.uptimePpb) === uptime, `${key} is up ${event.uptimePpb} ppb, not ${uptime}`)
      assert(event.credit === credit, `${key} is credited ${event.credit}, and is owed ${credit}`)
      const moved = events.reduce(
        (sum, one) => sum + movedBy(one, event.transferId ?? '-', event.organisationId),
        0n,
      )
      assert(moved === event.posted, `${key} is told ${event.posted}, and ${moved} were posted`)
    }
  }
}

interface Place {
  readonly organisationId: string
  readonly slaClass: string
  readonly startedAtMs: number
  readonly atMs: number
}

const instantOf = ({ startedAtMs, atMs }: Place): number =>
  startedAtMs > atMs || atMs > startedAtMs + LATE_MS ? atMs : startedAtMs

function isFault(problem: string): boolean {
  const { status } = problemKinds[problem as ProblemCode] ?? { status: 500 }
  return status >= 500 && status !== 501
}

/** By the published table. */
const steps: Readonly<Record<string, readonly (readonly [below: bigint, percent: bigint])[]>> = {
  standard: [
    [950_000_000n, 50n],
    [990_000_000n, 10n],
  ],
  business: [
    [950_000_000n, 50n],
    [990_000_000n, 25n],
    [995_000_000n, 10n],
  ],
  enterprise: [
    [950_000_000n, 100n],
    [990_000_000n, 25n],
    [999_000_000n, 10n],
  ],
}

function creditOf({ charges, bins }: Owed, month: string, slaClass: string) {
  const [year = 0, index = 0] = month.split('-').map(Number)
  const count = BigInt(Date.UTC(year, index) - Date.UTC(year, index - 1)) / BIN
  let lost = 0n
  let [allAsked, allFailed] = [0n, 0n]
  for (const { asked, failed } of bins.values()) {
    allAsked += asked
    allFailed += failed
    const share = failed * SHARE
    lost += asked === 0n ? 0n : share / asked + (share % asked > 0n ? 1n : 0n)
  }
  const uptime = (count * SHARE - lost) / count
  const [, percent = 0n] = steps[slaClass]?.find(([below]) => uptime < below) ?? []
  const exact = charges * percent
  const credit = exact / 100n + (exact % 100n > 0n ? 1n : 0n)
  return { uptime, credit, asked: Number(allAsked), failed: Number(allFailed) }
}

/** What the event puts on the account of the organisation for this credit. */
function movedBy(event: CoordinatorEvent, transferId: string, organisationId: string): bigint {
  if (event.type !== 'ledger.captured') return 0n
  if (event.transferId !== transferId && !event.transferId.startsWith(`${transferId}:`)) return 0n
  return event.payouts
    .filter(({ accountId }) => accountId === `consumer:${organisationId}`)
    .reduce((sum, { amount }) => sum + amount, 0n)
}
