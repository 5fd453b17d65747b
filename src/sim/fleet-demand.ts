/** What callers want over days and weeks: a day's wave, a quieter weekend, better and worse days, and a drift. */

import { logNormal, poisson } from '#economics/draws.ts'
import { createNormals, uniform } from '#economics/normal.ts'
import { forkRandom, type Random } from '#kernel/random.ts'
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import { callFleet } from './fleet-caller.ts'
import { apiKeyOf } from './sim-load.ts'
import { EPOCH_MS } from './sim-process.ts'
import type { GatewaySlot, SimWorld } from './sim-world.ts'

export interface DemandPlan {
  readonly days: number
  /** Mean over a week at the start. */
  readonly requestsPerHour: number
  /** By which share it grows in 30 days; drawn when left out. */
  readonly driftShare?: number
}

/** By how much the busiest hour is above the mean, and when it is; callers are all over the world, so the wave is low. */
const WAVE = 0.45
const BUSIEST_UTC_HOUR = 15
const WEEKEND = 0.75
const DAY_SIGMA = 0.08
/** How much of a good day stays on the next. */
const DAY_MEMORY = 0.5
const HOUR_SIGMA = 0.2
/** In 30 days, either way at most. */
const DRIFT_MAX = 0.1

const completionTokens = logNormal({ median: 4_000, sigma: 0.7 })
const promptTokens = logNormal({ median: 400, sigma: 1 })
const COMPLETION_TOKENS_MAX = 16_000
const PROMPT_TOKENS_MAX = 4_000
const LARGE_PERCENT = 35

/** The mean number of requests in each hour from the beginning of simulated time. */
export function drawDemand(plan: DemandPlan, random: Random) {
  const { days, requestsPerHour } = plan
  const normal = createNormals(forkRandom(random))
  const drawnShare = DRIFT_MAX * (2 * uniform(random) - 1)
  const driftShare = plan.driftShare ?? drawnShare
  const rates: number[] = []
  let day = DAY_SIGMA * normal()
  for (let hour = 0; hour < days * 24; hour++) {
    if (hour > 0 && hour % 24 === 0)
      day = DAY_MEMORY * day + DAY_SIGMA * Math.sqrt(1 - DAY_MEMORY ** 2) * normal()
    const at = new Date(EPOCH_MS + hour * HOUR_MS)
    const wave = 1 + WAVE * Math.cos(((at.getUTCHours() - BUSIEST_UTC_HOUR) / 12) * Math.PI)
    const week = at.getUTCDay() % 6 === 0 ? WEEKEND : 1
    const drift = 1 + (driftShare * hour) / (30 * 24)
    const noise = Math.exp(day + HOUR_SIGMA * normal() - (DAY_SIGMA ** 2 + HOUR_SIGMA ** 2) / 2)
    rates.push((requestsPerHour * wave * week * drift * noise * 7) / (5 + 2 * WEEKEND))
  }
  return { rates, driftShare }
}

/** Sends the requests of every hour at random moments of it. `statuses` counts how they ended. */
export function startDemand(world: SimWorld, rates: readonly number[], random: Random) {
  const { scheduler, network, gateways, plan } = world
  const statuses: Record<number, number> = {}

  function call(): void {
    const gateway = gateways[random.int(gateways.length)] as GatewaySlot
    const tokens = (drawn: number, max: number): number => Math.max(16, Math.min(max, Math.round(drawn)))
    callFleet(
      network,
      gateway.address,
      {
        apiKey: apiKeyOf(random.int(plan.clients)),
        model: random.chance(LARGE_PERCENT, 100) ? 'guide-large' : 'guide-small',
        promptTokens: tokens(promptTokens(random), PROMPT_TOKENS_MAX),
        completionTokens: tokens(completionTokens(random), COMPLETION_TOKENS_MAX),
      },
      (status) => {
        statuses[status] = (statuses[status] ?? 0) + 1
      },
    )
  }
  function beginHour(hour: number): void {
    const rate = rates[hour]
    if (rate === undefined) return
    for (let left = poisson(rate, random); left > 0; left--) scheduler.after(random.int(HOUR_MS), call)
    scheduler.after(HOUR_MS, () => beginHour(hour + 1))
  }
  const hoursPassed = Math.ceil(scheduler.nowMs() / HOUR_MS)
  scheduler.after(hoursPassed * HOUR_MS - scheduler.nowMs(), () => beginHour(hoursPassed))
  return { statuses, days: (rates.length * HOUR_MS) / DAY_MS }
}
