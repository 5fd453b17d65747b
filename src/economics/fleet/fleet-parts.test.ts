import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from '#kernel/random.ts'
import { Agenda } from './agenda.ts'
import { outlookOf } from './fleet-outlook.ts'
import { parseLifetime } from './lifetimes.ts'
import { failoverSecondsMax, machinesFor, sparesFor } from './spares.ts'

test('an agenda gives what was set in the order of time, whatever was moved or taken off meanwhile', () => {
  const random = createRandom(4)
  const agenda = new Agenda(50)
  const expected = new Map<number, number>()
  for (let step = 0; step < 5_000; step++) {
    const thing = random.int(50)
    if (random.chance(1, 5)) {
      agenda.remove(thing)
      expected.delete(thing)
    } else if (random.chance(1, 4)) {
      const first = [...expected].toSorted(([a, x], [b, y]) => x - y || a - b)[0]?.[0] ?? -1
      assert.equal(agenda.take(), first)
      expected.delete(first)
    } else {
      const atMs = random.int(1_000)
      agenda.set(thing, atMs)
      expected.set(thing, atMs)
    }
  }
})

test('so many machines it takes that enough are up: the published table', () => {
  const table: readonly (readonly [availability: number, needed: number, counts: readonly number[]])[] = [
    [0.9, 1, [3, 4, 4]],
    [0.9, 10, [16, 17, 18]],
    [0.9, 100, [124, 125, 127]],
    [0.9, 500, [582, 583, 587]],
    [0.95, 1, [3, 3, 4]],
    [0.95, 10, [14, 14, 15]],
    [0.95, 100, [114, 115, 116]],
    [0.95, 500, [544, 545, 548]],
    [0.99, 1, [2, 2, 2]],
    [0.99, 100, [105, 106, 107]],
  ]
  for (const [availability, needed, counts] of table)
    assert.deepEqual(
      [0.999, 0.9995, 0.9999].map((target) => machinesFor(needed, availability, target)),
      counts,
    )
})

test('so many spares, and so long a failover: the published tables', () => {
  /** Hours, then spares for 99.9 and 99.99 % where machines stay 92.8 hours and 24 hours. */
  const spares: readonly (readonly [needed: number, hours: number, aged: number[], young: number[]])[] = [
    [100, 60 / 3_600, [1, 2], [2, 2]],
    [100, 1 / 6, [2, 3], [4, 5]],
    [100, 1 / 3, [3, 4], [6, 8]],
    [100, 1, [5, 7], [12, 14]],
    [500, 1 / 6, [5, 6], [11, 12]],
    [10, 1 / 6, [1, 2], [2, 2]],
  ]
  for (const [needed, replaceHours, aged, young] of spares)
    for (const [meanUpHours, expected] of [
      [92.8, aged],
      [24, young],
    ] as const)
      assert.deepEqual(
        [0.999, 0.9999].map((target) => sparesFor(needed, { meanUpHours, replaceHours }, target)),
        expected,
      )
  const seconds = (hours: number) =>
    [0.999, 0.9995, 0.9999].map((target) => Number(failoverSecondsMax(hours, target).toPrecision(3)))
  assert.deepEqual(seconds(24), [86.5, 43.2, 8.64])
  assert.deepEqual(seconds(92.8), [334, 167, 33.4])
  assert.deepEqual(seconds(6), [21.6, 10.8, 2.16])
})

test('lifetimes are read as people write them, and what is none is refused', () => {
  const random = createRandom(1)
  assert.equal(parseLifetime('fixed:90m')?.(random), 1.5)
  assert.equal(parseLifetime(' FIXED:36s ')?.(random), 0.01)
  for (const good of [
    'exp:30d',
    'weibull:0.7,97.3',
    'gamma:.357,43.65',
    'hyper:0.4,1h,0.6,2d',
    'lognormal:10m,1.08',
  ])
    assert.ok(Number(parseLifetime(good)?.(random)) > 0, good)
  for (const bad of [
    ...[
      '',
      'weibull',
      'weibull:1',
      'weibull:0,5',
      'weibull:1,2,3',
      'gamma:1,4',
      'exp:0',
      'exp:-1',
      'exp:1e5',
    ],
    ...[
      'exp:1,2',
      'fixed:0s',
      'lognormal:1,9',
      'hyper:0.5,1',
      'hyper:0.5,1,0.4,2',
      'uniform:1',
      'exp:9999999d',
    ],
  ])
    assert.equal(parseLifetime(bad), null, bad)
})

test('a month at its target keeps the promise, a billionth below it does not, and pays by its step', () => {
  const promise = {
    name: 'p',
    targetPpb: 990_000_000,
    credits: [
      { belowPpb: 950_000_000, creditBps: 5_000 },
      { belowPpb: 990_000_000, creditBps: 1_000 },
    ],
  }
  const outlook = (...downHours: number[]) =>
    outlookOf(
      {
        ...{ months: downHours.length, services: 1, downHours: Float64Array.from(downHours), outages: 1 },
        ...{ longestHours: 1, losses: 1, fullShare: 1, upHours: 1, usd: 1 },
      },
      { nodes: 1, spares: 0 },
      [promise],
    ).promises[0]
  assert.deepEqual(outlook(0, 7.3), { name: 'p', target: 0.99, keptShare: 1, creditShare: 0 })
  assert.equal(outlook(7.300001)?.keptShare, 0)
  assert.equal(outlook(0, 7.4, 40, 0)?.creditShare, (0.1 + 0.5) / 4)
})
