import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromCanonical, toCanonical } from '#kernel/canonical.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { betaQuantile, betaShare, lowerBound, upperBound } from './beta-bound.ts'
import { decideReputation, type ReputationCommand, restMs } from './decide-reputation.ts'
import { evolveReputation, observeFleet, observeUsage } from './evolve-reputation.ts'
import { reasonsOf } from './reasons.ts'
import { checkReputation, emptyReputation, HALF_LIFE_MS, newRecord, type Reputation } from './reputation.ts'
import { scoreOf } from './score.ts'

test('the bounds of a rate are quantiles of the Beta distribution', () => {
  // Beta(1, b) and Beta(a, 1) have closed forms.
  for (const n of [0, 1, 20, 1_000]) {
    assert.ok(Math.abs(lowerBound(n, 0) - 0.05 ** (1 / (n + 1))) < 1e-9, `${n} good`)
    assert.ok(Math.abs(upperBound(0, n) - (1 - 0.05 ** (1 / (n + 1)))) < 1e-9, `${n} bad`)
  }
  // The share below x is the chance of at least a successes in a + b - 1 throws.
  for (const [x, a, b] of [
    [0.85, 101, 11],
    [0.5, 3, 3],
    [0.02, 2, 60],
  ] as const) {
    let chance = 0
    for (let successes = a; successes < a + b; successes++)
      chance += binomial(a + b - 1, successes) * x ** successes * (1 - x) ** (a + b - 1 - successes)
    assert.ok(Math.abs(betaShare(x, a, b) - chance) < 1e-9, `${x} ${a} ${b}`)
    assert.ok(Math.abs(betaQuantile(chance, a, b) - x) < 1e-6)
  }
})

test('more successes never lower the bound, more failures never raise it', () => {
  const count = fc.nat(5_000)
  fc.assert(
    fc.property(count, count, (good, bad) => {
      const bound = lowerBound(good, bad)
      assert.ok(bound >= 0 && bound <= 1)
      assert.ok(lowerBound(good + 1, bad) >= bound - 1e-9)
      assert.ok(lowerBound(good, bad + 1) <= bound + 1e-9)
    }),
    { numRuns: 100 },
  )
})

test('a new node has the benefit of the doubt where it is asked, and none where it is to be relied upon', () => {
  const score = scoreOf(newRecord(0), 0)
  assert.equal(score.standing, 0.9)
  assert.ok(Math.abs(score.successLcb - 0.05) < 1e-9)
  assert.deepEqual([score.speedRatio, score.availability, score.survival1h], [null, null, 0])
})

test('a failure weighs as much as ten answers', () => {
  const { serve, fail, score } = setup()
  serve(90)
  const before = score()
  fail(1)
  assert.ok(before.successLcb > 0.96 && score().successLcb < 0.86, `${before.successLcb}`)
  const after = score().standing
  serve(2_000)
  assert.ok(score().standing > after)
})

test('failures of one moment are one', () => {
  const { reputation, usage } = setup()
  for (let index = 0; index < 8; index++) observeUsage(reputation, usage({ failed: ['node'] }), 5_000)
  assert.equal(reputation.nodes.get('node')?.bad, 1)
  observeUsage(reputation, usage({ failed: ['node'] }), 6_000)
  assert.equal(reputation.nodes.get('node')?.bad, 2)
})

test('a node that failed in the middle has no credit for what it had delivered', () => {
  const { reputation, usage } = setup()
  observeUsage(reputation, usage({ served: ['node', 'other'], failed: ['node'] }), 5_000)
  assert.deepEqual([reputation.nodes.get('node')?.good, reputation.nodes.get('node')?.bad], [0, 1])
})

test('a fresh node survives its next hour less likely than an old one', () => {
  const { reputation, online, score } = setup()
  online(0)
  assert.ok(Math.abs(score(0).survival1h - 0.96) < 0.01)
  assert.ok(Math.abs(score(DAY_MS).survival1h - 0.989) < 0.01)
  checkReputation(reputation)
})

test('a connection that breaks for a moment does not make a node young again, being lost does', () => {
  const { reputation, online, lose } = setup()
  online(0)
  observeFleet(reputation, { type: 'fleet.node_suspect', nodeId: 'node', reason: 'link_closed', atMs: 1_000 })
  online(2_000)
  assert.equal(reputation.nodes.get('node')?.sinceMs, 0)
  lose(HOUR_MS)
  online(2 * HOUR_MS)
  const record = reputation.nodes.get('node')
  assert.deepEqual([record?.sinceMs, record?.upMs, record?.downMs], [2 * HOUR_MS, HOUR_MS, HOUR_MS])
})

test('what was seen counts half after a week', () => {
  const { reputation, serve, fail } = setup()
  serve(100)
  fail(4)
  observeUsage(reputation, { ...usageOf({ served: ['node'] }) }, HALF_LIFE_MS + 1)
  const record = reputation.nodes.get('node')
  assert.deepEqual([record?.good, record?.bad], [51, 2])
})

test('its speed follows its own benchmark, and a slow node stands lower', () => {
  const { reputation, score } = setup()
  for (let count = 0; count < 40; count++)
    observeUsage(reputation, usageOf({ served: ['node'], pace: 50 }), count * 1_000)
  assert.equal(score().speedRatio, 0.05)
  assert.ok(score().standing < 0.07)
})

test('standings are told together, only when they changed, and not to and fro', () => {
  const { reputation, grade, serve, fail } = setup()
  assert.deepEqual(grade(), [])
  serve(300)
  assert.deepEqual(grade(), [
    { type: 'reputation.graded', grades: [{ nodeId: 'node', standing: 100 }], atMs: 1_000_000 },
  ])
  assert.deepEqual(grade(), [])
  fail(1)
  assert.deepEqual(grade(), [])
  fail(20)
  assert.equal(grade().length, 1)
  assert.ok((reputation.nodes.get('node')?.standing ?? 100) < 70)
})

test('a node that is sick gets well by itself, after longer each time', () => {
  const { reputation, decide } = setup()
  const faults = [
    { device: 'GPU 0', code: 'gpu_hot', message: 'It is hot.' },
    { device: '0000:01:00', code: 'gpu_lost', message: 'It is gone.' },
  ] as const
  const tell = (nowMs: number, isWell: boolean) =>
    decide({ kind: 'tell_health', nodeId: 'node', faults: isWell ? [] : [...faults], nowMs })
  assert.deepEqual(tell(1_000, true), [])
  assert.deepEqual(tell(1_000, false), [
    {
      type: 'reputation.node_sick',
      nodeId: 'node',
      code: 'gpu_lost',
      message: '0000:01:00: It is gone.',
      atMs: 1_000,
    },
  ])
  assert.deepEqual(tell(2_000, false), [])
  assert.equal(tell(60_999, true), 'rest_not_over')
  assert.deepEqual(tell(61_000, true), [{ type: 'reputation.node_well', nodeId: 'node', atMs: 61_000 }])
  assert.ok(Array.isArray(tell(70_000, false)))
  assert.equal(tell(70_000 + 4 * MINUTE_MS - 1, true), 'rest_not_over')
  assert.equal(
    restMs(
      Array.from({ length: 8 }, () => 0),
      1,
    ),
    HOUR_MS,
  )
  assert.equal(restMs([0], DAY_MS), MINUTE_MS)
  assert.equal(reputation.nodes.get('node')?.sick?.code, 'gpu_lost')
  checkReputation(reputation)
})

test('refusals come in order of precedence', () => {
  const { decide } = setup()
  const nowMs = 0
  assert.equal(decide({ kind: 'tell_health', nodeId: 'nobody', faults: [], nowMs }), 'node_unknown')
  const clear = { kind: 'clear_version', agentVersion: '1', by: 'operator', nowMs } as const
  assert.equal(decide(clear), 'version_not_halted')
  const halt = { kind: 'halt_version', agentVersion: '1', bad: 5, total: 9, nowMs } as const
  assert.equal((decide(halt) as unknown[]).length, 1)
  assert.deepEqual(decide(halt), [])
  assert.equal((decide(clear) as unknown[]).length, 1)
})

test('a version that is halted lowers the standing of its nodes, and their owners are told why', () => {
  const { reputation, decide } = setup()
  decide({ kind: 'halt_version', agentVersion: 'bad', bad: 5, total: 5, nowMs: 0 })
  decide({ kind: 'grade', nodeIds: ['node'], versionOf: () => 'bad', nowMs: 0 })
  const record = reputation.nodes.get('node') ?? assert.fail()
  assert.ok(record.standing <= 20)
  const reasons = reasonsOf(record, { nowMs: 0, haltedVersion: 'bad' })
  assert.deepEqual(
    reasons.map(({ code }) => code),
    ['version_halted', 'new'],
  )
  for (const { message, wayBack } of reasons) assert.ok(message.endsWith('.') && wayBack.endsWith('.'))
})

test('a snapshot brings back the same state', () => {
  const { reputation, serve, fail, decide } = setup()
  serve(3)
  fail(1)
  decide({ kind: 'halt_version', agentVersion: 'bad', bad: 5, total: 5, nowMs: 0 })
  assert.deepEqual(fromCanonical(toCanonical(reputation)), reputation)
})

function binomial(n: number, k: number): number {
  let result = 1
  for (let index = 1; index <= k; index++) result *= (n - k + index) / index
  return result
}

const usageOf = ({
  served = [],
  failed = [],
  pace,
}: {
  served?: readonly string[]
  failed?: readonly string[]
  pace?: number
}): UsageRecord => ({
  requestId: 'r',
  organisationId: 'o',
  keyId: 'k',
  holdId: 'h',
  model: 'm',
  kind: 'chat',
  outcome: 'completed',
  parts: served.map((nodeId) => ({
    ...{ nodeId, promptTokens: 10, completionTokens: 10, promptPerMillion: 1n, completionPerMillion: 1n },
    ...(pace !== undefined && { pace }),
  })),
  failed: failed.map((nodeId) => ({ nodeId, how: 'lost' })),
  startedAtMs: 0,
  firstTokenMs: 1,
  totalMs: 2,
})

/** One node, enrolled at 0, and what happens to it. */
function setup() {
  const reputation: Reputation = emptyReputation()
  const nodeId = 'node'
  observeFleet(reputation, {
    ...{ type: 'fleet.node_enrolled', nodeId, organisationId: 'o', publicKey: 'p', name: 'n' },
    ...{ tokenHash: 't', askPerGpuHour: 1n, atMs: 0 },
  })
  let atMs = 0
  const decide = (command: ReputationCommand) => {
    const decision = decideReputation(reputation, command)
    if (Array.isArray(decision)) for (const event of decision) evolveReputation(reputation, event)
    return decision
  }
  const times = (count: number, usage: UsageRecord): void => {
    for (let index = 0; index < count; index++) {
      atMs += 1_000
      observeUsage(reputation, usage, atMs)
    }
  }
  return {
    reputation,
    decide,
    usage: usageOf,
    serve: (count: number) => times(count, usageOf({ served: [nodeId] })),
    fail: (count: number) => times(count, usageOf({ failed: [nodeId] })),
    online: (onlineAtMs: number) =>
      observeFleet(reputation, {
        ...{ type: 'fleet.node_online', nodeId, gatewayId: 'g', session: 1, atMs: onlineAtMs },
      }),
    lose: (lostAtMs: number) =>
      observeFleet(reputation, { type: 'fleet.node_lost', nodeId, reason: 'silent', atMs: lostAtMs }),
    score: (nowMs = atMs) => scoreOf(reputation.nodes.get(nodeId) ?? assert.fail(), nowMs),
    grade: () => {
      const decision = decide({
        kind: 'grade',
        nodeIds: [nodeId],
        versionOf: () => undefined,
        nowMs: 1_000_000,
      })
      return Array.isArray(decision) ? decision : assert.fail(decision)
    },
  }
}
