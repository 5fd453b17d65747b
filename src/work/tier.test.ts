import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeFacts } from './floor.ts'
import { planOf, stepOf, TestFarm } from './test-farm.ts'
import { lineOf, priceOfTier } from './tier.ts'
import type { JobPlan } from './work-events.ts'

test('trusted is first and dearest, economy last and cheapest, whatever their priorities say', () => {
  assert.equal(priceOfTier(101n, 'trusted'), 202n)
  assert.equal(priceOfTier(101n, 'priority'), 101n)
  assert.equal(priceOfTier(101n, 'economy'), 51n)
  const farm = setup({ tier: 'economy', priority: 100 }, { tier: 'trusted', priority: 0 }, { priority: 100 })
  assert.deepEqual(farm.work.active, ['job_2', 'job_3', 'job_1'])
  assert.deepEqual(given(farm, 'a'), ['job_2', 'job_3'])
})

test('within a tier the priority is what counts, and may be changed', () => {
  const farm = setup({ priority: 10 }, { priority: 90 })
  assert.deepEqual(farm.work.active, ['job_2', 'job_1'])
  farm.say({ kind: 'set_priority', jobId: 'job_1', priority: 91, nowMs: farm.nowMs })
  assert.deepEqual(farm.work.active, ['job_1', 'job_2'])
})

test('probes and audits come before all customers’ work', () => {
  const work = lineOf({ tier: 'trusted', priority: 100 })
  const [audit, probe] = (['audit', 'probe'] as const).map((purpose) => lineOf({ purpose, priority: 0 }))
  assert.ok(work < (audit ?? 0) && (audit ?? 0) < (probe ?? 0))
})

test('a job that asks for vetted nodes is given to no other, and to one whose class nobody knows neither', () => {
  const vetted = { minClass: 'vetted', tier: 'trusted' } as const
  const rows: [Partial<NodeFacts>, Partial<JobPlan>, string[]][] = [
    [{}, vetted, []],
    [{ nodeClass: 'community' }, vetted, []],
    [{ nodeClass: 'vetted' }, vetted, ['job_1']],
    [{ nodeClass: 'attested' }, vetted, ['job_1']],
    [{}, {}, ['job_1']],
    [{ onlyAudits: true }, {}, []],
    [{ onlyAudits: true }, { purpose: 'probe' }, []],
    [{ onlyAudits: true }, { purpose: 'audit' }, ['job_1']],
    [{ organisationId: 'org_2' }, barring('org_2'), []],
    [{ organisationId: 'org_3' }, barring('org_2'), ['job_1']],
  ]
  for (const [facts, plan, jobs] of rows) {
    const farm = setup(plan)
    farm.seat('b', facts)
    assert.deepEqual(given(farm, 'b'), jobs, JSON.stringify([facts, plan]))
  }
})

test('an audit takes over no result and gives none', () => {
  const farm = setup({ purpose: 'audit' }, { purpose: 'audit' }, {})
  for (const _ of [1, 2, 3]) {
    farm.pull('a')
    farm.finish('a')
  }
  const { results, jobs } = farm.work
  assert.deepEqual(
    [...jobs.values()].map(({ spent }) => spent),
    [1_000n, 1_000n, 1_000n],
  )
  assert.deepEqual(
    [...results.values()].map(({ jobId }) => jobId),
    ['job_3'],
  )
})

const barring = (organisationId: string): Partial<JobPlan> => ({
  steps: [stepOf({ notOfOrganisations: [organisationId] })],
})

const given = (farm: TestFarm, nodeId: string): string[] => {
  farm.pull(nodeId)
  return farm.held(nodeId).map((fence) => farm.work.attempts.get(fence)?.jobId ?? '')
}

/** Jobs of one frame each, in this order, and a node that may have any. */
function setup(...plans: Partial<JobPlan>[]): TestFarm {
  const farm = new TestFarm()
  farm.seat('a')
  for (const [index, plan] of plans.entries()) {
    farm.nowMs++
    farm.submit(planOf({ frames: 1, jobId: `job_${index + 1}`, ...plan }))
  }
  return farm
}
