/**
 * Writes an answer as the Responses API does: one response, or its events as they come. An output is a message if there
 * is text, and an item for each call of a function.
 */
import type { DeltaDetail, TokenLogprob } from '#protocol/delta-detail.ts'
import { Problem, toOpenAiError } from '#protocol/problem.ts'
import type { ResponseRequest } from '#protocol/responses-request.ts'
import { respondProblem } from './openai-problem.ts'
import { type Brake, extensionOf, type Reply, toolCallId } from './openai-shapes.ts'
import { streamHeaders } from './openai-stream-writer.ts'
import type { ReplyTotal, ReplyWriter } from './reply-choices.ts'

/** Writes the response to `request`, streamed if it asks for that. */
export const writeResponse = (reply: Reply, request: ResponseRequest, brake: Brake): ReplyWriter =>
  new ResponseWriter(reply, request, brake)

interface MessageItem {
  readonly type: 'message'
  readonly id: string
  text: string
  readonly logprobs: TokenLogprob[]
}
interface CallItem {
  readonly type: 'function_call'
  readonly id: string
  readonly callId: string
  readonly name: string
  arguments: string
}
type Item = MessageItem | CallItem

class ResponseWriter implements ReplyWriter {
  readonly #reply: Reply
  readonly #request: ResponseRequest
  readonly #brake: Brake
  readonly #items: Item[] = []
  /** Items before this one are done. */
  #done = 0
  #sequence = 0
  #isStarted = false
  #isReaderSlow = false
  #node = ''

  constructor(reply: Reply, request: ResponseRequest, brake: Brake) {
    this.#reply = reply
    this.#request = request
    this.#brake = brake
  }

  node(nodeId: string): void {
    this.#node = nodeId
  }

  piece(_choice: number, text: string, { logprobs = [], toolCalls = [] }: DeltaDetail = {}): void {
    this.#start()
    if (text !== '' || logprobs.length > 0) this.#addText(text, logprobs)
    for (const { index, name, arguments: more = '' } of toolCalls) this.#addCall(index, name, more)
    if (this.#isReaderSlow) this.#brake.pause()
    this.#isReaderSlow = false
  }

  embedding(): void {}

  choiceEnd(_choice: number, finishReason: 'stop' | 'length', total: ReplyTotal | null): void {
    if (!total) return
    this.#start()
    // An answer of no token at all is an empty message.
    if (this.#items.length === 0) this.#addText('', [])
    this.#finishItems(this.#items.length, finishReason)
    const status = finishReason === 'length' ? 'incomplete' : 'completed'
    const response = this.#response(status, total)
    const { exchange, requestId, form } = this.#reply
    if (form.isStream) {
      this.#emit(`response.${status}`, { response })
      return exchange.end()
    }
    const headers = {
      'content-type': 'application/json',
      'x-request-id': requestId,
      'x-shoal-node': total.nodeId,
      ...this.#reply.headers?.(),
    }
    exchange.respond(200, headers, JSON.stringify(response))
  }

  problem(found: Problem): void {
    const problem = asResponseProblem(found)
    const { exchange, requestId } = this.#reply
    if (!this.#isStarted || !this.#reply.form.isStream) {
      return respondProblem(exchange, requestId, problem, this.#reply.headers?.())
    }
    const { code, message } = toOpenAiError(problem).error
    this.#emit('response.failed', {
      response: { ...this.#response('failed', null), error: { code, message } },
    })
    exchange.end()
  }

  cut(): void {
    this.#reply.exchange.abort()
  }

  #start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    const { exchange, form } = this.#reply
    if (!form.isStream) return
    exchange.start(200, streamHeaders(this.#reply, this.#node))
    exchange.onDrain(() => this.#brake.resume())
    const response = this.#response('in_progress', null)
    this.#emit('response.created', { response })
    this.#emit('response.in_progress', { response })
  }

  #addText(text: string, logprobs: readonly TokenLogprob[]): void {
    const last = this.#items.at(-1)
    const item =
      last?.type === 'message'
        ? last
        : this.#begin({ type: 'message', id: this.#id('msg'), text: '', logprobs: [] })
    if (item.type !== 'message') return
    item.text += text
    item.logprobs.push(...logprobs)
    this.#emit('response.output_text.delta', {
      ...this.#place(item),
      content_index: 0,
      delta: text,
      logprobs: logprobs.map(toLogprob),
    })
  }

  #addCall(index: number, name: string | undefined, more: string): void {
    const callId = toolCallId(this.#reply.requestId, 0, index)
    const last = this.#items.at(-1)
    const item =
      last?.type === 'function_call' && last.callId === callId
        ? last
        : this.#begin({ type: 'function_call', id: this.#id('fc'), callId, name: name ?? '', arguments: '' })
    if (item.type !== 'function_call' || more === '') return
    item.arguments += more
    this.#emit('response.function_call_arguments.delta', { ...this.#place(item), delta: more })
  }

  #begin(item: Item): Item {
    this.#finishItems(this.#items.length, 'stop')
    this.#items.push(item)
    const output_index = this.#items.length - 1
    this.#emit('response.output_item.added', { output_index, item: toOutput(item, 'in_progress') })
    if (item.type === 'message') {
      this.#emit('response.content_part.added', {
        ...this.#place(item),
        content_index: 0,
        part: toPart(item),
      })
    }
    return item
  }

  /** Tells of items up to `count` that they are complete, or of the last one that it was cut short. */
  #finishItems(count: number, finishReason: 'stop' | 'length'): void {
    for (; this.#done < count; this.#done++) {
      const item = this.#items[this.#done]
      if (!item) continue
      const place = this.#place(item)
      if (item.type === 'message') {
        const { text, logprobs } = item
        this.#emit('response.output_text.done', {
          ...place,
          content_index: 0,
          text,
          logprobs: logprobs.map(toLogprob),
        })
        this.#emit('response.content_part.done', { ...place, content_index: 0, part: toPart(item) })
      } else {
        const { name, arguments: text } = item
        this.#emit('response.function_call_arguments.done', { ...place, name, arguments: text })
      }
      const status = finishReason === 'length' ? 'incomplete' : 'completed'
      this.#emit('response.output_item.done', {
        output_index: place.output_index,
        item: toOutput(item, status),
      })
    }
  }

  #place(item: Item) {
    return { item_id: item.id, output_index: this.#items.indexOf(item) }
  }

  #id(prefix: string): string {
    return `${prefix}_${this.#reply.requestId.slice(4)}${this.#items.length}`
  }

  #emit(type: string, members: object): void {
    const { exchange, form } = this.#reply
    if (!form.isStream) return
    const event = { type, sequence_number: this.#sequence++, ...members }
    if (!exchange.write(`event: ${type}\ndata: ${JSON.stringify(event)}\n\n`)) this.#isReaderSlow = true
  }

  #response(status: 'in_progress' | 'completed' | 'incomplete' | 'failed', total: ReplyTotal | null) {
    const { requestId, createdAtMs, form } = this.#reply
    const request = this.#request
    const isCut = status === 'incomplete'
    return {
      id: `resp_${requestId.slice(4)}`,
      object: 'response',
      created_at: Math.floor(createdAtMs / 1_000),
      status,
      background: false,
      error: null,
      incomplete_details: isCut ? { reason: 'max_output_tokens' } : null,
      instructions: request.instructions ?? null,
      max_output_tokens: request.max_output_tokens ?? null,
      model: form.model,
      output: this.#items.map((item, index) =>
        toOutput(item, isCut && index === this.#items.length - 1 ? 'incomplete' : 'completed'),
      ),
      parallel_tool_calls: request.parallel_tool_calls ?? true,
      previous_response_id: null,
      reasoning: { effort: null, summary: null },
      store: false,
      temperature: request.temperature ?? 1,
      text: { format: request.text?.format ?? { type: 'text' } },
      tool_choice: request.tool_choice ?? 'auto',
      tools: request.tools ?? [],
      top_logprobs: request.top_logprobs ?? 0,
      top_p: request.top_p ?? 1,
      truncation: 'disabled',
      usage: total && usageOf(total),
      user: request.user ?? null,
      metadata: request.metadata ?? {},
      ...(total && extensionOf(total)),
    }
  }
}

const toLogprob = ({ token, bytes, logprob, top }: TokenLogprob) => ({
  token,
  bytes: bytes ?? [],
  logprob,
  top_logprobs: top.map((one) => ({ ...one, bytes: one.bytes ?? [] })),
})

const toPart = ({ text, logprobs }: MessageItem) => ({
  type: 'output_text',
  text,
  annotations: [],
  logprobs: logprobs.map(toLogprob),
})

function toOutput(item: Item, status: 'in_progress' | 'completed' | 'incomplete') {
  const { id, type } = item
  if (type === 'function_call') {
    const { callId, name, arguments: text } = item
    return { id, type, status, call_id: callId, name, arguments: text }
  }
  return { id, type, status, role: 'assistant', content: status === 'in_progress' ? [] : [toPart(item)] }
}

const usageOf = ({ promptTokens, completionTokens, cachedPromptTokens = 0 }: ReplyTotal) => ({
  input_tokens: promptTokens,
  input_tokens_details: { cached_tokens: cachedPromptTokens },
  output_tokens: completionTokens,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: promptTokens + completionTokens,
})

/** What is called otherwise in this API, by its name here. */
function asResponseProblem(problem: Problem): Problem {
  const param = problem.details['param']
  if (typeof param !== 'string') return problem
  const name = param
    .replace(/^response_format(\.json_schema)?/, 'text.format')
    .replace(/^(tools\[\d+\])\.function/, '$1')
    .replace(/^messages$/, 'input')
    .replace(/^logprobs$/, 'include')
  if (name === param) return problem
  const message = problem.message.replaceAll(`'${param}'`, `'${name}'`)
  return new Problem(problem.code, message, { details: { ...problem.details, param: name }, cause: problem })
}
