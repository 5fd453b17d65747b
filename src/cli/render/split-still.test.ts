import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStubTerminal } from '../stub-context.ts'
import { createStubTools } from '../stub-job-tools.ts'
import { createStubJobs } from '../stub-jobs.ts'
import { createStubNetwork, STUB_NOW_MS } from '../stub-network.ts'
import { fetchFrom } from '../test-fetch.ts'

test('of its own accord a still is cut for the nodes that render on its device, whatever others are online', async () => {
  const stepsOf = async (work: object | undefined, ...more: string[]) => {
    const { run, jobs } = setup(work)
    await run('render', 's.blend', '--frames', '7', ...more, '--yes', '--watch', '--out', 'out')
    return jobs.asked[0]?.steps.map(({ name, tasks }) => `${name} ${tasks.length}`)
  }
  const counts = { jobsActive: 0, tasksReady: 0, tasksRunning: 0, nodes: 4 }
  const mixed = { ...counts, renderers: { CPU: 2, CUDA: 3 } }
  assert.deepEqual(await stepsOf(mixed), ['parts 2', 'frames 1'])
  assert.deepEqual(await stepsOf(mixed, '--device', 'CUDA'), ['parts 3', 'frames 1'])
  assert.deepEqual(await stepsOf(mixed, '--device', 'OPTIX'), ['frames 1'])
  assert.deepEqual(await stepsOf({ ...counts, renderers: {} }), ['frames 1'])
  // Of a network of before, the nodes that take tasks.
  assert.deepEqual(await stepsOf(counts), ['parts 4', 'frames 1'])
  assert.deepEqual(await stepsOf(undefined), ['frames 1'])
})

/** A network of sixteen nodes, with these counts of its tasks. */
function setup(work: object | undefined) {
  const jobs = createStubJobs(STUB_NOW_MS, {})
  const ask = fetchFrom({ ...createStubNetwork().handlers, ...jobs.handlers })
  const { run } = createStubTerminal({
    fetch: async (request) => {
      const reply = await ask(request)
      if (new URL(request.url).pathname !== '/api/status') return reply
      const { nodes, ...status } = (await reply.json()) as { nodes: object }
      return Response.json({ ...status, nodes: { ...nodes, online: 16 }, ...(work && { work }) })
    },
    parts: { jobTools: async () => createStubTools() },
  })
  return { run, jobs }
}
