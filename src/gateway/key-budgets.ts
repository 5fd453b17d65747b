/**
 * What keys may still use of their limits, at this gateway. Requests per minute are counted here; tokens and money are
 * what the ledger has counted, and on top of it what this gateway metered and the ledger has not told of yet, and what
 * its requests under way may come to. So a limit is never exceeded by one gateway, also when it starts anew.
 *
 * Of several gateways each allows its equal share of what is left; where that is too small the workers of one machine count
 * together (`kept-counts.ts`). The share is of what the ledger told last: others'
 * requests that it does not know of yet may take a key over a limit by as much as they cost. What jobs of the key may yet
 * cost is set aside; money that comes back from jobs counts again from the next window on, for the ledger's word only grows here.
 */
import type { Clock } from '#host/host.ts'
import type { BoundedQueue } from '#kernel/bounded-queue.ts'
import { maximum, type NanoUsd } from '#kernel/money.ts'
import { MINUTE_MS, SECOND_MS, type TimestampMs } from '#kernel/time.ts'
import { costOf } from '#ledger/price.ts'
import { startOfDayMs, startOfMonthMs, useAt } from '#organisations/key-use.ts'
import type { BudgetUse } from '#protocol/cell.ts'
import type { KeyLimits, KeyUse } from '#protocol/key-limits.ts'
import type { Problem } from '#protocol/problem.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { createKeptCounts, isKept, type KeptCounts, ofLastMinute } from './kept-counts.ts'
import { requestHeaders, tokenHeaders } from './key-limit-headers.ts'
import {
  atOnceLimited,
  dayLimited,
  minuteLimited,
  neverLimited,
  rateLimited,
  spendLimited,
  tokensLimited,
} from './key-limit-problems.ts'
import { RecentSum } from './recent-sum.ts'

/** A key's limits, and under which name its use is counted. */
export interface LimitedKey {
  readonly budgetId: string
  readonly limits: KeyLimits
}

/** One request's part of its key's limits. */
export interface RequestBudget {
  readonly budgetId: string
  /** Sets aside the most that the request can cost at the node that it was given, in place of what was set aside before. */
  reserve(amount: NanoUsd): Problem | null
  /** The request is metered, or never began: nothing is set aside for it any more. */
  release(): void
}

export interface KeyBudgets {
  /** Counts a request of at most `tokensMax` tokens in, or says why not. */
  admit(key: LimitedKey, tokensMax: number): RequestBudget | Problem
  /** `x-ratelimit-*`, as OpenAI names them; none for a key without such limits. */
  headers(key: LimitedKey): Record<string, string>
  /** The ledger's own count; one that is older than what is known changes nothing. */
  tell(uses: readonly BudgetUse[]): void
  /** What jobs of the budget may yet cost: requests leave so much of its limits of money. */
  promise(budgetId: string, amount: NanoUsd): void
  /** A reply of the feed came: what was settled before it was asked for is in what it told. */
  followed(gateways: number): void
  /** A reading waits for the ledger. */
  waits(record: UsageRecord): void
  /** Readings are in the ledger, and `uses` what it counts with them. */
  settled(records: readonly UsageRecord[], uses: readonly BudgetUse[]): void
  /** Whether its limits of requests are too small to be shared out among workers: `count` is asked, at its keeper. */
  isKept(key: LimitedKey): boolean
  readonly count: KeptCounts['count']
}

interface Amounts {
  tokens: number
  requests: number
  spend: NanoUsd
}
interface Budget {
  told: KeyUse | undefined
  /** Set aside for jobs. */
  promised: NanoUsd
  /** Metered here, and not in what the ledger told. */
  readonly pending: Amounts
  /** The most that requests under way may come to. */
  readonly reserved: Amounts
  /** When requests of the last minute were admitted, by the monotonic clock. */
  times: BoundedQueue<number> | null
  /** Tokens that were metered here in the last minute. */
  readonly recentTokens: RecentSum
}

const emptyBudget = (): Budget => ({
  told: undefined,
  promised: 0n,
  pending: { tokens: 0, requests: 0, spend: 0n },
  reserved: { tokens: 0, requests: 0, spend: 0n },
  times: null,
  recentTokens: new RecentSum(MINUTE_MS),
})

/** Replies of the feed after which a settled reading is surely in what it told: the next may have been asked for before. */
const REPLIES_UNTIL_TOLD = 2

export function createKeyBudgets(clock: Pick<Clock, 'elapsedMs'>, cellNowMs: () => TimestampMs): KeyBudgets {
  const budgets = new Map<string, Budget>()
  const lagging: { budgetId: string; amounts: Amounts; dueReply: number }[] = []
  let gateways = 1
  let replies = 0

  function budgetOf(budgetId: string): Budget {
    const budget = budgets.get(budgetId) ?? emptyBudget()
    budgets.set(budgetId, budget)
    return budget
  }

  /** What this gateway may still let through of `limit`, of which `used` is in the ledger and `own` is not yet. */
  const leftOf = (limit: NanoUsd, used: NanoUsd, own: NanoUsd, least = 0n): NanoUsd =>
    maximum(shareOfLeft(maximum(limit - used, 0n), least, gateways) - own, 0n)

  function tokensLeft({ limits, budgetId }: LimitedKey): number | null {
    if (limits.tokensPerDay === undefined) return null
    const { told, pending, reserved } = budgetOf(budgetId)
    const used = BigInt(useAt(told, cellNowMs()).tokens)
    return Number(leftOf(BigInt(limits.tokensPerDay), used, BigInt(pending.tokens + reserved.tokens)))
  }

  /** Of the limits that a key has, the first that leaves no room for one more request of so many tokens. */
  function overLimit(key: LimitedKey, tokensMax: number): Problem | null {
    const { limits, budgetId } = key
    const { requestsAtOnce, requestsPerDay, tokensPerMinute } = limits
    const budget = budgetOf(budgetId)
    const { told, pending, reserved } = budget
    if (requestsAtOnce !== undefined && reserved.requests >= shareOf(requestsAtOnce))
      return atOnceLimited(shareOf(requestsAtOnce))
    if (requestsPerDay !== undefined) {
      const { requests = 0 } = useAt(told, cellNowMs())
      const own = BigInt(pending.requests + reserved.requests)
      if (leftOf(BigInt(requestsPerDay), BigInt(requests), own, 1n) === 0n)
        return dayLimited(requestsPerDay, untilTomorrow())
    }
    const never = neverLimited(limits, tokensMax, shareOf)
    if (never) return never
    if (tokensPerMinute !== undefined) {
      const limit = { limit: tokensPerMinute, share: shareOf(tokensPerMinute) }
      const over = overMinute(budget, limit, tokensMax, clock.elapsedMs())
      if (over) return over
    }
    const left = tokensLeft(key)
    return left !== null && tokensMax > left
      ? tokensLimited(limits, { left, tokensMax }, untilTomorrow())
      : null
  }

  const shareOf = (limit: number): number => Math.max(1, Math.floor(limit / gateways))

  function moneyLeft({ limits, budgetId }: LimitedKey): { left: NanoUsd; window: 'day' | 'month' } | null {
    const { told, promised, pending, reserved } = budgetOf(budgetId)
    const { spend, monthSpend } = useAt(told, cellNowMs())
    const own = pending.spend + reserved.spend
    const day = limits.spendPerDay === undefined ? null : leftOf(limits.spendPerDay, spend + promised, own)
    const month =
      limits.spendPerMonth === undefined ? null : leftOf(limits.spendPerMonth, monthSpend + promised, own)
    if (month !== null && (day === null || month < day)) return { left: month, window: 'month' }
    return day === null ? null : { left: day, window: 'day' }
  }

  /** The window of a key's requests, without those that are a minute old. */
  function timesOf({ limits, budgetId }: LimitedKey): BoundedQueue<number> | null {
    if (limits.requestsPerMinute === undefined) return null
    const budget = budgetOf(budgetId)
    budget.times = ofLastMinute(budget.times, shareOf(limits.requestsPerMinute), clock.elapsedMs())
    return budget.times
  }

  const untilTomorrow = (): number => startOfDayMs(useAt(undefined, cellNowMs()).day + 1) - cellNowMs()
  const untilNextMonth = (): number => startOfMonthMs(useAt(undefined, cellNowMs()).month + 1) - cellNowMs()

  function admit(key: LimitedKey, tokensMax: number): RequestBudget | Problem {
    const times = timesOf(key)
    if (times && times.length >= times.lengthMax) {
      return rateLimited(times.lengthMax, MINUTE_MS - (clock.elapsedMs() - (times.peek() ?? 0)))
    }
    const over = overLimit(key, tokensMax)
    if (over) return over
    const money = moneyLeft(key)
    if (money?.left === 0n) return spendLimited(key.limits, { ...money, amount: 0n }, resetMs(money.window))
    times?.push(clock.elapsedMs())
    return reserveFor(key, tokensMax)
  }

  const resetMs = (window: 'day' | 'month'): number => (window === 'day' ? untilTomorrow() : untilNextMonth())

  function reserveFor(key: LimitedKey, tokens: number): RequestBudget {
    const { reserved } = budgetOf(key.budgetId)
    let amount = 0n
    let isOver = false
    reserved.tokens += tokens
    reserved.requests++
    const set = (next: NanoUsd): void => {
      reserved.spend += next - amount
      amount = next
    }
    return {
      budgetId: key.budgetId,
      reserve(next) {
        set(0n)
        const money = moneyLeft(key)
        if (money && next > money.left) {
          return spendLimited(key.limits, { ...money, amount: next }, resetMs(money.window))
        }
        set(next)
        return null
      },
      release() {
        if (isOver) return
        isOver = true
        reserved.tokens -= tokens
        reserved.requests--
        set(0n)
      },
    }
  }

  function tell(uses: readonly BudgetUse[]): void {
    for (const { budgetId, ...use } of uses) {
      const budget = budgetOf(budgetId)
      budget.told = later(budget.told, use)
    }
  }

  const add = (budgetId: string, amounts: Amounts, sign: 1 | -1): void =>
    addTo(budgetOf(budgetId).pending, amounts, sign)

  const { count } = createKeptCounts({
    clock,
    cellNowMs,
    gateways: () => gateways,
    toldOf: (budgetId) => budgets.get(budgetId)?.told,
  })

  return {
    admit,
    isKept: ({ limits }) => isKept(limits, gateways),
    count,
    headers: (key) => ({
      ...requestHeaders(timesOf(key), clock.elapsedMs()),
      ...tokenHeaders(key.limits, tokensLeft(key), untilTomorrow()),
    }),
    tell,
    promise(budgetId, amount) {
      if (amount > 0n || budgets.has(budgetId)) budgetOf(budgetId).promised = amount
    },
    followed(count) {
      gateways = Math.max(1, count)
      replies++
      while (lagging[0] && lagging[0].dueReply <= replies) {
        const { budgetId, amounts } = lagging[0]
        lagging.shift()
        add(budgetId, amounts, -1)
      }
    },
    waits(record) {
      const { budgetId } = record
      if (budgetId === undefined) return
      const amounts = amountsOf(record)
      add(budgetId, amounts, 1)
      budgetOf(budgetId).recentTokens.add(amounts.tokens, clock.elapsedMs())
    },
    settled(records, uses) {
      const told = new Set(uses.map(({ budgetId }) => budgetId))
      tell(uses)
      for (const record of records) {
        const { budgetId } = record
        if (budgetId === undefined) continue
        if (told.has(budgetId)) add(budgetId, amountsOf(record), -1)
        else lagging.push({ budgetId, amounts: amountsOf(record), dueReply: replies + REPLIES_UNTIL_TOLD })
      }
    },
  }
}

/** Of what is left, as the ledger has it. `least`: its share as long as there is so much, for nobody is served a part of a request. */
const shareOfLeft = (left: NanoUsd, least: NanoUsd, gateways: number): NanoUsd =>
  maximum(left / BigInt(gateways), left < least ? left : least)

function addTo(amounts: Amounts, { tokens, requests, spend }: Amounts, sign: 1 | -1): void {
  amounts.tokens += sign * tokens
  amounts.requests += sign * requests
  amounts.spend += BigInt(sign) * spend
}

/** Why a request of so many tokens has no room in this minute. */
function overMinute(
  { recentTokens, reserved }: Budget,
  { limit, share }: { limit: number; share: number },
  tokensMax: number,
  nowMs: number,
): Problem | null {
  const recent = recentTokens.at(nowMs)
  const left = share - recent - reserved.tokens
  if (tokensMax <= left) return null
  // What is under way may use less, and what was used grows old.
  const waitMs =
    recent === 0 ? SECOND_MS : recentTokens.msUntilGone(Math.min(recent, tokensMax - left), nowMs)
  return minuteLimited(limit, { left, tokensMax }, waitMs)
}

/** What a reading adds to its key's use, as the ledger will count it. */
function amountsOf({ parts }: UsageRecord): Amounts {
  const amounts = { tokens: 0, requests: 0, spend: 0n }
  for (const part of parts) {
    amounts.tokens += part.promptTokens + part.completionTokens
    amounts.spend += costOf(part, part)
  }
  // As the ledger: what brought nothing is not counted.
  if (amounts.tokens > 0 || amounts.spend > 0n) amounts.requests = 1
  return amounts
}

/** Of two counts of the same ledger the later one: within a window they only grow. */
function later(a: KeyUse | undefined, b: KeyUse): KeyUse {
  if (!a) return b
  const [first, last] = a.day > b.day ? [b, a] : [a, b]
  const isSameDay = first.day === last.day
  const isSameMonth = first.month === last.month
  return {
    day: last.day,
    tokens: isSameDay ? Math.max(first.tokens, last.tokens) : last.tokens,
    requests: isSameDay ? Math.max(first.requests ?? 0, last.requests ?? 0) : (last.requests ?? 0),
    spend: isSameDay ? maximum(first.spend, last.spend) : last.spend,
    month: last.month,
    monthSpend: isSameMonth ? maximum(first.monthSpend, last.monthSpend) : last.monthSpend,
  }
}
