import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { createStubTerminal, STUB_CREDENTIALS } from '../stub-context.ts'
import { createStubJobs } from '../stub-jobs.ts'
import { createStubNetwork, STUB_NOW_MS } from '../stub-network.ts'
import { fetchFrom } from '../test-fetch.ts'
import type { JobFacts, TaskFacts } from './job-client.ts'

test('a frame that is put together of parts is the whole one: that is what `why` tells of', async () => {
  const { run, asked } = setup()
  const { exitCode, out, err } = await run('job', 'why', 'job_split/7')
  assert.equal(exitCode, 0, err)
  assert.match(out, /^frame 7 /)
  assert.deepEqual(asked, ['why 1/0'])
})

test('who rejects it rejects each of its parts that is made and that nobody has looked at', async () => {
  const { run, asked } = setup({ checked: [1], settled: [2] })
  const { exitCode, out, err } = await run('job', 'reject', 'job_split/7', '-r', 'too dark', '--json')
  assert.equal(exitCode, 0, err)
  assert.deepEqual(asked, ['reject 0/0', 'reject 0/2', 'reject 0/3'])
  const page = JSON.parse(out) as { items: { step: number; task: number }[] }
  assert.deepEqual(
    page.items.map(({ step, task }) => `${step}/${task}`),
    ['0/0', '0/3'],
  )
  assert.match(err, /Another owner looks at its parts now/)
})

test('and is told why, where none of them is looked at any more', async () => {
  const all = [0, 1, 2, 3]
  const checked = setup({ checked: all })
  const { exitCode, err } = await checked.run('job', 'reject', 'job_split/7', '-r', 'too dark')
  assert.equal(exitCode, 1)
  assert.match(err, /Of frame 7 no part is made yet that nobody has looked at/)
  const settled = setup({ settled: all })
  assert.match(
    (await settled.run('job', 'reject', 'job_split/7', '-r', 'too dark')).err,
    /looked at already, and nobody is asked about it again/,
  )
})

test('of a job that is over nobody is told that anything is rendered again', async () => {
  const { run } = setup({ status: 'completed' })
  const { err } = await run('job', 'reject', 'job_split/parts/0', '-r', 'too dark')
  assert.match(err, /The job is over, so nothing is rendered again: if it is wrong, what it cost comes back/)
})

test('jobs that go on and paused ones are one list, which goes on behind the last that is shown', async () => {
  const { run, jobs } = setup()
  const [active] = [...jobs.jobs.values()]
  assert(active)
  jobs.jobs.clear()
  const status = (at: number) => (['active', 'paused'] as const)[at % 2] ?? 'active'
  for (let at = 0; at < 30; at++) {
    const jobId = `job_${at}`
    jobs.jobs.set(jobId, { ...active, jobId, status: status(at), submittedAtMs: STUB_NOW_MS - at })
  }
  const seen: string[] = []
  for (let before: string | null = ''; before !== null; ) {
    const more = before === '' ? [] : ['--before', before]
    const { out } = await run('jobs', '--limit', '20', '--json', ...more)
    const page = JSON.parse(out) as { items: { jobId: string }[]; next: string | null }
    seen.push(...page.items.map(({ jobId }) => jobId))
    before = page.next
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 30 }, (_, at) => `job_${at}`),
  )
})

/** A network with one job: frame 7 of four parts, which a second step puts together. */
function setup({
  checked = [],
  settled = [],
  status = 'active',
}: {
  checked?: number[]
  settled?: number[]
  status?: JobFacts['status']
} = {}) {
  const jobs = createStubJobs(STUB_NOW_MS)
  const asked: string[] = []
  const [stored] = [...jobs.jobs.values()]
  const [counts] = stored?.steps ?? []
  assert(stored && counts)
  const steps = [
    { ...counts, name: 'parts', tasks: 4 },
    { ...counts, name: 'frames', dependsOn: ['parts'], tasks: 1 },
  ]
  jobs.jobs.set('job_split', { ...stored, jobId: 'job_split', status, steps })
  const taskOf = (step: number, task: number): TaskFacts => ({
    ...{ step, task, params: { do: step === 0 ? 'range' : 'merge', frame: 7 }, state: 'done' },
    ...{ attempts: [], outputs: [], nodeId: 'nod_1', referenceSeconds: 1, charge: 1n },
    ...{ isChecked: step === 0 && checked.includes(task), failedNodes: [] },
  })
  const handlers: Partial<typeof jobs.handlers> = {
    listJobTasks: ({ query }) => ({
      items: steps.flatMap(({ tasks }, step) =>
        query?.step === undefined || query.step === step
          ? Array.from({ length: tasks }, (_, task) => taskOf(step, task))
          : [],
      ),
      next: null,
    }),
    whyTask(input, ...rest) {
      asked.push(`why ${input.params.step}/${input.params.task}`)
      return jobs.handlers.whyTask(input, ...rest)
    },
    rejectTask({ params: { step, task } }) {
      asked.push(`reject ${step}/${task}`)
      if (settled.includes(Number(task)))
        throw new Problem('conflict', 'This was looked at already, and nobody is asked about it again.')
      return taskOf(Number(step), Number(task))
    },
  }
  const fetch = fetchFrom({ ...createStubNetwork().handlers, ...jobs.handlers, ...handlers })
  const files = { '/home/ada/.shoal/credentials.json': STUB_CREDENTIALS }
  return { jobs, asked, ...createStubTerminal({ fetch, files }) }
}
