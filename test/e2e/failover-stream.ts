/** One greedy stream as its caller sees it, with the pauses in it that the loss of a node explains. */
import { type ChatResult, extensionOf, requestIdOf } from './chats.ts'
import type { LossKind } from './failover-load.ts'
import type { Network } from './rig.ts'

export interface Loss {
  readonly kind: LossKind
  /** By `performance.now`. */
  readonly atMs: number
}

/** Between two chunks, when a node was lost and another went on. */
export interface Gap {
  readonly ms: number
  /** `null` when nothing was lost before it: the answer moved for a reason of its own. */
  readonly kind: LossKind | null
}

export interface FailoverStream extends ChatResult {
  readonly prompt: string
  readonly continuations: number
  /** As many as there were continuations: the longest pauses of the stream. */
  readonly gaps: readonly Gap[]
}

interface Pause {
  readonly ms: number
  readonly beganMs: number
}

export interface Ask {
  readonly model: string
  readonly prompt: string
  readonly tokens: number
  /** Grows while the stream runs. */
  readonly losses: readonly Loss[]
}

/** Never rejects. */
export async function streamThroughLosses({ openai }: Network, ask: Ask): Promise<FailoverStream> {
  const seen = { requestId: null as string | null, text: '', chunks: 0, finishReason: null as string | null }
  let usage: ChatResult['usage'] = null
  let cost: bigint | null = null
  let continuations = 0
  const pauses: Pause[] = []
  let lastMs: number | null = null
  const finish = (error: unknown): FailoverStream => {
    const longest = pauses.toSorted((a, b) => b.ms - a.ms).slice(0, continuations)
    const gaps = longest.map((pause) => ({ ms: pause.ms, kind: kindOf(pause, ask.losses) }))
    return { ...seen, usage, cost, prompt: ask.prompt, continuations, gaps, error }
  }
  try {
    const stream = await openai.chat.completions.create({
      model: ask.model,
      messages: [{ role: 'user', content: ask.prompt }],
      max_tokens: ask.tokens,
      temperature: 0,
      stream: true,
      stream_options: { include_usage: true },
    })
    for await (const chunk of stream) {
      const nowMs = performance.now()
      seen.requestId = requestIdOf(chunk.id)
      const [choice] = chunk.choices
      if (choice?.delta.content) {
        seen.text += choice.delta.content
        seen.chunks++
        if (lastMs !== null) pauses.push({ ms: nowMs - lastMs, beganMs: lastMs })
        lastMs = nowMs
      }
      seen.finishReason = choice?.finish_reason ?? seen.finishReason
      usage = chunk.usage ?? usage
      const extension = extensionOf(chunk)
      if (extension) cost = BigInt(extension.cost_nano_usd)
      continuations = extension?.continuations ?? continuations
    }
    return finish(seen.finishReason === null ? new Error('cut off') : null)
  } catch (error) {
    return finish(error)
  }
}

/** A chunk may still have been on its way when its node was lost. */
const LATE_MS = 250

function kindOf({ ms, beganMs }: Pause, losses: readonly Loss[]): LossKind | null {
  const during = losses.filter(({ atMs }) => atMs > beganMs - LATE_MS && atMs < beganMs + ms)
  return during[0]?.kind ?? null
}
