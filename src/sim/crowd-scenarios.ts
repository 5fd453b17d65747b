/** What too many requests do, by two questions: to the other accounts, and to the time after. */
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { type CrowdCall, quantile, runCrowd } from './crowd-run.ts'

export interface CrowdSize {
  readonly accounts: number
  readonly nodes: number
  readonly minutes: number
}
export const crowdSize: CrowdSize = { accounts: 10, nodes: 12, minutes: 5 }

/** Of what is its share an ordinary account sends. */
const ORDINARY = 0.5
const GREEDY = 20

export interface FairnessResult {
  /** Of all accounts but one, while that one sends its share, and while it sends 20 times as much. */
  readonly p99Ms: number
  readonly p99MsBesideGreedy: number
  readonly othersRefused: number
  readonly greedyServed: number
  readonly greedyRefused: number
  readonly requests: number
}

/** One account at 20 times its share. */
export async function measureFairness(seed: number, size = crowdSize): Promise<FairnessResult> {
  const durationMs = size.minutes * MINUTE_MS
  const share = 1 / size.accounts
  const runWith = (ofFirst: number) =>
    runCrowd(seed, {
      ...size,
      durationMs,
      shareAt: (account) => share * (account === 0 ? ofFirst : ORDINARY),
    })
  const calm = await runWith(1)
  const greedy = await runWith(GREEDY)
  const others = greedy.calls.filter(({ account }) => account !== 0)
  const first = greedy.calls.filter(({ account }) => account === 0)
  return {
    p99Ms: p99Of(calm.calls.filter(({ account }) => account !== 0)),
    p99MsBesideGreedy: p99Of(others),
    othersRefused: others.filter(isRefused).length,
    greedyServed: first.filter((call) => !isRefused(call)).length,
    greedyRefused: first.filter(isRefused).length,
    requests: greedy.calls.length,
  }
}

export interface OverloadResult {
  readonly p99MsBefore: number
  /** From ten seconds after its end on. */
  readonly p99MsAfter: number
  readonly p99MsDuring: number
  readonly refused: number
  /** Until a refusal came. */
  readonly refusedMsMax: number
  /** Refusals by status. */
  readonly statuses: Readonly<Record<string, number>>
  /** Of refusals that say when to come back. */
  readonly retryAfterShare: number
  readonly refusedAfter: number
}

const BEFORE_MS = 2 * MINUTE_MS
const OVERLOAD_MS = MINUTE_MS
const OVERLOAD = 5
const BACK_AFTER_MS = 10 * SECOND_MS

/** Five times what the nodes can do, from all accounts alike, for a minute. */
export async function measureOverload(seed: number, size = crowdSize): Promise<OverloadResult> {
  const endMs = BEFORE_MS + OVERLOAD_MS
  const { calls } = await runCrowd(seed, {
    ...size,
    durationMs: endMs + BEFORE_MS,
    shareAt: (_account, atMs) => (atMs >= BEFORE_MS && atMs < endMs ? OVERLOAD : ORDINARY) / size.accounts,
  })
  const between = (fromMs: number, toMs: number) =>
    calls.filter(({ sentMs }) => sentMs >= fromMs && sentMs < toMs)
  const refused = calls.filter(isRefused)
  const statuses: Record<string, number> = {}
  for (const { status } of refused) statuses[status] = (statuses[status] ?? 0) + 1
  const after = between(endMs + BACK_AFTER_MS, Number.POSITIVE_INFINITY)
  return {
    p99MsBefore: p99Of(between(0, BEFORE_MS)),
    p99MsDuring: p99Of(between(BEFORE_MS, endMs)),
    p99MsAfter: p99Of(after),
    refused: refused.length,
    refusedMsMax: Math.max(0, ...refused.map(({ totalMs }) => totalMs)),
    statuses,
    retryAfterShare:
      refused.filter(({ retryAfterSeconds }) => retryAfterSeconds !== null).length /
      Math.max(1, refused.length),
    refusedAfter: after.filter(isRefused).length,
  }
}

const isRefused = ({ status }: CrowdCall): boolean => status !== 200

const p99Of = (calls: readonly CrowdCall[]): number =>
  quantile(
    calls.flatMap(({ firstTokenMs }) => firstTokenMs ?? []),
    0.99,
  )
