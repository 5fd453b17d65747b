/** How many spares it takes to keep a promise, and what each number of them costs. */
import { MONTH_HOURS } from './fleet-hours.ts'
import { liveFleet } from './fleet-months.ts'
import { type FleetOutlook, outlookOf, type UptimePromise } from './fleet-outlook.ts'
import type { FleetPlan } from './fleet-plan.ts'

export interface SparesQuestion {
  readonly plan: FleetPlan
  readonly seed: number
  readonly promise: UptimePromise
  /** Of the months of all services, the share in which it is to be kept. */
  readonly goal: number
  /** What customers pay for a service in a month. */
  readonly chargeUsd: number
}

export interface SparesRow {
  readonly spares: number
  readonly keptShare: number
  readonly machinesUsd: number
  /** Expected, in a month, for all services together. */
  readonly creditsUsd: number
  readonly totalUsd: number
}

export interface SparesAnswer {
  /** The fewest that keep it as often as wanted; `null`: no number of them that was tried does. */
  readonly needed: number | null
  /** Of these the one with the least sum of machines and credits. */
  readonly cheapest: number
  /** In order. Of fewer months than were asked for where those would take long. */
  readonly rows: readonly SparesRow[]
  readonly months: number
}

/** More spares than so many times the machines at work are no fleet. */
const SPARES_TIMES_MAX = 4
/** Losses of machines that the search may simulate: some seconds. */
const LOSSES_MAX = 2_400_000
const MONTHS_MIN = 20
const RUNS_ABOUT = 12

/** `losses`: of all machines in a month, from a first look at the same fleet. */
export function searchSpares(question: SparesQuestion, losses: number): SparesAnswer {
  const { plan, goal } = question
  const perRun = LOSSES_MAX / RUNS_ABOUT / Math.max(1, losses)
  const months = Math.min(plan.months, Math.max(MONTHS_MIN, Math.floor(perRun)))
  const rows = new Map<number, SparesRow>()
  const rowAt = (spares: number): SparesRow => {
    const row = rows.get(spares) ?? rowOf({ ...question, plan: { ...plan, spares, months } })
    rows.set(spares, row)
    return row
  }
  const isEnough = (spares: number): boolean => rowAt(spares).keptShare >= goal
  const most = SPARES_TIMES_MAX * plan.nodes
  let [low, high] = [-1, 0]
  while (!isEnough(high) && high < most) [low, high] = [high, Math.min(most, Math.max(1, high * 2))]
  const isFound = isEnough(high)
  while (isFound && high - low > 1) {
    const middle = low + Math.ceil((high - low) / 2)
    if (isEnough(middle)) high = middle
    else low = middle
  }
  for (const spares of [plan.spares, high + 1]) if (spares <= most) rowAt(spares)
  const sorted = [...rows.values()].toSorted((a, b) => a.spares - b.spares)
  const cheapest = sorted.reduce((best, row) => (row.totalUsd < best.totalUsd ? row : best))
  return { needed: isFound ? high : null, cheapest: cheapest.spares, rows: sorted, months }
}

export function rowOf({ plan, seed, promise, chargeUsd }: Omit<SparesQuestion, 'goal'>): SparesRow {
  const outlook = outlookOf(liveFleet(plan, seed), plan, [promise])
  const machinesUsd = outlook.machinesUsdPerMonth
  const creditsUsd = creditsUsdOf(outlook, plan, { name: promise.name, chargeUsd })
  const keptShare = outlook.promises[0]?.keptShare ?? 0
  return { spares: plan.spares, keptShare, machinesUsd, creditsUsd, totalUsd: machinesUsd + creditsUsd }
}

/** In a month, for all services together. */
export function creditsUsdOf(
  { promises }: Pick<FleetOutlook, 'promises'>,
  { nodes, replicas }: Pick<FleetPlan, 'nodes' | 'replicas'>,
  { name, chargeUsd }: { readonly name: string; readonly chargeUsd: number },
): number {
  const share = promises.find((promise) => promise.name === name)?.creditShare ?? 0
  return (share * chargeUsd * nodes) / replicas
}

/** What a service costs its customer who pays for its machines at work, and the network's fee on top. */
export function chargeUsdOf(
  { kinds, replicas }: Pick<FleetPlan, 'kinds' | 'replicas'>,
  feeShare: number,
): number {
  const weights = kinds.reduce((sum, { weight }) => sum + weight, 0)
  const usdPerHour = kinds.reduce((sum, { usdPerHour: usd, weight }) => sum + usd * weight, 0) / weights
  return (replicas * usdPerHour * MONTH_HOURS) / (1 - feeShare)
}
