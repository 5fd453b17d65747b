/** Writes a request's answer in OpenAI's shapes: one JSON document, or server-sent events as the text comes. */
import type { Exchange } from '#host/host.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { type Problem, toOpenAiError } from '#protocol/problem.ts'
import { respondProblem } from './openai-problem.ts'
import type { RunResult, RunSink } from './request-run.ts'

export interface ReplyForm {
  readonly kind: 'chat' | 'completion' | 'embedding'
  readonly model: string
  readonly isStream: boolean
  readonly includesUsage: boolean
  /** Embeddings as base64 of 32-bit floats. */
  readonly isBase64: boolean
}

interface Reply {
  readonly exchange: Exchange
  readonly requestId: string
  readonly form: ReplyForm
  readonly createdAtMs: TimestampMs
}

/** Told when the reader falls behind and when it has caught up. */
export interface Brake {
  pause(): void
  resume(): void
}

export const writeReply = (reply: Reply, brake: Brake): RunSink =>
  reply.form.isStream ? writeStream(reply, brake) : writeWhole(reply)

const usageOf = ({ promptTokens, completionTokens }: RunResult) => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
})

const extensionOf = ({ nodeId, cost, firstTokenMs, totalMs }: RunResult) => ({
  x_shoal: {
    node: nodeId,
    cost_nano_usd: cost.toString(),
    first_token_ms: firstTokenMs === null ? null : Math.round(firstTokenMs),
    total_ms: Math.round(totalMs),
  },
})

const envelopeOf = ({ requestId, form, createdAtMs }: Reply) => ({
  id: `${form.kind === 'chat' ? 'chatcmpl' : 'cmpl'}-${requestId.slice(4)}`,
  created: Math.floor(createdAtMs / 1_000),
  model: form.model,
})

function writeWhole(reply: Reply): RunSink {
  const { exchange, requestId, form } = reply
  let text = ''
  let vectors: readonly (readonly number[])[] = []
  return {
    onNode() {
      // Another node may have begun before and failed; what it said is void.
      text = ''
    },
    onText(more) {
      text += more
    },
    onEmbedding(found) {
      vectors = found
    },
    onFinish(result) {
      const headers = {
        'content-type': 'application/json',
        'x-request-id': requestId,
        'x-shoal-node': result.nodeId,
      }
      const body =
        form.kind === 'embedding' ? embeddingReply(form, vectors, result) : textReply(reply, text, result)
      exchange.respond(200, headers, JSON.stringify(body))
    },
    onProblem: (problem) => respondProblem(exchange, requestId, problem),
    onCut: () => exchange.abort(),
  }
}

function textReply(reply: Reply, text: string, result: RunResult) {
  const isChat = reply.form.kind === 'chat'
  const content = isChat ? { message: { role: 'assistant', content: text, refusal: null } } : { text }
  return {
    ...envelopeOf(reply),
    object: isChat ? 'chat.completion' : 'text_completion',
    choices: [{ index: 0, ...content, logprobs: null, finish_reason: result.finishReason }],
    usage: usageOf(result),
    ...extensionOf(result),
  }
}

function embeddingReply(form: ReplyForm, vectors: readonly (readonly number[])[], result: RunResult) {
  const data = vectors.map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: form.isBase64 ? Buffer.from(new Float32Array(vector).buffer).toString('base64') : vector,
  }))
  const usage = { prompt_tokens: result.promptTokens, total_tokens: result.promptTokens }
  return { object: 'list', data, model: form.model, usage, ...extensionOf(result) }
}

function writeStream(reply: Reply, brake: Brake): RunSink {
  const { exchange, requestId, form } = reply
  const isChat = form.kind === 'chat'
  const envelope = { ...envelopeOf(reply), object: isChat ? 'chat.completion.chunk' : 'text_completion' }
  // All chunks of text begin and end alike; only the text between is made anew for each.
  const head = `data: ${JSON.stringify(envelope).slice(0, -1)},"choices":[{"index":0,${isChat ? '"delta":{"content":' : '"text":'}`
  const usageNull = form.includesUsage ? ',"usage":null' : ''
  const tail = `${isChat ? '}' : ''},"logprobs":null,"finish_reason":null}]${usageNull}}\n\n`
  const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`
  let isStarted = false
  let node = ''

  function start(): void {
    if (isStarted) return
    isStarted = true
    exchange.start(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-request-id': requestId,
      'x-shoal-node': node,
    })
    exchange.onDrain(() => brake.resume())
    if (!isChat) return
    const delta = { role: 'assistant', content: '' }
    const usage = form.includesUsage ? { usage: null } : {}
    exchange.write(
      event({ ...envelope, choices: [{ index: 0, delta, logprobs: null, finish_reason: null }], ...usage }),
    )
  }

  return {
    onNode(nodeId) {
      node = nodeId
    },
    onText(text) {
      start()
      if (!exchange.write(head + JSON.stringify(text) + tail)) brake.pause()
    },
    onEmbedding() {},
    onFinish(result) {
      start()
      const empty = isChat ? { delta: {} } : { text: '' }
      const choice = { index: 0, ...empty, logprobs: null, finish_reason: result.finishReason }
      const last = { ...envelope, choices: [choice], ...extensionOf(result) }
      exchange.write(event(form.includesUsage ? { ...last, usage: null } : last))
      if (form.includesUsage) {
        exchange.write(event({ ...envelope, choices: [], usage: usageOf(result), ...extensionOf(result) }))
      }
      exchange.write('data: [DONE]\n\n')
      exchange.end()
    },
    onProblem: (problem) =>
      isStarted ? breakOff(exchange, problem) : respondProblem(exchange, requestId, problem),
    onCut: () => exchange.abort(),
  }
}

/** Too late for a status: a structured error event and no `[DONE]`, so that a cut answer never looks finished. */
function breakOff(exchange: Exchange, problem: Problem): void {
  exchange.write(`data: ${JSON.stringify(toOpenAiError(problem))}\n\n`)
  exchange.end()
}
