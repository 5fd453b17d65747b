/** For tests of batches: a store in memory, calls without a socket, and a node that answers when it is told to. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { batchLimits } from '#batch/batch-limits.ts'
import type { BlobReader, BlobStore, BlobWriter } from '#host/blob-store.ts'
import type { ReadForm } from '#host/form-upload.ts'
import type { Exchange } from '#host/host.ts'
import { NodeReport } from '#protocol/agent-link.ts'
import type { BatchObject } from '#protocol/batch-api.ts'
import type { ModelCapability } from '#protocol/capability.ts'
import { FrameType } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import type { Scope } from '#protocol/scope.ts'
import { type ScriptedAgent, testCapability, testModel } from '#sim/scripted-agent.ts'
import { API_KEY, createTestNetwork, type TestNetwork } from '#sim/test-network.ts'
import type { TestMachine } from '#sim/test-world.ts'
import { type Batches, openBatches } from './batches.ts'

export class MemoryBlobStore implements BlobStore {
  readonly blobs = new Map<string, Uint8Array>()
  /** What the next writes reject with. */
  problem: Problem | null = null
  /** From this byte of a file on, what reads reject with. */
  readProblem: { readonly offset: number; readonly error: Error } | null = null

  async create(): Promise<BlobWriter> {
    const chunks: Uint8Array[] = []
    const whole = (): Buffer => Buffer.concat(chunks)
    return {
      write: async (chunk) => {
        if (this.problem) throw this.problem
        chunks.push(chunk)
      },
      digest: () => ({
        bytes: whole().length,
        sha256: createHash('sha256').update(whole()).digest('hex'),
      }),
      finish: async (name) => {
        if (this.problem) throw this.problem
        this.blobs.set(name, whole())
      },
      abort: async () => undefined,
    }
  }
  async open(name: string): Promise<BlobReader | null> {
    const bytes = this.blobs.get(name)
    if (!bytes) return null
    return {
      bytes: bytes.length,
      read: async (offset, length) => {
        if (this.readProblem && offset >= this.readProblem.offset) throw this.readProblem.error
        return bytes.subarray(offset, offset + length)
      },
      close: async () => undefined,
    }
  }
  async delete(name: string): Promise<void> {
    this.blobs.delete(name)
  }
  async list(prefix: string) {
    return [...this.blobs]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, bytes]) => ({ name, bytes: bytes.length }))
  }
  usage() {
    return { bytes: 0, bytesMax: Number.MAX_SAFE_INTEGER }
  }
}

export interface TestAnswer {
  readonly status: number
  readonly text: string
  readonly json: Readonly<Record<string, unknown>>
}

class TestExchange implements Exchange {
  readonly headers: Readonly<Record<string, string>>
  readonly method: string
  readonly target: string
  readonly body: string
  readonly answered: Promise<TestAnswer>
  #answer: (answer: TestAnswer) => void
  #status = 0
  #text = ''

  constructor(method: string, target: string, body: string, headers: Readonly<Record<string, string>>) {
    this.method = method
    this.target = target
    this.body = body
    this.headers = headers
    const { promise, resolve } = Promise.withResolvers<TestAnswer>()
    this.answered = promise
    this.#answer = resolve
  }
  readBody(_bytesMax: number, done: (problem: null, body: Uint8Array) => void): void {
    done(null, new TextEncoder().encode(this.body))
  }
  respond(status: number, headers: Record<string, string>, body: Uint8Array | string): void {
    this.start(status, headers)
    this.write(body)
    this.end()
  }
  start(status: number, _headers: Record<string, string>): void {
    assert.equal(this.#status, 0, 'an answer begins once')
    this.#status = status
  }
  write(chunk: Uint8Array | string): boolean {
    this.#text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
    return true
  }
  end(): void {
    const json = this.#text.startsWith('{') && !this.#text.includes('}\n') ? JSON.parse(this.#text) : {}
    this.#answer({ status: this.#status, text: this.#text, json })
  }
  abort(): void {
    this.#answer({ status: -1, text: this.#text, json: {} })
  }
  onDrain(): void {}
  onClose(): void {}
}

/** The body of the call is the file. */
const readForm: ReadForm = async (exchange, _limits, openFile) => {
  const writer = await openFile()
  await writer.write(new TextEncoder().encode((exchange as TestExchange).body))
  return { fields: [['purpose', 'batch']], file: { field: 'file', filename: 'input.jsonl', writer } }
}

export interface TestHome {
  readonly store: MemoryBlobStore
  call(method: string, path: string, body?: unknown, more?: CallOptions): Promise<TestAnswer>
  /** Uploads these lines, which may be JSON already, and orders them; the id of the batch. */
  order(lines: readonly (object | string)[]): Promise<string>
  batch(id: string): Promise<BatchObject>
  /** The results, by custom id. */
  results(fileId: string | null): Promise<Map<string, { response: unknown; error: { code: string } | null }>>
  close(): Promise<void>
}
interface CallOptions {
  readonly organisationId?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface TestHomeOptions {
  readonly store?: MemoryBlobStore
  readonly windowMs?: number
}

export async function openTestHome(
  network: TestNetwork,
  machine: TestMachine = network.machine,
  { store = new MemoryBlobStore(), windowMs = batchLimits.windowMs }: TestHomeOptions = {},
): Promise<TestHome> {
  const { world, gateway } = network
  const journal = await world.settle(machine.host.journals.open('batches'))
  const onFatal = (problem: Problem): never => {
    throw problem
  }
  const batches: Batches = await world.settle(
    openBatches({
      host: machine.host,
      journal,
      gateway,
      store,
      readForm,
      limits: { ...batchLimits, windowMs },
      onFatal,
    }),
  )
  const known = gateway.authenticate(API_KEY)
  assert.ok(!(known instanceof Problem))
  const call: TestHome['call'] = async (method, target, body, { organisationId, headers = {} } = {}) => {
    const text = typeof body === 'string' ? body : JSON.stringify(body ?? {})
    const exchange = new TestExchange(method, target, text, headers)
    const caller = { ...known, ...(organisationId !== undefined && { organisationId }) }
    const scopes: Scope[] = ['developer']
    const [path = ''] = target.split('?')
    batches.api.serve({
      exchange,
      requestId: 'req_1',
      caller: { ...caller, scopes },
      path,
      timing: () => ({}),
    })
    return world.settle(exchange.answered)
  }
  return {
    store,
    call,
    async order(lines) {
      const texts = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)))
      const file = await call('POST', '/v1/files', texts.join('\n'))
      assert.equal(file.status, 200, file.text)
      const body = {
        input_file_id: file.json['id'],
        endpoint: '/v1/chat/completions',
        completion_window: '24h',
      }
      const batch = await call('POST', '/v1/batches', body)
      assert.equal(batch.status, 200, batch.text)
      return String(batch.json['id'])
    },
    async batch(id) {
      // Its form is that of the API's own document.
      return (await call('GET', `/v1/batches/${id}`)).json as unknown as BatchObject
    },
    async results(fileId) {
      if (fileId === null) return new Map()
      const { text } = await call('GET', `/v1/files/${fileId}/content`)
      const lines = text.split('\n').slice(0, -1)
      return new Map(
        lines.map((line) => {
          const { custom_id, ...rest } = JSON.parse(line)
          return [String(custom_id), rest]
        }),
      )
    },
    close: () => world.settle(batches.close()),
  }
}

export const line = (custom_id: string, more: object = {}) => ({
  custom_id,
  method: 'POST',
  url: '/v1/chat/completions',
  body: { model: 'model', messages: [{ role: 'user', content: custom_id }], max_tokens: 10, ...more },
})

/** Lets a node take work of batches at this discount. */
export function takeBatches(
  agent: ScriptedAgent,
  { batchDiscountBps = 5_000, ...model }: Partial<ModelCapability> & { batchDiscountBps?: number } = {},
): void {
  const capability = { ...testCapability, models: [{ ...testModel, ...model }], batchDiscountBps }
  agent.sendJson(FrameType.capability, 0, NodeReport.encode({ capability, askPerGpuHour: 360_000_000n }))
}

/** Answers what the node was asked and has not answered. */
export function answerer(agent: ScriptedAgent) {
  const answered = new Set<number>()
  return {
    open: () => agent.requests().filter(({ stream }) => !answered.has(stream)),
    answer(countMax = Number.POSITIVE_INFINITY): number {
      let count = 0
      for (const { stream } of this.open()) {
        if (count >= countMax) break
        answered.add(stream)
        agent.sendJson(FrameType.started, stream, { promptTokens: 4 })
        agent.delta(stream, 'ok', 2)
        agent.end(stream, { promptTokens: 4, completionTokens: 2 })
        count++
      }
      return count
    },
    fail(code: string): void {
      for (const { stream } of this.open()) {
        answered.add(stream)
        agent.fail(stream, code)
      }
    },
  }
}

/** A network with one node that takes work of batches, and a home. */
export async function batchNetwork(
  options: Parameters<typeof createTestNetwork>[0] & { slots?: number } & TestHomeOptions = {},
) {
  const network = await createTestNetwork({ nodes: ['a'], ...options })
  const agent = await network.connect('a')
  takeBatches(agent, { slots: options.slots ?? 4 })
  const home = await openTestHome(network, network.machine, options)
  await network.run(1_000)
  return { ...network, agent, node: answerer(agent), home }
}
