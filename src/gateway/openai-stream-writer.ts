/** Writes a request's answer as OpenAI's server-sent events, while it comes. */
import type { DeltaDetail } from '#protocol/delta-detail.ts'
import { toOpenAiError } from '#protocol/problem.ts'
import { respondProblem } from './openai-problem.ts'
import {
  type Brake,
  chatLogprobs,
  completionLogprobs,
  envelopeOf,
  extensionOf,
  finishReasonOf,
  type Reply,
  type ToolCallDeltas,
  toolCallId,
  usageOf,
} from './openai-shapes.ts'
import type { ReplyTotal, ReplyWriter } from './reply-choices.ts'

/** `data:` and `value` as JSON. */
const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`

/** Server-sent events begin like this, whatever is in them. */
export const streamHeaders = (reply: Reply, node: string): Record<string, string> => ({
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  // A proxy in front passes each event on as it comes.
  'x-accel-buffering': 'no',
  'x-request-id': reply.requestId,
  'x-shoal-node': node,
  ...reply.headers?.(),
})

export function writeStream(reply: Reply, brake: Brake): ReplyWriter {
  const { exchange, requestId, form } = reply
  const isChat = form.kind === 'chat'
  const count = form.choices ?? 1
  const chunks = new ChunkWriter(reply)
  let isStarted = false
  let node = ''

  function start(): void {
    if (isStarted) return
    isStarted = true
    exchange.start(200, streamHeaders(reply, node))
    exchange.onDrain(() => brake.resume())
    if (isChat) for (let choice = 0; choice < count; choice++) exchange.write(chunks.role(choice))
  }

  return {
    node(nodeId) {
      node = nodeId
    },
    piece(choice, text, detail) {
      start()
      const chunk = detail ? chunks.detailed(choice, text, detail) : chunks.text(choice, text)
      if (!exchange.write(chunk)) brake.pause()
    },
    embedding() {},
    choiceEnd(choice, finishReason, total) {
      start()
      exchange.write(chunks.end(choice, finishReason, total))
      if (!total) return
      if (form.includesUsage) exchange.write(chunks.usage(total))
      exchange.write('data: [DONE]\n\n')
      exchange.end()
    },
    problem(problem) {
      if (!isStarted) return respondProblem(exchange, requestId, problem, reply.headers?.())
      // Too late for a status: an error event and no `[DONE]`, so that a cut answer never looks finished.
      exchange.write(event(toOpenAiError(problem)))
      exchange.end()
    },
    cut: () => exchange.abort(),
  }
}

class ChunkWriter {
  readonly #reply: Reply
  readonly #isChat: boolean
  readonly #envelope: Readonly<Record<string, unknown>>
  readonly #heads: string[] = []
  readonly #tail: string
  readonly #calls: number[] = []
  /** Characters of each choice's text so far, for the offsets of a completion's tokens. */
  readonly #lengths: number[] = []
  readonly #usageNull: { usage?: null }

  constructor(reply: Reply) {
    const { form } = reply
    this.#reply = reply
    this.#isChat = form.kind === 'chat'
    const object = this.#isChat ? 'chat.completion.chunk' : 'text_completion'
    this.#envelope = { ...envelopeOf(reply), object }
    this.#usageNull = form.includesUsage ? { usage: null } : {}
    const usage = form.includesUsage ? ',"usage":null' : ''
    this.#tail = `${this.#isChat ? '}' : ''},"logprobs":null,"finish_reason":null}]${usage}}\n\n`
  }

  role(choice: number): string {
    return this.#chunk(choice, { delta: { role: 'assistant', content: '' } })
  }

  /** All chunks of text begin and end alike; only the text between is made anew for each. */
  text(choice: number, text: string): string {
    this.#heads[choice] ??=
      `${event(this.#envelope).slice(0, -3)},"choices":[{"index":${choice},${this.#isChat ? '"delta":{"content":' : '"text":'}`
    return this.#heads[choice] + JSON.stringify(text) + this.#tail
  }

  detailed(choice: number, text: string, { logprobs, toolCalls, reasoning }: DeltaDetail): string {
    if (!this.#isChat) {
      const offset = this.#lengths[choice] ?? 0
      this.#lengths[choice] = offset + text.length
      return this.#chunk(choice, { text, logprobs: logprobs ? completionLogprobs(logprobs, offset) : null })
    }
    const delta = {
      ...(reasoning !== undefined && { reasoning_content: reasoning }),
      ...((text !== '' || (!toolCalls && reasoning === undefined)) && { content: text }),
      ...(toolCalls && { tool_calls: this.#callDeltas(choice, toolCalls) }),
    }
    return this.#chunk(choice, { delta, logprobs: logprobs ? chatLogprobs(logprobs) : null })
  }

  #callDeltas(choice: number, deltas: ToolCallDeltas) {
    return deltas.map(({ index, name, arguments: more = '' }) => {
      const isFirst = index >= (this.#calls[choice] ?? 0)
      if (!isFirst) return { index, function: { arguments: more } }
      this.#calls[choice] = index + 1
      const id = toolCallId(this.#reply.requestId, choice, index)
      return { index, id, type: 'function', function: { name: name ?? '', arguments: more } }
    })
  }

  end(choice: number, reason: 'stop' | 'length', total: ReplyTotal | null): string {
    const finish_reason = finishReasonOf(reason, this.#calls[choice] ?? 0)
    const empty = this.#isChat ? { delta: {} } : { text: '' }
    return this.#chunk(choice, { ...empty, finish_reason }, total ? extensionOf(total) : {})
  }

  usage(total: ReplyTotal): string {
    return event({ ...this.#envelope, choices: [], usage: usageOf(total), ...extensionOf(total) })
  }

  #chunk(index: number, members: object, more: object = {}): string {
    const choice = { index, logprobs: null, finish_reason: null, ...members }
    return event({ ...this.#envelope, choices: [choice], ...more, ...this.#usageNull })
  }
}
