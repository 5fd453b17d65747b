/** Greedy streams that begin at a steady rate whatever happens to those before: callers that do not wait for each other. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '#kernel/random.ts'
import { extensionOf, requestIdOf } from '../../test/e2e/chats.ts'

export interface SteadyOptions {
  readonly baseUrl: string
  readonly apiKey: string
  readonly model: string
  readonly perSecond: number
  readonly tokens: number
  readonly seed: number
  /** Different prompts; each comes back again and again. */
  readonly prompts?: number
  /** Streams under way, beyond which none is begun: counted in `missed`. */
  readonly openMax?: number
}

/** One stream as its caller saw it, without trying again. */
export interface Steady {
  readonly prompt: string
  readonly requestId: string | null
  readonly text: string
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number } | null
  readonly cost: bigint | null
  readonly continuations: number
  /** Who answered, or began to. */
  readonly node: string | null
  /** By `performance.now`. */
  readonly startedMs: number
  readonly firstTokenMs: number | null
  readonly totalMs: number
  /** HTTP status, and the code that the answer bore; `null` when it ended well. */
  readonly error: string | null
}

export interface SteadyLoad {
  readonly results: readonly Steady[]
  open(): number
  missed(): number
  /** Changes the rate from now on. */
  setRate(perSecond: number): void
  /** Begins no more; resolves when all have ended. */
  stop(): Promise<readonly Steady[]>
}

export const promptAt = (index: number): string => `Fish number ${index} swims`

const TIMEOUT_MS = 120_000

export function startSteady(options: SteadyOptions): SteadyLoad {
  const { seed, prompts = 200, openMax = 5_000 } = options
  const random = createRandom(seed)
  const results: Steady[] = []
  const open = new Set<Promise<void>>()
  let { perSecond } = options
  let missed = 0
  let isStopped = false
  const beginning = (async () => {
    let dueMs = performance.now()
    while (!isStopped) {
      // Between half and one and a half of the mean distance: callers do not march in step.
      dueMs += (1_000 / perSecond) * (0.5 + random.int(1_000) / 1_000)
      const waitMs = dueMs - performance.now()
      if (waitMs > 0) await sleep(waitMs)
      if (open.size >= openMax) {
        missed++
        continue
      }
      const one: Promise<void> = stream(options, promptAt(random.int(prompts)))
        .then((result) => void results.push(result))
        .finally(() => open.delete(one))
      open.add(one)
    }
  })()
  return {
    results,
    open: () => open.size,
    missed: () => missed,
    setRate(next) {
      perSecond = next
    },
    async stop() {
      isStopped = true
      await beginning
      await Promise.all(open)
      return results
    },
  }
}

interface Chunk {
  readonly id?: string
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string }
    readonly finish_reason?: string | null
  }[]
  readonly usage?: Steady['usage']
  readonly error?: { readonly code?: string; readonly message?: string }
}

/** Never rejects. */
export async function stream(
  { baseUrl, apiKey, model, tokens }: SteadyOptions,
  prompt: string,
): Promise<Steady> {
  const startedMs = performance.now()
  const seen = { requestId: null as string | null, text: '', firstTokenMs: null as number | null }
  let usage: Steady['usage'] = null
  let cost: bigint | null = null
  let continuations = 0
  let node: string | null = null
  let isDone = false
  let error: string | null = null
  const finish = (): Steady => ({
    prompt,
    ...seen,
    usage,
    cost,
    continuations,
    node,
    startedMs,
    totalMs: performance.now() - startedMs,
    error: error ?? (isDone ? null : 'cut off'),
  })
  try {
    const response = await fetch(`${baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model,
        messages: [{ role: 'user', content: prompt }],
        max_tokens: tokens,
        temperature: 0,
        stream: true,
        stream_options: { include_usage: true },
      }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    if (!response.ok || !response.body) {
      const { error: told } = (await response.json().catch(() => ({}))) as Chunk
      error = `${response.status} ${told?.code ?? ''}`.trim()
      return finish()
    }
    for await (const data of eventsOf(response.body)) {
      if (data === '[DONE]') {
        isDone = true
        continue
      }
      const chunk = JSON.parse(data) as Chunk
      if (chunk.error) error = `in the stream: ${chunk.error.code ?? chunk.error.message}`
      const content = chunk.choices?.[0]?.delta?.content
      if (chunk.id) seen.requestId = requestIdOf(chunk.id)
      if (content) {
        seen.firstTokenMs ??= performance.now() - startedMs
        seen.text += content
      }
      usage = chunk.usage ?? usage
      const extension = extensionOf(chunk)
      if (extension) cost = BigInt(extension.cost_nano_usd)
      continuations = extension?.continuations ?? continuations
      node = extension?.node ?? node
    }
  } catch (thrown) {
    error = causeOf(thrown)
  }
  return finish()
}

async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('data: ')) yield line.slice('data: '.length).trim()
  }
}

function causeOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  const { cause } = thrown
  return cause instanceof Error && 'code' in cause ? `${thrown.message} (${cause.code})` : thrown.message
}
