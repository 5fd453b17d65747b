import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStubTerminal } from '../stub-context.ts'
import { createStubTools } from '../stub-job-tools.ts'
import { createStubJobs } from '../stub-jobs.ts'
import { createStubNetwork, STUB_NOW_MS } from '../stub-network.ts'
import { fetchFrom } from '../test-fetch.ts'

test('a video plays in the order of its frames, whatever the order of the job’s tasks', async () => {
  // As the API lists tasks of a job that was sent as 10, 9, -1, 100.
  const { run, jobs } = setup(['frame-0010.png', 'frame-0009.png', 'frame--0001.png', 'frame-0100.png'])
  await run('job', 'video', 'job_3', '--yes', '--out', 'v.mp4')
  assert.deepEqual(jobs.asked[0]?.steps[0]?.settings['frames'], [
    'frame--0001.png',
    'frame-0009.png',
    'frame-0010.png',
    'frame-0100.png',
  ])
})

test('frames that are not done are named before the video is paid for', async () => {
  const { run, jobs } = setup(['frame-0001.png', 'frame-0002.png'], [3, 5, 6])
  const { err } = await run('job', 'video', 'job_3', '--yes', '--out', 'v.mp4')
  assert.match(
    err,
    /warning: The video leaves out what is not done: 3 frames \(3, 5-6\)\. Why: shoal job frames job_3\n/,
  )
  assert.equal(jobs.asked.length, 1)
  const whole = setup(['frame-0001.png', 'frame-0002.png'])
  assert.doesNotMatch((await whole.run('job', 'video', 'job_3', '--yes', '--out', 'v.mp4')).err, /leaves out/)
})

function setup(made: readonly string[], missing: readonly number[] = []) {
  const jobs = createStubJobs(STUB_NOW_MS)
  const tools = createStubTools()
  const job = jobs.jobs.get('job_3')
  const [frames] = job?.steps ?? []
  assert(job && frames)
  const counts = { tasks: made.length + missing.length, done: made.length }
  jobs.jobs.set('job_3', { ...job, steps: [{ ...frames, ...counts }, ...job.steps.slice(1)] })
  const handlers: typeof jobs.handlers = {
    ...jobs.handlers,
    listJobTasks(...call) {
      const page = jobs.handlers.listJobTasks(...call) as { items: readonly { outputs: readonly object[] }[] }
      const [task] = page.items
      const items = made.map((name, at) => ({
        ...task,
        task: at,
        outputs: [{ name, bytes: 1, sha256: 'a'.repeat(64) }],
      }))
      const open = missing.map((frame, at) => ({
        ...task,
        ...{ task: made.length + at, state: 'ready', outputs: [], params: { do: 'frame', frame } },
      }))
      const [{ query }] = call
      return { items: query?.state === 'done' ? items : [...items, ...open], next: null } as never
    },
  }
  const fetch = fetchFrom({ ...createStubNetwork().handlers, ...handlers })
  return { jobs, ...createStubTerminal({ fetch, parts: { jobTools: async () => tools } }) }
}
