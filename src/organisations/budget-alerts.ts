/**
 * When it is told that a key has spent much of what it may. A share of a limit is told once in each window, as soon as
 * what was spent reaches it. A limit that is raised arms again those of its shares that are still ahead; one that is
 * lowered tells what it has reached at once, and nothing that was told of a higher one.
 */
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { KeyLimits, KeyUse } from '#protocol/key-limits.ts'
import { dayOf, monthOf, useAt } from './key-use.ts'
import type { OrganisationEvent } from './organisation-events.ts'
import type { BudgetTold, Organisations } from './organisations.ts'

/** In percent of a limit, rising. */
export const ALERT_SHARES = [50, 80, 100] as const

export type BudgetReached = OrganisationEvent & { type: 'organisation.budget_reached' }
type Window = BudgetReached['window']

interface WindowUse {
  readonly window: Window
  /** Which day or month it is. */
  readonly index: number
  readonly spent: NanoUsd
  readonly limit: NanoUsd | undefined
}

const windowsOf = (use: KeyUse, limits: KeyLimits): readonly WindowUse[] => [
  { window: 'day', index: use.day, spent: use.spend, limit: limits.spendPerDay },
  { window: 'month', index: use.month, spent: use.monthSpend, limit: limits.spendPerMonth },
]

const indexOf = (window: Window, atMs: TimestampMs): number =>
  window === 'day' ? dayOf(atMs) : monthOf(atMs)

const isReached = (spent: NanoUsd, limit: NanoUsd, share: number): boolean =>
  spent * 100n >= limit * BigInt(share)

/** By share, the highest limit that it was told of in that window. */
const toldIn = (told: BudgetTold | undefined, { window, index }: Pick<WindowUse, 'window' | 'index'>) =>
  told?.[window]?.index === index ? told[window].limits : undefined

/** What `keyId` has reached by now and was not told of; `added` of what it has spent is new. Nothing for an unknown key. */
export function decideReached(
  state: Organisations,
  { keyId, added, nowMs }: { keyId: string; added: NanoUsd; nowMs: TimestampMs },
): BudgetReached[] {
  const key = state.keys.get(keyId)
  if (!key || (key.limits.spendPerDay === undefined && key.limits.spendPerMonth === undefined)) return []
  const { budgetId, organisationId, limits } = key
  const events: BudgetReached[] = []
  for (const at of windowsOf(useAt(state.use.get(budgetId), nowMs), limits)) {
    const { window, spent, limit } = at
    // Of nothing every share is reached before anything is spent.
    if (limit === undefined || limit <= 0n) continue
    const told = toldIn(state.told.get(budgetId), at)
    for (const sharePercent of ALERT_SHARES) {
      if (!isReached(spent, limit, sharePercent)) break
      const toldOf = told?.get(sharePercent)
      const isAhead = !isReached(spent - added, limit, sharePercent)
      if (toldOf !== undefined && (limit <= toldOf || !isAhead)) continue
      const reached = { organisationId, keyId, budgetId, window, sharePercent, spent, limit, atMs: nowMs }
      events.push({ type: 'organisation.budget_reached', ...reached })
    }
  }
  return events
}

/** Remembers what was told. */
export function noteReached({ told }: Organisations, event: BudgetReached): void {
  const { budgetId, window, sharePercent, limit, atMs } = event
  const known = told.get(budgetId)
  const index = indexOf(window, atMs)
  const limits = toldIn(known, { window, index }) ?? new Map<number, NanoUsd>()
  limits.set(sharePercent, limit)
  const { type: _, organisationId: __, budgetId: ___, ...last } = event
  told.set(budgetId, {
    day: known?.day ?? null,
    month: known?.month ?? null,
    [window]: { index, limits },
    last,
  })
}

/** What was told, but for shares that `use` does not reach any more since money came back: they are told again. */
export function withoutUnreached(told: BudgetTold, use: KeyUse): BudgetTold {
  const reached = (window: BudgetTold['day'], index: number, spent: NanoUsd): BudgetTold['day'] =>
    window?.index !== index
      ? window
      : {
          index,
          limits: new Map([...window.limits].filter(([share, limit]) => isReached(spent, limit, share))),
        }
  return {
    ...told,
    day: reached(told.day, use.day, use.spend),
    month: reached(told.month, use.month, use.monthSpend),
  }
}

/** True when nothing was told in the window that runs that what was spent does not bear out. */
export function isBorneOut({ day, month }: BudgetTold, use: KeyUse): boolean {
  const holds = (window: BudgetTold['day'], index: number, spent: NanoUsd): boolean =>
    window?.index !== index || [...window.limits].every(([share, limit]) => isReached(spent, limit, share))
  return holds(day, use.day, use.spend) && holds(month, use.month, use.monthSpend)
}
