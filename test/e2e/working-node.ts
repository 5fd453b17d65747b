/** A node that takes tasks and does with each what the test says: over the wire, without an engine behind it. */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TaskFailure } from '#protocol/task-failure.ts'
import { type TaskGrant, WORK_BEAT_MS } from '#protocol/work-link.ts'
import { createBlobClient } from '#run/blob-client.ts'
import { enrolHostile } from './hostile-agent.ts'
import { until } from './process-group.ts'
import type { Network } from './rig.ts'

export interface WorkingNode {
  readonly nodeId: string
  /** What it does with each task from now on; it finishes them at once unless told. */
  work: (grant: TaskGrant) => void
  finish(grant: TaskGrant): void
  fail(grant: TaskGrant, failure: TaskFailure): void
  /** Tasks that it has and has not finished. */
  readonly held: ReadonlyMap<number, TaskGrant>
  /** Comes back, with what it has. */
  connect(): Promise<void>
  close(): void
}

export async function startWorkingNode(network: Network, name: string): Promise<WorkingNode> {
  const link = await enrolHostile(network, { id: name }, { protocol: 4 })
  const held = new Map<number, TaskGrant>()
  const leaving = new AbortController()
  async function send({ fence, token = '' }: TaskGrant): Promise<void> {
    const text = `result ${fence}`
    const sha256 = createHash('sha256').update(text).digest('hex')
    link.say({
      kind: 'commit',
      fence,
      outputs: [{ name: `${fence}.txt`, bytes: text.length, sha256 }],
      wallMs: 100,
    })
    const { signal } = leaving
    const blobs = createBlobClient({
      ...{
        fetch: (request: Request) => fetch(request),
        baseUrl: network.ready.apiUrl,
        token: () => token,
        signal,
      },
      sleep: (ms) => sleep(ms, undefined, { signal }),
    })
    await until('its result to be taken in', () => blobs.sendText(text, { signal }).catch(() => null))
    held.delete(fence)
    link.say({ kind: 'deliver', fence })
  }
  const finish = (grant: TaskGrant): void => {
    send(grant).catch((error: unknown) => {
      if (!leaving.signal.aborted) throw error
    })
  }
  const node: WorkingNode = {
    nodeId: link.nodeId,
    work: finish,
    finish,
    fail({ fence }, failure) {
      held.delete(fence)
      link.say({ kind: 'fail', fence, failure })
    },
    held,
    async connect() {
      await link.connect()
      hello()
    },
    close() {
      clearInterval(beating)
      leaving.abort()
      link.close()
    },
  }
  const hello = (): void =>
    link.say({
      kind: 'hello',
      facts: {
        kinds: ['command'],
        speed: 1,
        memoryMib: 8_000,
        vramMib: 0,
        bytesPerSecond: 1e8,
        askPerHour: 0n,
        engines: {},
      },
      cached: [],
    })
  link.ordered = (order) => {
    if (order.kind === 'who') hello()
    if (order.kind === 'cancel') held.delete(order.fence)
    if (order.kind !== 'grant' || held.has(order.fence)) return
    held.set(order.fence, order)
    node.work(order)
  }
  const beating = setInterval(() => {
    const fences = [...held.keys()].map((fence) => ({ fence, fraction: 0.5 }))
    link.say({ kind: 'beat', held: fences, room: 2 })
  }, WORK_BEAT_MS)
  await node.connect()
  return node
}
