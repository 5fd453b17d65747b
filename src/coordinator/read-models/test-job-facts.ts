/** What the tables of jobs do on any database. */
import assert from 'node:assert/strict'
import { DAY_MS } from '#kernel/time.ts'
import type { JobSummary, KeptTask } from '#work/job-summary.ts'
import { formatRecord } from '../coordinator-events.ts'
import { createJournal, everyPage, type ReadModelsBench } from './test-bench.ts'

const ENDED_AT_MS = 1_800_000_000_000
/** More than one statement's worth. */
const MANY = 12_000
const ODD = 'a scene\0with \ud800 odd "text" 😀'
const hashOf = (number: number): string => number.toString(16).padStart(64, '0')

const keptTask = (step: number, task: number, part: Partial<KeptTask> = {}): KeptTask => ({
  step,
  task,
  params: { frame: task + 1, name: ODD },
  state: 'done',
  nodeId: 'node_1',
  outputs: [{ name: `${task}.png`, bytes: 7, sha256: hashOf(100 * step + task) }],
  referenceMs: 1_500,
  charge: 10n ** 25n,
  isChecked: task === 0,
  failedNodes: [],
  ...part,
})
const cancelled: Partial<KeptTask> = {
  state: 'cancelled',
  nodeId: null,
  outputs: [],
  referenceMs: null,
  charge: null,
}

const summary = (part: Partial<JobSummary> = {}): JobSummary => ({
  organisationId: 'org_1',
  name: 'castle.blend',
  tier: 'economy',
  status: 'completed',
  priority: 50,
  cap: 9n * 10n ** 25n,
  pricePerHour: 100_000_000n,
  spent: 3n * 10n ** 25n,
  submittedAtMs: ENDED_AT_MS - 1_000,
  endedAtMs: ENDED_AT_MS,
  progress: 1,
  redispatched: 2,
  unverified: 1,
  spanMs: 4_000,
  usefulMs: 3_000,
  lastOutput: null,
  steps: [
    { name: 'frames', kind: 'blender', dependsOn: [], tasks: 3, done: 3, checked: 1 },
    { name: 'film', kind: 'ffmpeg', dependsOn: ['frames'], tasks: 1, done: 0, checked: 0 },
  ],
  tasks: [keptTask(0, 0), keptTask(0, 1), keptTask(0, 2), keptTask(1, 0, { ...cancelled, isChecked: false })],
  ...part,
})

const journalOf = (jobs: readonly (readonly [jobId: string, part: Partial<JobSummary>])[]) =>
  createJournal({
    payloads: jobs.map(([jobId, part]) =>
      formatRecord({
        version: 1,
        atMs: ENDED_AT_MS + DAY_MS,
        events: [{ type: 'work.job_forgotten', jobId, summary: summary(part), atMs: ENDED_AT_MS + DAY_MS }],
      }),
    ),
  })

type Fact = (bench: ReadModelsBench) => Promise<void>
export const jobFacts: Readonly<Record<string, Fact>> = {
  'a job that left the memory is shown as it was': async ({ projectAll, queries }) => {
    await projectAll(journalOf([['job_1', { name: ODD }]]))
    const job = await queries.job('job_1')
    assert(job)
    assert.deepEqual(
      [job.organisationId, job.tier, job.status, job.spent, job.held, job.reserved, job.efficiency],
      ['org_1', 'economy', 'completed', 3n * 10n ** 25n, 0n, 0n, 0.75],
    )
    assert.deepEqual(
      job.steps.map(({ name, tasks, done, cancelled }) => [name, tasks, done, cancelled]),
      [
        ['frames', 3, 3, 0],
        ['film', 1, 0, 1],
      ],
    )
    const { items } = await queries.jobTasks('job_1', {}, { limit: 10, before: null })
    assert.deepEqual(
      items.map(({ step, task, state, charge }) => [step, task, state, charge]),
      [
        [0, 0, 'done', 10n ** 25n],
        [0, 1, 'done', 10n ** 25n],
        [0, 2, 'done', 10n ** 25n],
        [1, 0, 'cancelled', null],
      ],
    )
    assert.deepEqual(items[0]?.params['name'], ODD)
    assert.equal(await queries.job('job_2'), null)
  },

  'a job that left the memory in parts is shown as if it had left at once, and a part told twice is there once':
    async ({ projectAll, queries }) => {
      const { tasks, ...rest } = summary({})
      const atMs = ENDED_AT_MS + DAY_MS
      const part = (from: number, to: number) =>
        ({ type: 'work.tasks_forgotten', jobId: 'job_1', from, to, tasks: tasks.slice(from, to) }) as const
      const last = { ...rest, tasks: tasks.slice(2) }
      const forgotten = { type: 'work.job_forgotten', jobId: 'job_1', from: 2, summary: last, atMs } as const
      const turns = [[part(0, 1)], [part(0, 1)], [part(1, 2)], [forgotten]]
      const payloads = turns.map((events) => formatRecord({ version: 1, atMs, events }))
      await projectAll(createJournal({ payloads: payloads.slice(0, 3) }))
      assert.equal(await queries.job('job_1'), null)
      await projectAll(createJournal({ payloads }))
      const { items } = await queries.jobTasks('job_1', {}, { limit: 10, before: null })
      assert.deepEqual(
        items.map(({ step, task, state }) => [step, task, state]),
        tasks.map(({ step, task, state }) => [step, task, state]),
      )
      assert.equal((await queries.job('job_1'))?.steps[0]?.done, 3)
    },

  'jobs are listed newest first, by organisation and status, page after page': async ({
    projectAll,
    queries,
  }) => {
    const jobs = Array.from({ length: 9 }, (_, index) => {
      const part: Partial<JobSummary> = {
        organisationId: `org_${index % 2}`,
        status: index % 3 === 0 ? 'cancelled' : 'completed',
        // Two of an instant each.
        submittedAtMs: ENDED_AT_MS + (index >> 1),
      }
      return [`job_${index}`, part] as const
    })
    await projectAll(journalOf(jobs))
    for (const organisationId of [null, 'org_0', 'org_1', 'org_2']) {
      for (const status of [null, 'cancelled', 'completed']) {
        const expected = jobs
          .filter(([, part]) => organisationId === null || part.organisationId === organisationId)
          .filter(([, part]) => status === null || part.status === status)
          .map(([jobId]) => jobId)
          .toReversed()
        const filter = { organisationId, status }
        const listed = await everyPage((before) => queries.jobs(filter, { limit: 2, before }))
        assert.deepEqual(
          listed.map(({ jobId }) => jobId),
          expected,
        )
      }
    }
  },

  'tasks are listed in the order of the plan, by step and state': async ({ projectAll, queries }) => {
    await projectAll(journalOf([['job_1', {}]]))
    const places = async (filter: Parameters<typeof queries.jobTasks>[1]) =>
      (await everyPage((before) => queries.jobTasks('job_1', filter, { limit: 1, before }))).map(
        ({ step, task }) => `${step}.${task}`,
      )
    assert.deepEqual(await places({}), ['0.0', '0.1', '0.2', '1.0'])
    assert.deepEqual(await places({ step: 1 }), ['1.0'])
    assert.deepEqual(await places({ state: 'done' }), ['0.0', '0.1', '0.2'])
    assert.deepEqual(await places({ state: 'failed' }), [])
  },

  'what was made is known by organisation, for jobs that ended late enough': async ({
    projectAll,
    queries,
  }) => {
    await projectAll(
      journalOf([
        ['job_1', {}],
        ['job_2', { organisationId: 'org_2', tasks: [keptTask(7, 7)] }],
        ['job_3', { endedAtMs: ENDED_AT_MS - 1, tasks: [keptTask(5, 5)] }],
      ]),
    )
    const { hashes, asOfSequence } = await queries.keptOutputs('org_1', ENDED_AT_MS)
    assert.deepEqual([hashes.toSorted(), asOfSequence], [[0, 1, 2].map(hashOf), 3])
    assert.deepEqual((await queries.keptOutputs('org_1', ENDED_AT_MS - 1)).hashes.length, 4)
    assert.deepEqual((await queries.keptOutputs('org_2', 0)).hashes, [hashOf(707)])
  },

  'an id that comes again is the later job, and a rebuild gives the same': async ({
    open,
    projectAll,
    queries,
    run,
  }) => {
    const journal = journalOf([
      ['job_1', {}],
      ['job_1', { name: 'again' }],
    ])
    await projectAll(journal)
    const dump = async () => [
      await run('select t::text from read_models.jobs t order by 1'),
      await run('select t::text from read_models.job_tasks t order by 1'),
    ]
    const before = await dump()
    assert.equal((await queries.job('job_1'))?.name, 'again')
    const projector = open(journal)
    await projector.rebuild()
    projector.close()
    assert.deepEqual(await dump(), before)
  },

  'a job of many tasks': async ({ projectAll, queries }) => {
    const tasks = Array.from({ length: MANY }, (_, task) => keptTask(0, task, { params: { frame: task } }))
    await projectAll(journalOf([['job_1', { tasks }]]))
    const { hashes } = await queries.keptOutputs('org_1', 0)
    assert.equal(hashes.length, MANY)
  },

  'cursors of jobs that no page gave are refused': async ({ projectAll, queries }) => {
    await projectAll(journalOf([['job_1', {}]]))
    const refused = { code: 'invalid_request' }
    const all = { organisationId: null, status: null }
    for (const before of ['', 'x', '1', '1.', '.job_1', '-1.job_1', '1.a\0']) {
      await assert.rejects(queries.jobs(all, { limit: 1, before }), refused)
    }
    for (const before of ['', '1', '1.x', '1.2.3', '-1.0'])
      await assert.rejects(queries.jobTasks('job_1', {}, { limit: 1, before }), refused)
    const { items } = await queries.jobs(all, { limit: 1, before: "1.' or true --" })
    assert.deepEqual(items, [])
  },
}
