/**
 * For tests: a gateway's links, its pipe of tasks and its files over real sockets and a real disk, and in the coordinator's
 * place whatever the test says on the bus.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startAgent } from '#agent/agent.ts'
import { BlobCache } from '#agent/blob-cache.ts'
import { openJobInputs } from '#agent/work/job-inputs.ts'
import { openJobOutputs } from '#agent/work/job-outputs.ts'
import { sleep } from '#agent/work/persist.ts'
import { TaskWorker } from '#agent/work/task-worker.ts'
import { idleEngine } from '#engines/idle-engine.ts'
import type { TaskEngine } from '#engines/task-engine.ts'
import { openBlobServer } from '#gateway/blobs/test-blob-server.ts'
import { createNodeLinks } from '#gateway/node-links.ts'
import { createWorkPipe } from '#gateway/work-pipe.ts'
import { createBlobWire } from '#host/blobs/blob-wire.ts'
import type { Exchange, Listener } from '#host/host.ts'
import { createLocalBus } from '#host/node/local-bus.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { nodeCompression } from '#host/node/node-compression.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { createNodeFileAccess } from '#host/node/node-file-access.ts'
import { createNodeHasher } from '#host/node/node-hasher.ts'
import { createNodeNetwork } from '#host/node/node-network.ts'
import { createNodeRandom } from '#host/node/node-random.ts'
import { nodeTaskFiles } from '#host/node/node-task-files.ts'
import { subjects } from '#protocol/cell.ts'
import { decodeFrames, decodeJson, FrameType } from '#protocol/frame.ts'
import type { TaskKind } from '#protocol/task.ts'
import {
  type TaskGrant,
  WorkNews,
  type WorkOrder,
  WorkOrders,
  type WorkSay,
  workOrdersTo,
} from '#protocol/work-link.ts'
import { testCapability } from '#sim/scripted-agent.ts'

const quiet = { info() {}, warn() {}, error() {} }
const GATEWAY_ID = 'gateway_1'
/** As of `openBlobServer`. */
const KEY_SECRET = 'of a test'
export const NODE_ID = 'node_1'
const keys = nodeCrypto.keyPair(new Uint8Array(32).fill(7))
const networkKeys = nodeCrypto.keyPair(new Uint8Array(32).fill(8))
const secrets = {
  randomBytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
  read: () => null,
  write() {},
}

export interface WorkCell extends AsyncDisposable {
  readonly folder: string
  readonly blobs: Awaited<ReturnType<typeof openBlobServer>>
  /** All that the node said, in order. */
  readonly said: WorkSay[]
  /** Tells the node, as the coordinator would. */
  order(...orders: WorkOrder[]): void
  grant(more: Partial<TaskGrant> & { readonly fence: number }): void
  /** Answers what is said of fences as a willing coordinator does. */
  answersAll(): void
  /** Resolves to the first saying, from now or before, that `matches`. */
  heard<Kind extends WorkSay['kind']>(
    kind: Kind,
    matches?: (say: Extract<WorkSay, { kind: Kind }>) => boolean,
  ): Promise<Extract<WorkSay, { kind: Kind }>>
  /** Hears each token that a grant brings the node. */
  onToken(run: (token: string) => void): void
  /** Cuts all connections of nodes, and takes new ones. */
  cut(): void
  readonly wsUrl: string
  readonly bus: ReturnType<typeof createLocalBus>
}

export async function openWorkCell(
  options: { readonly onExchange?: (exchange: Exchange) => void } = {},
): Promise<WorkCell> {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-work-'))
  const bus = createLocalBus({ clock: nodeClock, log: quiet })
  const pipe = createWorkPipe(
    { bus, clock: nodeClock, crypto: nodeCrypto, log: quiet },
    { gatewayId: GATEWAY_ID, keySecret: KEY_SECRET },
  )
  const blobs = await openBlobServer({
    folder: join(folder, 'vault'),
    ...options,
    mayNode: (wish) => pipe.mayNode(wish),
    resultBytesMax: (of) => pipe.resultBytesMax(of),
  })
  const followed = { ...{ id: NODE_ID, organisationId: 'org', publicKey: keys.publicKeyHex }, session: 0 }
  const node = { ...followed, isDrained: false, isBanned: false, models: [] }
  const directory = { node: (id: string) => (id === NODE_ID ? node : undefined) } as never
  const parts = { bus, clock: nodeClock, crypto: nodeCrypto, log: quiet, secrets, directory }
  const nothing = (): void => undefined
  bus.serve(subjects.presence, (_message, reply) => reply(JSON.stringify({ epoch: 1, refused: [] })))
  const links = createNodeLinks(parts, {
    ...{ gatewayId: GATEWAY_ID, incarnation: 1, work: pipe },
    network: { keys: networkKeys, goesBy: () => true, tlsKeys: () => [] },
    onAvailable: nothing,
    onUnknownNode: nothing,
  })
  const network = createNodeNetwork({ clock: nodeClock, log: quiet })
  const open = new Set<{ close(code: number, reason: string): void }>()
  const listener: Listener = await network.listen(
    { hostname: '127.0.0.1', port: 0 },
    {
      onExchange: (exchange) => exchange.respond(404, {}, ''),
      onLink(_path, link) {
        open.add(link)
        return links.accept({
          ...link,
          bufferedBytes: () => 0,
          close: (code, reason) => link.close(code, reason),
          send,
        })
        function send(message: Uint8Array): void {
          for (const { type, payload } of decodeFrames(message))
            if (type === FrameType.work) noteToken(decodeJson(payload))
          link.send(message)
        }
      },
    },
  )
  const tokenListeners: ((token: string) => void)[] = []
  const noteToken = (order: unknown): void => {
    const { token } = order as { token?: string }
    if (token !== undefined) for (const run of tokenListeners) run(token)
  }
  const said: WorkSay[] = []
  const listeners = new Set<(say: WorkSay) => void>()
  bus.subscribe(subjects.work, (message) => {
    for (const { say } of WorkNews.parse(JSON.parse(message)).said) {
      said.push(say)
      for (const listen of [...listeners]) listen(say)
    }
  })
  const order = (...orders: WorkOrder[]): void => {
    const told = { orders: orders.map((one) => ({ nodeId: NODE_ID, order: one })) }
    bus.publish(workOrdersTo(GATEWAY_ID), JSON.stringify(WorkOrders.encode(told)))
  }
  return {
    folder,
    blobs,
    said,
    bus,
    wsUrl: `ws://127.0.0.1:${listener.port}/agent`,
    order,
    grant: (more) => order({ ...grantBase, ...more }),
    answersAll() {
      listeners.add((say) => {
        if (say.kind === 'commit' || say.kind === 'deliver' || say.kind === 'fail')
          order({ kind: 'answer', to: say.kind, fence: say.fence, refusal: null })
      })
    },
    heard: (kind, matches = () => true) =>
      new Promise((resolve) => {
        const look = (say: WorkSay): boolean => {
          if (say.kind !== kind || !matches(say as never)) return false
          listeners.delete(look)
          resolve(say as never)
          return true
        }
        if (!said.some(look)) listeners.add(look)
      }),
    onToken: (run) => void tokenListeners.push(run),
    cut() {
      for (const link of open) link.close(1011, 'cut by the test')
      open.clear()
    },
    async [Symbol.asyncDispose]() {
      links.close()
      pipe.close()
      await listener.close(0)
      await blobs.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const grantBase: Omit<TaskGrant, 'fence'> = {
  ...{ kind: 'grant', jobId: 'job_1', organisationId: 'ada', step: 0, task: 0 },
  ...{ engine: 'command', settings: {}, params: {}, inputRoot: null, files: [], estimateMs: 1_000 },
}

export interface TestNode extends AsyncDisposable {
  readonly worker: TaskWorker
  readonly agent: ReturnType<typeof startAgent>
  readonly cache: BlobCache
}

/** A real agent of the cell, with these engines. */
export async function openNode(
  {
    wsUrl,
    blobs,
    folder,
  }: Pick<WorkCell, 'wsUrl' | 'folder'> & { readonly blobs: { readonly baseUrl: string } },
  engines: readonly TaskEngine[],
  more: { readonly bytesMax?: number; readonly name?: string } = {},
): Promise<TestNode> {
  const own = join(folder, more.name ?? 'node')
  mkdirSync(own, { recursive: true })
  const network = createNodeNetwork({ clock: nodeClock, log: quiet })
  const files = createNodeFileAccess(join(own, 'temporary'))
  const disk = { files, createHasher: createNodeHasher, crypto: nodeCrypto }
  const cache = await BlobCache.open({
    ...disk,
    clock: nodeClock,
    folder: join(own, 'cache'),
    bytesMax: more.bytesMax ?? 1e9,
  })
  const wireFor = ({ token, signal }: { token: () => string; signal: AbortSignal }) =>
    createBlobWire({
      ...{ fetch: (request: Request) => network.fetch(request), baseUrl: blobs.baseUrl, token, signal },
      sleep: (ms, until) => sleep(nodeClock, Math.min(ms, 50), until),
    })
  const common = { files, taskFiles: nodeTaskFiles, clock: nodeClock, wireFor }
  const inputs = await openJobInputs({ ...common, cache, folder: join(own, 'inputs') })
  const outputs = await openJobOutputs({
    ...common,
    ...disk,
    compression: nodeCompression,
    folder: join(own, 'outputs'),
  })
  const facts = () => ({
    ...{ kinds: engines.map(({ kind }) => kind as TaskKind), speed: 1, memoryMib: 1_024, vramMib: 0 },
    ...{ bytesPerSecond: 1e6, askPerHour: 0n, engines: {} },
  })
  const worker = new TaskWorker(
    { clock: nodeClock, log: quiet, engines, inputs, outputs, facts },
    { sessionsMax: 1, memoryBytesMax: 2 ** 30, idleMs: 60_000 },
  )
  const host = {
    clock: nodeClock,
    crypto: nodeCrypto,
    log: quiet,
    network,
    random: createNodeRandom(),
    secrets,
  }
  const speed = { prefillTokensPerSecond: 0, decodeTokensPerSecond: 0, decodeTokensPerSecondSingle: 0 }
  const agent = startAgent(host, idleEngine(), {
    ...{ nodeId: NODE_ID, keys, gatewayUrl: wsUrl, agentVersion: 'test', askPerGpuHour: 0n },
    ...{ capability: testCapability, speedOf: () => speed, worker, onRefused: () => undefined },
  })
  return {
    worker,
    agent,
    cache,
    async [Symbol.asyncDispose]() {
      agent.stop()
      await worker.close()
    },
  }
}
