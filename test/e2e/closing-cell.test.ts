/** A cell that is closed in order closes the links of its nodes, and takes nothing from them for it. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Host, Journal } from '#host/host.ts'
import { openNodeHost } from '#host/node/open-node-host.ts'
import { openPgliteStore } from '#host/node/pglite-store.ts'
import { createClient } from '#protocol/client.ts'
import { routes } from '#protocol/routes.ts'
import { type KeptCredentials, openCell } from '#run/cell.ts'
import { listenLocally } from '#run/listen-config.ts'
import { until } from './process-group.ts'
import { type Network, openRig } from './rig.ts'
import { startWorkingNode } from './working-node.ts'

/** So long the cell's gateway takes to close its spool: longer than the coordinator waits from one look at nodes to the next. */
const SPOOL_CLOSES_MS = 1_000

test('a node has at the next start what it ran and what it had not begun when the cell was closed', {
  timeout: 60_000,
}, async (t) => {
  const rig = openRig()
  t.after(() => rig.dispose())
  const folder = rig.path('cell')
  const first = await open(folder)
  t.after(first.close)
  const live = { ...first.network }
  const node = await startWorkingNode(live, 'worker')
  t.after(() => node.close())
  node.work = () => undefined
  const { quoteId } = await live.operator.askQuote({ body: twoTasks() })
  const { jobId } = await live.operator.createJob({ body: { quoteId, priority: 50 } })
  await until('the node to have both', () => node.held.size === 2)
  // It runs the one, and has not begun the other.
  assert.deepEqual([...node.held.values()].map(({ task }) => task).sort(), [0, 1])
  await first.close()

  const second = await open(folder)
  t.after(second.close)
  Object.assign(live, second.network)
  const kept = await live.operator.getJob({ params: { jobId } })
  assert.deepEqual([kept.status, kept.steps[0]?.running, kept.redispatched], ['active', 2, 0])
  await node.connect()
  node.work = node.finish
  for (const grant of [...node.held.values()]) node.finish(grant)
  const done = await until('the job to end', async () => {
    const job = await live.operator.getJob({ params: { jobId } })
    return job.status === 'completed' ? job : null
  })
  assert.deepEqual([done.steps[0]?.done, done.redispatched], [2, 0])
})

/** A whole cell in this process, on a disk that takes its time. */
async function open(folder: string): Promise<{ network: Network; close(): Promise<void> }> {
  const host = openNodeHost({ folder, logName: 'network', logLevel: 'error' })
  const credentials: { kept: KeptCredentials | null } = { kept: null }
  const fail = (error: unknown): never => {
    throw error
  }
  const cell = openCell(
    {
      host: { ...host, journals: withSlowSpool(host.journals) },
      sharedJournals: null,
      openStore: () =>
        openPgliteStore({ folder: join(folder, 'read-models'), owner: 'a test', log: host.log }),
      credentials: {
        read: () => null,
        write: (kept) => {
          credentials.kept = kept
        },
      },
      processId: process.pid,
      onStandby: () => undefined,
      onFatal: fail,
      onBug: fail,
    },
    {
      role: 'cell',
      ...{ databaseUrl: null, busUrl: null, secretsFolder: null, predecessor: null },
      dataFolder: folder,
      listen: listenLocally(0),
      networkName: 'closing',
      feeBps: 0,
      testBalance: 1_000_000_000_000n,
      nodeProofs: 'off',
      logLevel: 'error',
    },
  )
  const ready = await cell.ready
  const { operatorKey = '' } = credentials.kept ?? {}
  const operator = createClient(routes, { baseUrl: ready.apiUrl, apiKey: operatorKey, fetch })
  // What a node of a test asks of its network; nothing else is here.
  const network = { ready, operator, status: () => operator.getStatus() } as unknown as Network
  let closed: Promise<void> | null = null
  return {
    network,
    close() {
      closed ??= cell.close(0)
      return closed
    },
  }
}

const withSlowSpool = (journals: Host['journals']): Host['journals'] => ({
  async open(name): Promise<Journal> {
    const journal = await journals.open(name)
    if (name !== 'spool') return journal
    const close = journal.close.bind(journal)
    return Object.assign(journal, {
      async close(): Promise<void> {
        await sleep(SPOOL_CLOSES_MS)
        await close()
      },
    })
  },
})

const twoTasks = () => ({
  name: 'two',
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
      tasks: [{ part: 0 }, { part: 1 }],
      estimateMs: 1_000,
    },
  ],
})
