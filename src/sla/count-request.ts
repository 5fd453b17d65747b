/** Adds requests to the counts that they belong to. */
import type { NanoUsd } from '#kernel/money.ts'
import { DAY_MS, type TimestampMs } from '#kernel/time.ts'
import type { OpenRequest, RefusedCount, SlaClass } from '#protocol/sla.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { type Bin, binStartOf, emptyBin, lossPpb, monthOf } from './bins.ts'
import { type Counted, countOf, countOfRefusal, faultNodeIdOf } from './count.ts'
import { countKey, type DayCount, LATE_MS, type MonthCount, type Sla } from './sla.ts'
import { tiers } from './tiers.ts'

export interface Billed {
  readonly record: UsageRecord
  readonly cost: NanoUsd
  /** Of that, what a credit is a part of; all unless given. */
  readonly charge?: NanoUsd | undefined
  /** It was counted as lost before, in this month or in another. Readings of earlier releases do not say so. */
  readonly wasLost?: boolean | undefined
  readonly atMs: TimestampMs
}

/** A request that was answered, failed or was given up, as it was billed at `atMs`. */
export function countRecord(sla: Sla, { record, cost, charge = cost, wasLost = false, atMs }: Billed): void {
  const { organisationId, slaClass = 'none' } = record
  const faultNodeId = faultNodeIdOf(record)
  const counted = countOf(record, cost)
  const place = { organisationId, slaClass, atMs: placedAtMs(record.startedAtMs, atMs) }
  const isLost = sla.lost.delete(record.requestId) || wasLost
  if (!isLost) addToNetwork(sla, counted, place.atMs, 1)
  const count = monthFor(sla, place)
  if (!count) return
  count.charges += charge
  if (isLost) return
  addCounted(sla, count, { counted, atMs: place.atMs, times: 1 })
  if (counted.kind === 'error' && faultNodeId !== undefined) {
    count.faults.set(faultNodeId, (count.faults.get(faultNodeId) ?? 0) + 1)
  }
  if (counted.kind === 'good') attain(count, record)
}

/** Requests that a gateway let nobody in for. */
export function countRefused(sla: Sla, refused: RefusedCount, atMs: TimestampMs): void {
  const { organisationId, slaClass, count: times } = refused
  const counted = countOfRefusal(refused)
  const place = { organisationId, slaClass, atMs: placedAtMs(refused.binStartMs, atMs) }
  addToNetwork(sla, counted, place.atMs, times)
  const count = monthFor(sla, place)
  if (count) addCounted(sla, count, { counted, atMs: place.atMs, times })
}

/** A request that was under way at a gateway that is gone, and whose end nobody will tell: it failed. */
export function countLost(sla: Sla, lost: OpenRequest, atMs: TimestampMs): void {
  const counted: Counted = { kind: 'error', problem: 'gateway_lost' }
  const place = { ...lost, atMs: placedAtMs(lost.startedAtMs, atMs) }
  addToNetwork(sla, counted, place.atMs, 1)
  const count = monthFor(sla, place)
  if (count) addCounted(sla, count, { counted, atMs: place.atMs, times: 1 })
}

/** What was paid for requests of a month and came back. */
export function countRefund(
  sla: Sla,
  {
    organisationId,
    slaClass,
    month,
    amount,
  }: Pick<MonthCount, 'organisationId' | 'slaClass' | 'month'> & { readonly amount: NanoUsd },
): void {
  countFor(sla, { organisationId, slaClass, month }).charges -= amount
}

interface Place {
  readonly organisationId: string
  readonly slaClass: SlaClass
  readonly atMs: TimestampMs
}

/**
 * When a request counts: as it arrived, by cell time, and never in the future. What comes later than closed bins are kept
 * counts when it comes, so that no bin is changed that nobody remembers.
 */
export const placedAtMs = (startedAtMs: TimestampMs, atMs: TimestampMs): TimestampMs =>
  atMs - startedAtMs > LATE_MS ? atMs : Math.min(startedAtMs, atMs)

/** `null` where nothing is promised. */
function monthFor(sla: Sla, { organisationId, slaClass, atMs }: Place): MonthCount | null {
  return slaClass === 'none' ? null : countFor(sla, { organisationId, slaClass, month: monthOf(atMs) })
}

function countFor(sla: Sla, of: Pick<MonthCount, 'organisationId' | 'slaClass' | 'month'>): MonthCount {
  const key = countKey(of)
  let count = sla.counts.get(key)
  if (!count) {
    count = {
      ...of,
      charges: 0n,
      valid: 0,
      errors: 0,
      aborted: 0,
      notCounted: new Map(),
      firstToken: { met: 0, of: 0 },
      speed: { met: 0, of: 0 },
      bins: new Map(),
      faults: new Map(),
    }
    sla.counts.set(key, count)
  }
  return count
}

function addCounted(
  sla: Sla,
  count: MonthCount,
  { counted, atMs, times }: { counted: Counted; atMs: TimestampMs; times: number },
): void {
  const startMs = binStartOf(atMs)
  if (counted.kind === 'not_counted') {
    note(count, counted.reason, times)
    if (counted.reason !== 'client_abort') return
    count.aborted += times
  } else {
    count.valid += times
    if (counted.kind === 'error') count.errors += times
  }
  addToBin(binIn(count.bins, startMs), counted, times)
  if (startMs >= sla.closedBeforeMs) sla.hasOpenBins = true
}

function addToBin(bin: Bin, counted: Counted, times: number): void {
  if (counted.kind === 'not_counted') {
    if (counted.reason === 'client_abort') bin.aborted += times
    return
  }
  bin.valid += times
  if (counted.kind === 'error') bin.errors += times
}

/** What nobody is promised counts here too: the status page is about the network. */
function addToNetwork(sla: Sla, counted: Counted, atMs: TimestampMs, times: number): void {
  const startMs = binStartOf(atMs)
  const isFree = counted.kind === 'not_counted' && (counted.reason === 'unpaid' || counted.reason === 'free')
  const shown: Counted = isFree ? { kind: 'good' } : counted
  if (shown.kind === 'not_counted' && shown.reason !== 'client_abort') return
  const { bins, days } = sla.network
  if (startMs < sla.closedBeforeMs && !bins.has(startMs)) return
  const bin = binIn(bins, startMs)
  const before = startMs < sla.closedBeforeMs ? lossPpb(bin) : 0
  addToBin(bin, shown, times)
  const day = dayIn(days, Math.floor(startMs / DAY_MS) * DAY_MS)
  if (shown.kind !== 'not_counted') day.valid += times
  if (shown.kind === 'error') day.errors += times
  if (startMs >= sla.closedBeforeMs) sla.hasOpenBins = true
  else day.lostPpb += lossPpb(bin) - before
}

export function dayIn(days: Map<TimestampMs, DayCount>, startMs: TimestampMs): DayCount {
  let day = days.get(startMs)
  if (!day) {
    day = { valid: 0, errors: 0, lostPpb: 0, gone: new Map() }
    days.set(startMs, day)
  }
  return day
}

function binIn(bins: Map<TimestampMs, Bin>, startMs: TimestampMs): Bin {
  let bin = bins.get(startMs)
  if (!bin) {
    bin = emptyBin(startMs)
    bins.set(startMs, bin)
  }
  return bin
}

const note = (
  { notCounted }: MonthCount,
  reason: Parameters<MonthCount['notCounted']['set']>[0],
  times: number,
) => void notCounted.set(reason, (notCounted.get(reason) ?? 0) + times)

/** Prompt tokens that a first token may take another second for. */
const PROMPT_TOKENS_PER_SECOND = 1_000
/** Shorter answers say nothing of speed. */
const SPEED_TOKENS_MIN = 8

function attain(count: MonthCount, record: UsageRecord): void {
  const tier = tiers[count.slaClass]
  const { firstTokenMs, decodeMs, parts } = record
  let [promptTokens, completionTokens] = [0, 0]
  for (const part of parts) {
    promptTokens += part.promptTokens
    completionTokens += part.completionTokens
  }
  if (firstTokenMs !== null) {
    count.firstToken.of++
    if (firstTokenMs <= tier.firstTokenMs + (promptTokens * 1_000) / PROMPT_TOKENS_PER_SECOND) {
      count.firstToken.met++
    }
  }
  if (decodeMs !== undefined && completionTokens >= SPEED_TOKENS_MIN) {
    count.speed.of++
    // The first token is not part of the time, so that it is none of those that took it.
    if ((completionTokens - 1) * 1_000 >= tier.tokensPerSecond * decodeMs) count.speed.met++
  }
}
