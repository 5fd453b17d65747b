import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createControlServer } from '#coordinator/control-server.ts'
import { routes } from '#protocol/routes.ts'
import { createStubTerminal } from '../stub-context.ts'
import { createStubTools } from '../stub-job-tools.ts'
import { createStubJobs } from '../stub-jobs.ts'
import { createStubNetwork, STUB_NOW_MS } from '../stub-network.ts'

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
  const app = createControlServer(
    routes,
    { ...createStubNetwork().handlers, ...handlers },
    {
      authenticate: () => ({ organisationId: 'org_1', keyId: 'key_1', scopes: ['owner'] }),
      mayAnswer: () => true,
      requestId: () => 'req_9',
      clock: { elapsedMs: () => 0 },
      log: { info() {}, warn() {}, error() {} },
      hostnames: [],
      origins: [],
      openAiBaseUrl: 'http://127.0.0.1:7420/v1',
      onBug: (error) => assert.fail(error as Error),
    },
  )
  const fetch = async (request: Request): Promise<Response> => app.fetch(request)
  return { jobs, ...createStubTerminal({ fetch, parts: { jobTools: async () => tools } }) }
}
