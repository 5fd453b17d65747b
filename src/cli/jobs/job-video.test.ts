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

function setup(made: readonly string[]) {
  const jobs = createStubJobs(STUB_NOW_MS)
  const tools = createStubTools()
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
      return { items, next: null } as never
    },
  }
  const fetch = fetchFrom({ ...createStubNetwork().handlers, ...handlers })
  return { jobs, ...createStubTerminal({ fetch, parts: { jobTools: async () => tools } }) }
}
