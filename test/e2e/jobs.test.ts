/** Jobs over the API of a real network, with a node of their own: from the quote to the last task, and what is refused. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { type BadJobCall, badJobCalls, badJobReads, badQuotes } from './bad-job-inputs.ts'
import { settle } from './books.ts'
import { until } from './process-group.ts'
import { type Network, openRig, startNetwork, startTiny } from './rig.ts'
import { bearer } from './tenants.ts'
import { startWorkingNode, type WorkingNode } from './working-node.ts'

const rig = openRig()
let network: Network
let node: WorkingNode
before(async () => {
  network = await startTiny(rig, rig.path('data'), ['--node-proofs', 'off'])
  node = await startWorkingNode(network, 'worker')
  // The tables that lists are read from are there.
  await settle(network, 0)
})
after(async () => {
  node?.close()
  await rig.dispose()
})

test('from a quote to the last task: priced, held, worked on, told of, paid', async () => {
  const { api } = client()
  await until('the node to be known', async () => (await network.status()).work?.nodes === 1)
  const quote = await api.askQuote({ body: asked({ parts: 3 }) })
  assert.deepEqual([quote.status, quote.tasks, quote.nodes > 0], ['ready', 3, true])
  const grants: number[] = []
  node.work = (grant) => void grants.push(grant.fence)
  const { jobId, cap } = await api.createJob({ body: { quoteId: quote.quoteId, priority: 50 } })
  const params = { jobId }
  await until('the node to have two', async () => grants.length === 2)
  const running = await api.getJob({ params })
  assert.deepEqual([running.status, running.nodes, running.held], ['active', 1, cap])
  assert.equal((await network.status()).work?.tasksRunning, 2)
  const following = api.followJob({ params, query: { after: await newest(jobId), waitMs: 20_000 } })
  node.work = node.finish
  for (const grant of [...node.held.values()]) node.finish(grant)
  assert.equal((await following).items[0]?.kind, 'committed')
  const done = await until('the job to end', async () => {
    const job = await api.getJob({ params })
    return job.status === 'completed' ? job : null
  })
  assert.deepEqual([done.progress, done.held, done.steps[0]?.done], [1, 0n, 3])
  assert.ok(done.spent > 0n && done.spent <= cap)
  const { items } = await api.listJobTasks({ params, query: { state: 'done' } })
  assert.deepEqual(
    items.map(({ nodeId }) => nodeId),
    [node.nodeId, node.nodeId, node.nodeId],
  )
  assert.equal(
    items.reduce((sum, { charge }) => sum + (charge ?? 0n), 0n),
    done.spent,
  )
  const news = await api.followJob({ params })
  assert.equal(news.items.at(-1)?.kind, 'completed')
  assert.ok((await api.listJobs({ query: { status: 'completed' } })).items.some((job) => job.jobId === jobId))
})

test('a job that a task fails everywhere pauses with the end of its log, and goes on when it is told to', async () => {
  const { api } = client()
  node.work = (grant) =>
    node.fail(grant, { class: 'task', signature: 's', message: 'It ended with 7.', tail: 'line of the log' })
  const jobId = await make({ parts: 1 })
  const params = { jobId }
  const paused = await until('the job to pause', async () => {
    const job = await api.getJob({ params })
    return job.status === 'paused' ? job : null
  })
  assert.match(paused.pause?.detail ?? '', /It ended with 7\.[\s\S]*\n {2}line of the log\n/)
  const why = await api.whyTask({ params: { jobId, step: '0', task: '0' } })
  assert.match(why.sentence, /failed and is not tried again until/)
  node.work = node.finish
  await api.resumeJob({ params, body: {} })
  await until('the job to end', async () => (await api.getJob({ params })).status === 'completed')
})

test('a network that is killed has its jobs afterwards, nodes keep what they have, and news go on', async (t) => {
  const folder = rig.path('killed')
  const first = await startTiny(rig, folder, ['--node-proofs', 'off'])
  // The node comes back to wherever this is by then.
  const live = { ...first }
  const worker = await startWorkingNode(live, 'worker-2')
  t.after(() => worker.close())
  worker.work = () => undefined
  const jobId = await make({ parts: 3 }, first)
  const params = { jobId }
  await until('the node to have two', async () => worker.held.size === 2)
  const [begun] = worker.held.values()
  if (begun) worker.finish(begun)
  await until('one to be done, and the node to have two again', async () => {
    const step = (await first.operator.getJob({ params })).steps[0]
    // Given is not yet received.
    return step?.done === 1 && step.running === 2 && worker.held.size === 2
  })
  const before = await newest(jobId, first)
  first.program.signal('SIGKILL')
  await first.program.end
  // Without a node of its own it is there in a moment: what a node had not begun goes to another after 3 s.
  Object.assign(live, await startNetwork(rig, folder, ['--no-agent', '--node-proofs', 'off']))
  const kept = await live.operator.getJob({ params })
  assert.deepEqual([kept.status, kept.steps[0]?.done, kept.steps[0]?.running], ['active', 1, 2])
  await worker.connect()
  worker.work = worker.finish
  for (const grant of [...worker.held.values()]) worker.finish(grant)
  const done = await until('the job to end', async () => {
    const job = await live.operator.getJob({ params })
    return job.status === 'completed' ? job : null
  })
  assert.deepEqual([done.steps[0]?.done, done.redispatched], [3, 0])
  const { items } = await live.operator.followJob({ params, query: { after: before } })
  assert.equal(items.at(-1)?.kind, 'completed')
  assert.ok(items.every(({ sequence }) => sequence > before))
  live.program.signal('SIGTERM')
  await live.program.end
})

test('calls that make no sense are refused with what was found and what to do', async () => {
  const { api } = client()
  const { quoteId } = await api.askQuote({ body: huge() })
  const { jobId } = await api.createJob({ body: { quoteId, priority: 50 } })
  const other = await api.askQuote({ body: huge() })
  const complaints: string[] = []
  for (const row of [...badQuotes, ...badJobCalls(jobId, other.quoteId)]) {
    const content = typeof row.body === 'string' ? row.body : JSON.stringify(row.body)
    complaints.push(...complaintsOf(row, await send(row.path, content)))
  }
  for (const row of badJobReads(jobId))
    complaints.push(...complaintsOf({ ...row, body: '' }, await send(row.path)))
  assert.equal(complaints.length, 0, `\n${complaints.join('\n')}\n`)
  // And nothing of it happened.
  const job = await api.getJob({ params: { jobId } })
  assert.deepEqual([job.status, job.priority], ['active', 50])
  await api.cancelJob({ params: { jobId }, body: {} })
})

test('a caller that leaves ends its call for news, and a network that stops does not wait for it', async () => {
  const { api } = client()
  const { quoteId } = await api.askQuote({ body: huge() })
  const { jobId } = await api.createJob({ body: { quoteId, priority: 50 } })
  const left = new AbortController()
  const query = { after: await newest(jobId), waitMs: 30_000 }
  const waiting = api.followJob({ params: { jobId }, query }, { signal: left.signal })
  left.abort()
  await assert.rejects(waiting)
  const stopped = api.followJob({ params: { jobId }, query }).then(
    () => 'answered',
    (error) => (error instanceof Problem ? error.code : 'cut'),
  )
  const begunMs = performance.now()
  node.close()
  network.program.signal('SIGTERM')
  assert.equal((await network.program.end).code, 0)
  assert.ok(['unavailable', 'cut', 'network_unreachable'].includes(await stopped), await stopped)
  assert.ok(performance.now() - begunMs < 25_000)
})

const client = () => ({ api: network.operator })

const asked = ({ parts }: { parts: number }) => ({
  name: 'parts',
  tier: 'priority' as const,
  isIdempotent: true,
  steps: [
    {
      name: 'work',
      kind: 'command' as const,
      dependsOn: [],
      takesResults: false,
      inputRoot: null,
      settings: {},
      requirements: { memoryMib: 0, vramMib: 0 },
      tasks: Array.from({ length: parts }, (_, part) => ({ part, at: Date.now() })),
      estimateMs: 1_000,
    },
  ],
})

/** No machine is large enough for it. */
function huge() {
  const { steps, ...job } = asked({ parts: 1 })
  return {
    ...job,
    steps: steps.map((step) => ({ ...step, requirements: { memoryMib: 10_000_000, vramMib: 0 } })),
  }
}

async function make(what: { parts: number }, { operator }: Network = network): Promise<string> {
  const { quoteId } = await operator.askQuote({ body: asked(what) })
  return (await operator.createJob({ body: { quoteId, priority: 50 } })).jobId
}

const newest = async (jobId: string, { operator }: Network = network): Promise<number> =>
  (await operator.followJob({ params: { jobId } })).next

interface Told {
  readonly status: number
  readonly code: string
  readonly detail: string
}

async function send(path: string, body?: string): Promise<Told> {
  const answer = await fetch(`${network.ready.apiUrl}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...bearer(network.ready.apiKey), 'content-type': 'application/json' },
    ...(body !== undefined && { body }),
  })
  return { status: answer.status, ...((await answer.json()) as Omit<Told, 'status'>) }
}

function complaintsOf({ path, body, status, code, says }: BadJobCall, told: Told): string[] {
  if (told.status === status && told.code === code && says.test(told.detail)) return []
  const sent = typeof body === 'string' ? body : JSON.stringify(body)
  return [
    `${path} ${sent.slice(0, 160)}\n  expected ${status} ${code} ${says}\n  got ${told.status} ${told.code} ${told.detail}`,
  ]
}
