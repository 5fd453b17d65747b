import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS } from '#kernel/time.ts'
import { subjects } from '#protocol/cell.ts'
import { BlobRootsReply } from '#protocol/work-check.ts'
import { PAYER } from '#sim/test-world.ts'
import type { KeptTask } from '#work/job-summary.ts'
import { workLimits } from '#work/work-limits.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import { startTurn } from '../turn.ts'
import { RESULTS_KEPT_MS, serveBlobRoots } from './blob-roots.ts'
import { grantsIn, planOf, stepOf, TestFloor } from './test-floor.ts'

test('needed are the inputs of all jobs in memory, and whatever their tasks made, audits’ too', async () => {
  const { floor, ask } = await setup()
  await floor.submit(planOf({ frames: 2 }))
  const audit = { jobId: 'job_audit', purpose: 'audit', cap: null } as const
  await floor.submit(planOf({ ...audit, steps: [stepOf({ digest: 'crops', inputRoot: 'b'.repeat(64) })] }))
  await floor.submit(planOf({ jobId: 'job_other', organisationId: 'org_provider', cap: 0n }))
  const grants = grantsIn(await floor.hello('a'))
  for (const { fence } of grants) await floor.finish('a', fence)
  const made = grants.map(({ fence }) => fence.toString(16).padStart(64, '0'))
  assert.deepEqual(await ask(), [
    ...made.toSorted().map((sha256) => ({ kind: 'object', sha256 })),
    { kind: 'tree', sha256: 'a'.repeat(64) },
    { kind: 'tree', sha256: 'b'.repeat(64) },
  ])
  assert.deepEqual(await ask('org_nobody'), [])
})

test('what was made for jobs that left the memory is needed until it is old enough', async () => {
  const { floor, ask, tables } = await setup()
  tables.kept.push('c'.repeat(64))
  assert.deepEqual(await ask(), [{ kind: 'object', sha256: 'c'.repeat(64) }])
  assert(Math.abs(floor.nowMs() - RESULTS_KEPT_MS - tables.askedSinceMs) < 1_000)
})

test('without what is only kept, which needs no tables', async () => {
  const { floor, ask, tables } = await setup()
  await floor.submit(planOf({ frames: 1 }))
  tables.kept.push('c'.repeat(64))
  tables.isReached = false
  assert.deepEqual(await ask(PAYER, { liveOnly: true }), [{ kind: 'tree', sha256: 'a'.repeat(64) }])
})

test('while the tables lag behind nothing is said, so that nothing is removed', async () => {
  const { ask, tables } = await setup()
  tables.isReached = false
  assert.equal(await ask(), 'bus_timeout')
})

test('more than one answer can carry is told in several, each of them once', async () => {
  const { ask, tables } = await setup()
  const all = Array.from({ length: 12_345 }, (_, index) => index.toString(16).padStart(64, '0'))
  tables.kept.push(...all.toReversed())
  const told = await ask()
  assert(typeof told !== 'string')
  assert.deepEqual(
    told.map(({ sha256 }) => sha256),
    all,
  )
})

test('a job that is forgotten leaves all that is kept of it in the journal', async () => {
  const { floor } = await setup()
  await floor.submit(planOf({ frames: 2, cap: 6_000n }))
  const grants = grantsIn(await floor.hello('a'))
  for (const { fence } of grants) await floor.finish('a', fence)
  const events: CoordinatorEvent[] = []
  const { desk } = floor.service
  desk.review(startTurn(floor.state, floor.nowMs() + DAY_MS - 1_000, events))
  assert.equal(events.length, 0)
  desk.review(startTurn(floor.state, floor.nowMs() + DAY_MS, events))
  const forgotten = events.find((event) => event.type === 'work.job_forgotten')
  const { spent, progress, tasks = [] } = forgotten?.summary ?? {}
  assert.deepEqual([spent, progress], [2_000n, 1])
  assert.deepEqual(
    tasks.map(({ state, charge, outputs }) => [state, charge, outputs.length]),
    [
      ['done', 1_000n, 1],
      ['done', 1_000n, 1],
    ],
  )
  assert.equal(floor.state.work.jobs.size, 0)
})

test('of a job of many tasks it is in several entries, each small, and all of it is kept once', async () => {
  const { floor } = await setup()
  const frames = 2 * workLimits.forgetTasksMax + 1
  assert.equal(await floor.submit(planOf({ frames, cap: 100_000_000n })), null)
  assert.equal(await floor.command({ kind: 'cancel', jobId: 'job_1', nowMs: floor.nowMs() }), null)
  const parts: (readonly KeptTask[])[] = []
  for (let reviews = 0; reviews < 5; reviews++) {
    const events: CoordinatorEvent[] = []
    floor.service.desk.review(startTurn(floor.state, floor.nowMs() + DAY_MS, events))
    for (const event of events) {
      if (event.type === 'work.tasks_forgotten') parts.push(event.tasks ?? [])
      if (event.type === 'work.job_forgotten') parts.push(event.summary?.tasks ?? [])
    }
  }
  const { forgetTasksMax: most } = workLimits
  assert.deepEqual(
    parts.map(({ length }) => length),
    [most, most, 1],
  )
  assert.deepEqual(
    parts.flat().map(({ task }) => task),
    Array.from({ length: frames }, (_, task) => task),
  )
  assert.equal(floor.state.work.jobs.size, 0)
})

async function setup() {
  const floor = await TestFloor.open()
  const keeper = floor.world.machine('keeper')
  const tables = { kept: [] as string[], isReached: true, askedSinceMs: 0 }
  serveBlobRoots({
    ...floor.host,
    coordinator: floor.service.coordinator,
    projector: { reach: async () => tables.isReached },
    queries: {
      async keptOutputs(_, sinceMs) {
        tables.askedSinceMs = sinceMs
        return { hashes: tables.kept, asOfSequence: 1 }
      },
    },
  })
  const askPage = (asked: object): Promise<string> =>
    floor.world.settle(
      new Promise((resolve) => {
        const call = { subject: subjects.blobRoots, message: JSON.stringify(asked), timeoutMs: 1_000 }
        keeper.host.bus.request(call, (problem, reply) => resolve(problem ? problem.code : reply))
      }),
    )
  async function ask(organisationId = PAYER, more = {}): Promise<BlobRootsReply['roots'] | string> {
    const roots: BlobRootsReply['roots'] = []
    for (let next: string | undefined, isFirst = true; isFirst || next; isFirst = false) {
      const reply = await askPage({ organisationId, ...more, ...(next !== undefined && { after: next }) })
      if (reply === 'bus_timeout') return reply
      const page = BlobRootsReply.parse(JSON.parse(reply))
      roots.push(...page.roots)
      next = page.next
    }
    return roots
  }
  return { floor, tables, ask }
}
