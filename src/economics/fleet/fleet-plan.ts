/** A fleet to be looked at: its machines, who owns them and where they stand, and what runs on them. */
import { assert } from '#kernel/assert.ts'
import { createRandom } from '#kernel/random.ts'
import { type Churn, TIME_ZONES } from './named-fleets.ts'

export interface FleetKind {
  readonly churn: Churn
  readonly usdPerHour: number
  /** How many of each hundred machines or so are of it: any positive weight. */
  readonly weight: number
}

export interface FleetPlan {
  readonly kinds: readonly FleetKind[]
  /** Machines at work; spares come on top. */
  readonly nodes: number
  readonly spares: number
  /** So many of the machines at work serve the same thing, and so many of those must be up for it to be. */
  readonly replicas: number
  readonly needs: number
  /** From the loss of a machine until a spare serves in its place. */
  readonly replaceMs: number
  readonly months: number
  /** So many machines are one owner's. */
  readonly machinesPerOwner: number
  readonly regions: number
  readonly versions: number
  /** Machines fail together, too; else each for itself. */
  readonly isCorrelated: boolean
  /** Copies of one thing are put with different owners, regions and versions; else anywhere. */
  readonly isSpread: boolean
}

export interface FleetMachine {
  readonly index: number
  readonly kind: FleetKind
  readonly utcOffsetHours: number
  readonly owner: number
  readonly region: number
  readonly version: number
}

/** Each machine is the same one whatever stands beside it, so that fleets of different sizes can be compared. */
export function machinesOf(plan: FleetPlan, seed: number): FleetMachine[] {
  const { nodes, spares, kinds, machinesPerOwner, regions, versions } = plan
  assert(kinds.length > 0, 'a fleet has kinds of machines')
  const kindOf = dealer(kinds)
  return Array.from({ length: nodes + spares }, (_, index) => {
    const random = createRandom(streamOf(seed, index))
    const owner = Math.floor(index / machinesPerOwner)
    return {
      index,
      kind: kindOf(index),
      utcOffsetHours: TIME_ZONES[random.int(TIME_ZONES.length)] ?? 0,
      owner,
      // All of an owner's stand in one place.
      region: owner % regions,
      version: random.int(versions),
    }
  })
}

/** A seed of its own for each machine. */
export const streamOf = (seed: number, index: number): number =>
  (Math.imul(seed ^ 0x5f_35_61, 0x9e3779b1) + Math.imul(index + 1, 0x85ebca6b)) >>> 0

/** Kinds in turn, so that after any number of machines each kind has its share of them, as nearly as can be. */
function dealer(kinds: readonly FleetKind[]): (index: number) => FleetKind {
  const dealt = kinds.map(() => 0)
  const order: FleetKind[] = []
  return (index) => {
    while (order.length <= index) {
      let next = 0
      for (const [at, { weight }] of kinds.entries())
        if (((dealt[at] ?? 0) + 1) / weight < ((dealt[next] ?? 0) + 1) / (kinds[next]?.weight ?? 1)) next = at
      dealt[next] = (dealt[next] ?? 0) + 1
      order.push(kinds[next] as FleetKind)
    }
    return order[index] as FleetKind
  }
}

/** How many of the three things that fail together two machines have in common. */
export const closeness = (a: FleetMachine, b: FleetMachine): number =>
  Number(a.owner === b.owner) + Number(a.region === b.region) + Number(a.version === b.version)
