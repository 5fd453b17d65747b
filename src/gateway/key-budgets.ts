/**
 * What keys may still use of their limits, at this gateway. Requests per minute are counted here; tokens and money are
 * what the ledger has counted, and on top of it what this gateway metered and the ledger has not told of yet, and what
 * its requests under way may come to. So a limit is never exceeded by one gateway, also when it starts anew.
 *
 * Of several gateways each allows its equal share of what is left. The share is of what the ledger told last: others'
 * requests that it does not know of yet may take a key over a limit by as much as they cost.
 */
import type { Clock } from '#host/host.ts'
import { BoundedQueue } from '#kernel/bounded-queue.ts'
import { formatUsd, maximum, type NanoUsd } from '#kernel/money.ts'
import { DAY_MS, MINUTE_MS, SECOND_MS, type TimestampMs } from '#kernel/time.ts'
import { costOf } from '#ledger/price.ts'
import { startOfDayMs, startOfMonthMs, useAt } from '#organisations/key-use.ts'
import type { BudgetUse } from '#protocol/cell.ts'
import type { KeyLimits, KeyUse } from '#protocol/key-limits.ts'
import { Problem } from '#protocol/problem.ts'
import type { UsageRecord } from '#protocol/usage.ts'

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
  /** A reply of the feed came: what was settled before it was asked for is in what it told. */
  followed(gateways: number): void
  /** A reading waits for the ledger. */
  waits(record: UsageRecord): void
  /** Readings are in the ledger, and `uses` what it counts with them. */
  settled(records: readonly UsageRecord[], uses: readonly BudgetUse[]): void
}

interface Amounts {
  tokens: number
  spend: NanoUsd
}
interface Budget {
  told: KeyUse | undefined
  /** Metered here, and not in what the ledger told. */
  readonly pending: Amounts
  /** The most that requests under way may come to. */
  readonly reserved: Amounts
  /** When requests of the last minute were admitted, by the monotonic clock. */
  times: BoundedQueue<number> | null
}

/** Replies of the feed after which a settled reading is surely in what it told: the next may have been asked for before. */
const REPLIES_UNTIL_TOLD = 2

export function createKeyBudgets(clock: Pick<Clock, 'elapsedMs'>, cellNowMs: () => TimestampMs): KeyBudgets {
  const budgets = new Map<string, Budget>()
  const lagging: { budgetId: string; amounts: Amounts; dueReply: number }[] = []
  let gateways = 1
  let replies = 0

  function budgetOf(budgetId: string): Budget {
    let budget = budgets.get(budgetId)
    if (!budget) {
      budget = {
        told: undefined,
        pending: { tokens: 0, spend: 0n },
        reserved: { tokens: 0, spend: 0n },
        times: null,
      }
      budgets.set(budgetId, budget)
    }
    return budget
  }

  /** What this gateway may still let through of `limit`, of which `used` is in the ledger and `own` is not yet. */
  const leftOf = (limit: NanoUsd, used: NanoUsd, own: NanoUsd): NanoUsd =>
    maximum(maximum(limit - used, 0n) / BigInt(gateways) - own, 0n)

  function tokensLeft({ limits, budgetId }: LimitedKey): number | null {
    if (limits.tokensPerDay === undefined) return null
    const { told, pending, reserved } = budgetOf(budgetId)
    const used = BigInt(useAt(told, cellNowMs()).tokens)
    return Number(leftOf(BigInt(limits.tokensPerDay), used, BigInt(pending.tokens + reserved.tokens)))
  }

  function moneyLeft({ limits, budgetId }: LimitedKey): { left: NanoUsd; window: 'day' | 'month' } | null {
    const { told, pending, reserved } = budgetOf(budgetId)
    const { spend, monthSpend } = useAt(told, cellNowMs())
    const own = pending.spend + reserved.spend
    const day = limits.spendPerDay === undefined ? null : leftOf(limits.spendPerDay, spend, own)
    const month = limits.spendPerMonth === undefined ? null : leftOf(limits.spendPerMonth, monthSpend, own)
    if (month !== null && (day === null || month < day)) return { left: month, window: 'month' }
    return day === null ? null : { left: day, window: 'day' }
  }

  /** The window of a key's requests, without those that are a minute old. */
  function timesOf({ limits, budgetId }: LimitedKey): BoundedQueue<number> | null {
    if (limits.requestsPerMinute === undefined) return null
    const lengthMax = Math.max(1, Math.floor(limits.requestsPerMinute / gateways))
    const budget = budgetOf(budgetId)
    if (budget.times?.lengthMax !== lengthMax) budget.times = refill(budget.times, lengthMax)
    const { times } = budget
    for (let first = times.peek(); first !== undefined; first = times.peek()) {
      if (clock.elapsedMs() - first < MINUTE_MS) break
      times.shift()
    }
    return times
  }

  const untilTomorrow = (): number => startOfDayMs(useAt(undefined, cellNowMs()).day + 1) - cellNowMs()
  const untilNextMonth = (): number => startOfMonthMs(useAt(undefined, cellNowMs()).month + 1) - cellNowMs()

  function admit(key: LimitedKey, tokensMax: number): RequestBudget | Problem {
    const times = timesOf(key)
    if (times && times.length >= times.lengthMax) {
      return rateLimited(times.lengthMax, MINUTE_MS - (clock.elapsedMs() - (times.peek() ?? 0)))
    }
    const left = tokensLeft(key)
    if (left !== null && tokensMax > left)
      return tokensLimited(key.limits, { left, tokensMax }, untilTomorrow())
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

  const add = (budgetId: string, { tokens, spend }: Amounts, sign: 1 | -1): void => {
    const { pending } = budgetOf(budgetId)
    pending.tokens += sign * tokens
    pending.spend += BigInt(sign) * spend
  }

  return {
    admit,
    headers: (key) => ({
      ...requestHeaders(timesOf(key), clock.elapsedMs()),
      ...tokenHeaders(key.limits, tokensLeft(key), untilTomorrow()),
    }),
    tell,
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
      if (record.budgetId !== undefined) add(record.budgetId, amountsOf(record), 1)
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

/** What a reading adds to its key's use, as the ledger will count it. */
function amountsOf({ parts }: UsageRecord): Amounts {
  const amounts = { tokens: 0, spend: 0n }
  for (const part of parts) {
    amounts.tokens += part.promptTokens + part.completionTokens
    amounts.spend += costOf(part, part)
  }
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
    spend: isSameDay ? maximum(first.spend, last.spend) : last.spend,
    month: last.month,
    monthSpend: isSameMonth ? maximum(first.monthSpend, last.monthSpend) : last.monthSpend,
  }
}

/** The newest of `times`, as many as fit. */
function refill(times: BoundedQueue<number> | null, lengthMax: number): BoundedQueue<number> {
  const filled = new BoundedQueue<number>(lengthMax)
  for (let left = times?.length ?? 0; left > 0; left--) {
    const time = times?.shift()
    if (time !== undefined && left <= lengthMax) filled.push(time)
  }
  return filled
}

const RATE_CODE = { code: 'rate_limit_exceeded' }

const rateLimited = (limit: number, retryAfterMs: number): Problem =>
  new Problem(
    'rate_limited',
    `Rate limit reached for this API key: ${limit} requests per minute. Try again in ${Math.ceil(retryAfterMs / SECOND_MS)} s.`,
    { details: { ...RATE_CODE, retryAfterMs } },
  )

const tokensLimited = (
  { tokensPerDay }: KeyLimits,
  { left, tokensMax }: { left: number; tokensMax: number },
  retryAfterMs: number,
): Problem =>
  new Problem(
    'tokens_limited',
    `Rate limit reached for this API key: ${tokensPerDay} tokens per day, of which ${left} are left; this request may use up to ${tokensMax}. Lower max_tokens, or try again after midnight UTC.`,
    { details: { ...RATE_CODE, retryAfterMs } },
  )

function spendLimited(
  { spendPerDay = 0n, spendPerMonth = 0n }: KeyLimits,
  { left, window, amount }: { left: NanoUsd; window: 'day' | 'month'; amount: NanoUsd },
  retryAfterMs: number,
): Problem {
  const limit = window === 'day' ? spendPerDay : spendPerMonth
  const asked = amount > 0n ? `; this request may cost up to $${formatUsd(amount)}` : ''
  return new Problem(
    'spend_limited',
    `This API key may spend $${formatUsd(limit)} per ${window}, of which $${formatUsd(left)} are left${asked}. Lower max_tokens, raise the key's limit, or wait for the next ${window}.`,
    { details: { code: 'insufficient_quota', retryAfterMs } },
  )
}

function requestHeaders(times: BoundedQueue<number> | null, nowMs: number): Record<string, string> {
  if (times === null) return {}
  const first = times.peek()
  return {
    'x-ratelimit-limit-requests': String(times.lengthMax),
    'x-ratelimit-remaining-requests': String(times.lengthMax - times.length),
    'x-ratelimit-reset-requests': formatReset(first === undefined ? 0 : MINUTE_MS - (nowMs - first)),
  }
}

const tokenHeaders = (
  { tokensPerDay }: KeyLimits,
  left: number | null,
  resetMs: number,
): Record<string, string> =>
  left === null
    ? {}
    : {
        'x-ratelimit-limit-tokens': String(tokensPerDay),
        'x-ratelimit-remaining-tokens': String(left),
        'x-ratelimit-reset-tokens': formatReset(Math.min(resetMs, DAY_MS)),
      }

/** As OpenAI writes durations: `6h2m1s`, `820ms`. */
function formatReset(ms: number): string {
  if (ms < SECOND_MS) return `${Math.max(0, Math.ceil(ms))}ms`
  const seconds = Math.ceil(ms / SECOND_MS)
  const [hours, minutes, rest] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60]
  return `${hours > 0 ? `${hours}h` : ''}${hours + minutes > 0 ? `${minutes}m` : ''}${rest}s`
}
