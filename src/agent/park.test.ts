import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NANO_PER_USD } from '#kernel/money.ts'
import { type AskPolicy, decidePark, type ParkInput, type ParkState } from './park.ts'

/** 400 W more under load, all for the owner: an hour of work costs $0.04 at $0.10 a kWh. */
const EXTRA_KWH = 0.4

test('a floating ask is the reserve price, and never below the floor', () => {
  const { decide } = setup({ policy: { kind: 'auto', floor: usd(0.05), max: null } })
  assert.equal(decide({ usdPerKwh: 0.1 }).ask, usd(0.05))
  near(decide({ usdPerKwh: 0.3 }).ask, usd(0.12))
})

test("the network's part is earned before the electricity is paid", () => {
  const { decide } = setup({ policy: { kind: 'auto', floor: 0n, max: null }, feeBps: 2_000 })
  near(decide({ usdPerKwh: 0.1 }).ask, usd(0.05))
  assert.equal(setup({ feeBps: 10_000 }).decide({ usdPerKwh: 0.1 }).isParked, true)
})

test('a floating ask rises at once and falls by steps that are worth telling', () => {
  const { decide } = setup({ policy: { kind: 'auto', floor: 0n, max: null } })
  const ask = usd(0.04)
  near(decide({ usdPerKwh: 0.1001 }, { ask }).ask, usd(0.04004))
  assert.equal(decide({ usdPerKwh: 0.0995 }, { ask }).ask, ask)
  near(decide({ usdPerKwh: 0.098 }, { ask }).ask, usd(0.0392))
})

test('what sells for less than its electricity is not worked', () => {
  const fixed = setup({ policy: { kind: 'fixed', ask: usd(0.05) } })
  assert.equal(fixed.decide({ usdPerKwh: 0.125 }).isParked, false)
  const verdict = fixed.decide({ usdPerKwh: 0.13 })
  assert.equal(verdict.isParked, true)
  assert.equal(verdict.ask, usd(0.05))
  assert.match(
    verdict.reason,
    /takes \$0\.052 to pay its electricity at \$0\.13 per kWh, and sells for at most \$0\.05/,
  )
  const auto = setup({ policy: { kind: 'auto', floor: 0n, max: usd(0.05) } })
  assert.equal(auto.decide({ usdPerKwh: 0.13 }).isParked, true)
})

test('electricity that is free or better never parks', () => {
  const { decide } = setup({ policy: { kind: 'fixed', ask: 0n } })
  for (const usdPerKwh of [0, -0.05]) {
    for (const isParked of [false, true]) assert.equal(decide({ usdPerKwh }, { isParked }).isParked, false)
  }
})

test('it says when it comes back, as far as prices are known', () => {
  const { decide } = setup({ policy: { kind: 'fixed', ask: usd(0.05) } })
  const upcoming = [
    { fromMs: 1, usdPerKwh: 0.3 },
    { fromMs: 2, usdPerKwh: null },
    { fromMs: 3, usdPerKwh: 0.1 },
  ]
  assert.equal(decide({ usdPerKwh: 0.3, upcoming }).untilMs, 3)
  assert.equal(decide({ usdPerKwh: 0.3, upcoming: upcoming.slice(0, 2) }).untilMs, null)
})

test('an hour without a price changes nothing, and a floating ask without a past waits', () => {
  const { decide } = setup({ policy: { kind: 'auto', floor: 0n, max: null } })
  assert.deepEqual(pick(decide({ usdPerKwh: null }, { ask: 7n })), { isParked: false, ask: 7n })
  assert.deepEqual(pick(decide({ usdPerKwh: null }, { ask: 7n, isParked: true })), {
    isParked: true,
    ask: 7n,
  })
  assert.equal(decide({ usdPerKwh: null }).isParked, true)
  const fixed = setup({ policy: { kind: 'fixed', ask: 5n } })
  assert.deepEqual(pick(fixed.decide({ usdPerKwh: null })), { isParked: false, ask: 5n })
})

const price = fc.double({ min: -0.5, max: 2, noNaN: true })
const nano = fc.bigInt({ min: 0n, max: 10n ** 9n })
const policies: fc.Arbitrary<AskPolicy> = fc.oneof(
  fc.record({ kind: fc.constant('fixed' as const), ask: nano }),
  fc.record({ kind: fc.constant('auto' as const), floor: nano, max: fc.option(nano) }),
)

test('whatever the price, work that is taken pays for its electricity', () => {
  fc.assert(
    fc.property(price, policies, fc.integer({ min: 0, max: 9_999 }), (usdPerKwh, policy, feeBps) => {
      const verdict = setup({ policy, feeBps }).decide({ usdPerKwh })
      if (verdict.isParked) return
      const kept = (Number(verdict.ask) / 1e9) * (1 - feeBps / 10_000)
      assert.ok(kept >= EXTRA_KWH * usdPerKwh - 1e-9)
    }),
  )
})

test('a parked card never costs more than an idle one, and never gives up work that pays', () => {
  fc.assert(
    fc.property(price, nano, fc.double({ min: 0, max: 1, noNaN: true }), (usdPerKwh, ask, sold) => {
      const { isParked } = setup({ policy: { kind: 'fixed', ask } }).decide({ usdPerKwh })
      const idleWatts = 100
      const idleCost = (idleWatts / 1_000) * usdPerKwh
      // What an hour brings: parked, it sells nothing and draws what an idle card draws.
      const netOf = (soldShare: number) =>
        soldShare * (Number(ask) / 1e9) - idleCost - soldShare * EXTRA_KWH * usdPerKwh
      assert.ok(netOf(isParked ? 0 : sold) >= -idleCost - 1e-9)
      if (isParked) assert.ok(netOf(sold) <= -idleCost + 1e-9)
    }),
  )
})

test('prices at the edge do not send it to and fro', () => {
  const wobble = fc.array(fc.double({ min: 0.124, max: 0.1255, noNaN: true }), {
    minLength: 50,
    maxLength: 50,
  })
  fc.assert(
    fc.property(wobble, fc.boolean(), (prices, startsParked) => {
      const { decide } = setup({ policy: { kind: 'fixed', ask: usd(0.05) } })
      let isParked = startsParked
      let changes = 0
      for (const usdPerKwh of prices) {
        const next = decide({ usdPerKwh }, { isParked }).isParked
        if (next !== isParked) changes++
        isParked = next
      }
      assert.ok(changes <= 1)
    }),
  )
})

const usd = (amount: number): bigint => BigInt(Math.round(amount * Number(NANO_PER_USD)))
/** Rounded up, a reserve price may have a billionth of a dollar from the arithmetic. */
const near = (ask: bigint, expected: bigint): void =>
  assert.ok(ask === expected || ask === expected + 1n, `${ask}`)
const pick = ({ isParked, ask }: { isParked: boolean; ask: bigint }) => ({ isParked, ask })

function setup({ policy = { kind: 'fixed', ask: usd(0.05) } as AskPolicy, feeBps = 0 } = {}) {
  return {
    decide: (input: Pick<ParkInput, 'usdPerKwh'> & Partial<ParkInput>, state: Partial<ParkState> = {}) =>
      decidePark(
        { isParked: false, ask: null, ...state },
        { policy, feeBps, extraKwhPerGpuHour: EXTRA_KWH, upcoming: [], ...input },
      ),
  }
}
