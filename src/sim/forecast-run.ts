/**
 * What nodes forecast of their income against what the ledger then paid them. On one day of a simulated month every node
 * forecasts, by the product's own function and from its own record of the days before; at the end its account tells.
 */
import { incomeHistory } from '#agent/energy/income-history.ts'
import type { FleetName } from '#economics/fleet/named-fleets.ts'
import { forecastIncome, type IncomeForecast, naiveIncome } from '#economics/income-forecast.ts'
import { NANO_PER_USD } from '#kernel/money.ts'
import { DAY_MS } from '#kernel/time.ts'
import { auditFleet } from './fleet-audit.ts'
import { type FleetPlan, openFleetWorld } from './fleet-run.ts'
import { EPOCH_MS } from './sim-process.ts'

export interface ForecastPlan extends FleetPlan {
  /** The forecast is made when so many days have passed, for all days that are left. */
  readonly forecastDay: number
}

/** One node; amounts are of the days after the forecast, in USD. */
export interface ForecastOutcome {
  readonly nodeId: string
  readonly fleet: FleetName
  /** `null`: the node has less than a day on record. */
  readonly forecast: IncomeForecast | null
  /** The mean of the days before, for each day after. */
  readonly naiveUsd: number
  readonly ledgerUsd: number
}

export interface ForecastRun {
  readonly seed: number
  readonly outcomes: readonly ForecastOutcome[]
  /** How requests ended, by HTTP status. */
  readonly statuses: Readonly<Record<number, number>>
  readonly bills: number
  readonly driftShare: number
  readonly events: number
}

/** Rejects when an invariant of the network breaks or an account holds anything else than its bills come to. */
export async function runForecast(seed: number, plan: ForecastPlan): Promise<ForecastRun> {
  const fleetWorld = await openFleetWorld(seed, plan)
  const { fleet, incomeOf } = fleetWorld
  const toMs = EPOCH_MS + plan.forecastDay * DAY_MS
  const horizon = { fromMs: toMs, toMs: EPOCH_MS + plan.days * DAY_MS }

  await fleetWorld.runUntilDay(plan.forecastDay)
  const before = fleet.map((member) => {
    const history = incomeHistory(member.store, { fromMs: EPOCH_MS, toMs })
    return {
      forecast: forecastIncome(history, horizon),
      naiveUsd: naiveIncome(history, horizon, plan.forecastDay),
      earned: incomeOf(member),
    }
  })
  await fleetWorld.runUntilDay(plan.days)
  const outcomes = before.map(({ earned, ...told }, index) => {
    const member = fleet[index] as (typeof fleet)[number]
    const ledgerUsd = Number(incomeOf(member) - earned) / Number(NANO_PER_USD)
    return { nodeId: member.slot.nodeId, fleet: member.node.fleet, ...told, ledgerUsd }
  })
  const { statuses, driftShare, world } = fleetWorld
  return {
    seed,
    outcomes,
    statuses,
    driftShare,
    bills: auditFleet(fleetWorld),
    events: world.scheduler.count(),
  }
}
