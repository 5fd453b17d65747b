/** Held against what other simulations and formulas of fleets with published lifetimes come to. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FleetMonths } from './fleet-hours.ts'
import { liveFleet } from './fleet-months.ts'
import type { FleetPlan } from './fleet-plan.ts'
import { parseLifetime } from './lifetimes.ts'
import { namedFleets, ownChurn } from './named-fleets.ts'
import { atLeastUp } from './spares.ts'

/** Machines of the dedicated kind whose place is taken after `down`: the mean uptime, and months of at least 99.9, 99.95 and 99.99 %. */
const published: readonly (readonly [
  replicas: number,
  down: string,
  mean: number,
  kept: readonly number[],
])[] = [
  [1, 'lognormal:10m,1.08', 99.755, [24, 12, 4]],
  [1, 'fixed:120s', 99.973, [100, 90, 16]],
  [1, 'fixed:60s', 99.986, [100, 99.98, 36]],
  [1, 'fixed:30s', 99.993, [100, 100, 79]],
  [1, 'fixed:10s', 99.998, [100, 100, 100]],
  [2, 'lognormal:10m,1.08', 99.9995, [99.9, 99.8, 98.4]],
  [2, 'fixed:120s', 100, [100, 100, 100]],
  [3, 'lognormal:10m,1.08', 100, [100, 100, 100]],
]
for (const [replicas, down, mean, kept] of published) {
  test(`${replicas} × up weibull:0.702,97.3, down ${down} keeps what other simulations of it keep`, () => {
    const churn = ownChurn({ up: lifetime('weibull:0.702,97.3'), down: lifetime(down) })
    const lived = liveFleet(planOf({ churn, nodes: 40 * replicas, replicas, months: 100 }), 1)
    near(100 * meanOf(lived), mean, 0.01)
    for (const [at, target] of [0.999, 0.9995, 0.9999].entries())
      near(100 * keptShare(lived, target), kept[at] ?? 0, 3)
  })
}

test('of machines that fail each for itself, every place is served as often as the binomial formula says', () => {
  const churn = ownChurn({ up: lifetime('exp:92.8'), down: lifetime('fixed:600s') })
  for (const spares of [0, 1, 2]) {
    const lived = liveFleet(planOf({ churn, nodes: 100, spares, months: 60 }), 3)
    near(lived.fullShare, atLeastUp(100, 100 + spares, 92.8 / (92.8 + 1 / 6)), 0.004)
  }
})

test('a machine of each kind is there as often as its lifetimes say', () => {
  const shares = { datacentre: 0.9996, dedicated: 0.9976, gaming: 0.45, spot: 0.78 }
  for (const [name, share] of Object.entries(shares)) {
    const churn = namedFleets[name as keyof typeof namedFleets]
    const { upHours } = liveFleet(planOf({ churn, nodes: 20, months: 40 }), 1)
    near(upHours / (20 * 40 * 730), share, share > 0.9 ? 0.001 : 0.05)
  }
})

test('the same seed gives the same months, another gives others', () => {
  const plan = planOf({ churn: namedFleets.dedicated, nodes: 12, replicas: 2, spares: 1, isCorrelated: true })
  assert.deepEqual(liveFleet(plan, 5), liveFleet(plan, 5))
  assert.notDeepEqual(liveFleet(plan, 5).downHours, liveFleet(plan, 6).downHours)
})

test('what takes several machines at once costs months, and copies placed apart win some of them back', () => {
  const given = { churn: namedFleets.dedicated, nodes: 40, replicas: 2, spares: 2, months: 200 }
  const kept = (changes: Partial<FleetPlan>): number =>
    keptShare(liveFleet(planOf({ ...given, replaceMs: 30_000, ...changes }), 1), 0.999)
  const [alone, apart, anywhere] = [
    kept({}),
    kept({ isCorrelated: true, isSpread: true }),
    kept({ isCorrelated: true }),
  ]
  assert.ok(alone > apart && apart > anywhere, `${alone}, ${apart}, ${anywhere}`)
})

test('owners with many machines take their copies with them, unless those are placed apart', () => {
  const given = { churn: namedFleets.datacentre, nodes: 40, replicas: 2, machinesPerOwner: 20, regions: 50 }
  const down = (isSpread: boolean): number =>
    1 - meanOf(liveFleet(planOf({ ...given, months: 200, isCorrelated: true, isSpread }), 1))
  assert.ok(down(false) > 3 * down(true), `${down(false)} and ${down(true)}`)
})

test('machines that leave together do so', () => {
  const given = { churn: namedFleets.spot, nodes: 40, replicas: 4, months: 20, regions: 1 }
  const down = (isCorrelated: boolean): number => 1 - meanOf(liveFleet(planOf({ ...given, isCorrelated }), 1))
  assert.ok(down(true) > 10 * down(false), `${down(true)} and ${down(false)}`)
})

test('a machine that is told before it goes is replaced in that time', () => {
  const lifetimes = { up: lifetime('exp:5'), down: lifetime('fixed:1h') }
  const down = (noticeMs: number): number => {
    const churn = { ...ownChurn(lifetimes), noticeMs, noticePercent: 100 }
    return 1 - meanOf(liveFleet(planOf({ churn, nodes: 4, spares: 20, replaceMs: 60_000, months: 50 }), 1))
  }
  assert.ok(down(30_000) < 0.6 * down(0), 'half the time is known before')
  assert.ok(down(60_000) < 0.001, 'all of it is')
})

const lifetime = (text: string) => {
  const draw = parseLifetime(text)
  assert.ok(draw, `${text} is a lifetime`)
  return draw
}

const meanOf = ({ downHours }: FleetMonths): number =>
  1 - downHours.reduce((sum, hours) => sum + hours, 0) / downHours.length / 730

const keptShare = ({ downHours }: FleetMonths, target: number): number =>
  downHours.filter((hours) => 1 - hours / 730 >= target).length / downHours.length

function near(actual: number, expected: number, tolerance: number): void {
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not within ${tolerance} of ${expected}`)
}

/** One copy of everything, each machine for itself, unless told otherwise. */
function planOf({
  churn,
  ...given
}: Partial<FleetPlan> & { churn: FleetPlan['kinds'][number]['churn'] }): FleetPlan {
  return {
    kinds: [{ churn, usdPerHour: 1, weight: 1 }],
    ...{ nodes: 10, spares: 0, replicas: 1, needs: 1, replaceMs: 0, months: 50 },
    ...{ machinesPerOwner: 1, regions: 10, versions: 2, isCorrelated: false, isSpread: false },
    ...given,
  }
}
