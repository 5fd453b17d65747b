/** What one seed decides: the fleet, the load and the faults. Drawn before anything runs, so it can be printed. */

import type { Random } from '#kernel/random.ts'
import { MINUTE_MS } from '#kernel/time.ts'

export interface SimPlan {
  readonly nodes: number
  readonly gateways: number
  readonly clients: number
  /** Mean pause of a client between two requests. */
  readonly thinkMs: number
  readonly balanceUsd: number
  /** How many times an ordinary ask the nodes ask (1): from thousands on, slices and balances run dry. */
  readonly askFactor?: number
  /** Owners and operators are at work, too: keys come and go, payouts are asked for and settled. */
  readonly administers?: boolean
  /** Nodes are late with some first tokens, and some fail most of what they get. */
  readonly isMoody?: boolean
  /** Some nodes do not have the hardware that they say they have. */
  readonly hasForgers?: boolean
  readonly loadMs: number
  readonly latencyMsMax: number
  readonly busDelayMsMax: number
  readonly busLossPer10k: number
  readonly busDuplicatePer10k: number
  readonly skewMsMax: number
  /** Share of requests whose client leaves early, and of clients that read slowly, in percent. */
  readonly leavePercent: number
  readonly slowReaderPercent: number
  /** Mean time between two unannounced proofs of a node, and how long one takes; as in any network unless given. */
  readonly proofs?: { readonly everyMs: number; readonly solveMs: number }
  /** Mean time between faults of each kind; null: this seed has none of them. */
  readonly faultEveryMs: Readonly<Record<FaultKind, number | null>>
}

const diskFaultKinds = [
  'power_cut',
  'disk_flip',
  'snapshot_harm',
  'sync_failure',
  'disk_full',
  'disk_slow',
  'disk_replaced',
  'disk_restored',
] as const
export type DiskFaultKind = (typeof diskFaultKinds)[number]

export const faultKinds = [
  'coordinator_crash',
  'coordinator_takeover',
  'gateway_crash',
  'agent_crash',
  'agent_stop',
  'engine_crash',
  'engine_slow',
  'link_cut',
  'bus_cut',
  'clock_jump',
  ...diskFaultKinds,
] as const
export type FaultKind = (typeof faultKinds)[number]

/** Swarm testing: each seed leaves some kinds of fault out, so that the others are explored deeper. */
export function drawPlan(random: Random): SimPlan {
  const faultEveryMs = Object.fromEntries(
    faultKinds.map((kind) => [kind, random.chance(1, 4) ? null : 20_000 + random.int(3 * MINUTE_MS)]),
  ) as Record<FaultKind, number | null>
  return {
    nodes: 20 + random.int(12),
    gateways: 1 + random.int(3),
    clients: 4 + random.int(10),
    thinkMs: 2_000 + random.int(12_000),
    balanceUsd: random.chance(1, 3) ? 1 : 50,
    askFactor: random.chance(1, 2) ? 1 : 1_000 + random.int(20_000),
    loadMs: 15 * MINUTE_MS,
    latencyMsMax: 2 + random.int(80),
    busDelayMsMax: 2 + random.int(random.chance(1, 4) ? 1_500 : 120),
    busLossPer10k: random.chance(1, 3) ? 0 : random.int(500),
    busDuplicatePer10k: random.chance(1, 3) ? 0 : random.int(random.chance(1, 3) ? 8_000 : 500),
    skewMsMax: random.chance(1, 2) ? 0 : random.int((random.chance(1, 4) ? 120 : 10) * MINUTE_MS),
    leavePercent: random.int(25),
    slowReaderPercent: random.int(30),
    faultEveryMs,
  }
}

/** In two of three seeds there is what second tries and putting nodes out are for. */
export const isMoodyIn = (seed: number): boolean => seed % 3 !== 0

/** In half of the seeds owners and operators are at work; what else a seed draws is the same with and without. */
export const administersIn = (seed: number): boolean => seed % 2 === 0

/** In one of four seeds some nodes do not have the hardware that they say they have. */
export const hasForgersIn = (seed: number): boolean => seed % 4 === 1
