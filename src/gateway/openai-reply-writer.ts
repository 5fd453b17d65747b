/** Writes a request's answer in OpenAI's shapes, as one JSON document; streams are in `openai-stream-writer.ts`. */
import type { DeltaDetail, TokenLogprob } from '#protocol/delta-detail.ts'
import { respondProblem } from './openai-problem.ts'
import {
  type Brake,
  chatLogprobs,
  completionLogprobs,
  envelopeOf,
  extensionOf,
  finishReasonOf,
  type Reply,
  type ReplyForm,
  toolCallId,
  usageOf,
} from './openai-shapes.ts'
import { writeStream } from './openai-stream-writer.ts'
import type { ReplyTotal, ReplyWriter } from './reply-choices.ts'

export const writeReply = (reply: Reply, brake: Brake): ReplyWriter =>
  reply.form.isStream ? writeStream(reply, brake) : writeWhole(reply)

function writeWhole(reply: Reply): ReplyWriter {
  const { exchange, requestId, form } = reply
  const choices = Array.from({ length: form.choices ?? 1 }, () => new CollectedChoice())
  let vectors: readonly (readonly number[])[] = []
  return {
    node() {},
    piece: (choice, text, detail) => choices[choice]?.add(text, detail),
    embedding(found) {
      vectors = found
    },
    choiceEnd(choice, finishReason, total) {
      const ended = choices[choice]
      if (ended) ended.finishReason = finishReason
      if (!total) return
      const headers = {
        'content-type': 'application/json',
        'x-request-id': requestId,
        'x-shoal-node': total.nodeId,
        ...reply.headers?.(),
      }
      const body =
        form.kind === 'embedding' ? embeddingReply(form, vectors, total) : textReply(reply, choices, total)
      exchange.respond(200, headers, JSON.stringify(body))
    },
    problem: (problem) => respondProblem(exchange, requestId, problem, reply.headers?.()),
    cut: () => exchange.abort(),
  }
}

/** One choice of an answer, as its pieces come in. */
export class CollectedChoice {
  text = ''
  reasoning = ''
  finishReason: 'stop' | 'length' = 'stop'
  readonly logprobs: TokenLogprob[] = []
  readonly calls: { name: string; arguments: string }[] = []
  hasLogprobs = false

  add(text: string, detail?: DeltaDetail): void {
    this.text += text
    if (!detail) return
    this.reasoning += detail.reasoning ?? ''
    if (detail.logprobs) {
      this.hasLogprobs = true
      this.logprobs.push(...detail.logprobs)
    }
    for (const { index, name = '', arguments: more = '' } of detail.toolCalls ?? []) {
      const call = this.calls[index]
      if (call) call.arguments += more
      else this.calls[index] = { name, arguments: more }
    }
  }
}

function textReply(reply: Reply, choices: readonly CollectedChoice[], total: ReplyTotal) {
  const isChat = reply.form.kind === 'chat'
  return {
    ...envelopeOf(reply),
    object: isChat ? 'chat.completion' : 'text_completion',
    choices: choices.map((choice, index) =>
      isChat ? chatChoice(reply.requestId, choice, index) : completionChoice(choice, index),
    ),
    usage: usageOf(total),
    ...extensionOf(total),
  }
}

function chatChoice(requestId: string, choice: CollectedChoice, index: number) {
  const { text, reasoning, calls, logprobs, hasLogprobs, finishReason } = choice
  const toolCalls = calls.map((call, at) => ({
    id: toolCallId(requestId, index, at),
    type: 'function',
    function: call,
  }))
  const content = calls.length > 0 && text.trim() === '' ? null : text
  return {
    index,
    message: {
      role: 'assistant',
      content,
      refusal: null,
      ...(reasoning !== '' && { reasoning_content: reasoning }),
      ...(calls.length > 0 && { tool_calls: toolCalls }),
    },
    logprobs: hasLogprobs ? chatLogprobs(logprobs) : null,
    finish_reason: finishReasonOf(finishReason, calls.length),
  }
}

const completionChoice = ({ text, logprobs, hasLogprobs, finishReason }: CollectedChoice, index: number) => ({
  index,
  text,
  logprobs: hasLogprobs ? completionLogprobs(logprobs, 0) : null,
  finish_reason: finishReason,
})

function embeddingReply(form: ReplyForm, vectors: readonly (readonly number[])[], total: ReplyTotal) {
  const data = vectors.map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: form.isBase64 ? Buffer.from(new Float32Array(vector).buffer).toString('base64') : vector,
  }))
  const usage = { prompt_tokens: total.promptTokens, total_tokens: total.promptTokens }
  return { object: 'list', data, model: form.model, usage, ...extensionOf(total) }
}
