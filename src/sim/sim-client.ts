/** A caller of the OpenAI API, as HTTP sees one: sends, reads, sometimes leaves early or reads slowly, checks every byte. */
import type { Exchange } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import type { Random } from '#kernel/random.ts'
import type { Problem } from '#protocol/problem.ts'
import type { Scheduler } from './scheduler.ts'
import { type ExpectedAnswer, expectedAnswer, promptTokensOf } from './sim-engine.ts'
import type { SimProcess } from './sim-process.ts'

export interface ClientResult {
  readonly requestId: string | null
  readonly kind: 'completed' | 'refused' | 'broken' | 'left' | 'cut'
  readonly status: number
  readonly completionTokens: number
  readonly promptTokens: number
  /** Until the first text of a streamed answer came; null when none did. */
  readonly firstTokenMs: number | null
  /** The longest wait for more text, once it had begun. */
  readonly pauseMsMax: number
  /** Until it was over. */
  readonly totalMs: number
}

export interface ClientCall {
  readonly apiKey: string
  readonly model: string
  readonly prompt: string
  readonly maxTokens: number
  readonly isStream: boolean
  /** Leaves this long after it sent; null: stays. */
  readonly leaveAfterMs: number | null
  /** Reads slowly: every write fills the buffer, which drains this much later. */
  readonly drainMs: number | null
  /** As in the API: which nodes will do. */
  readonly provider?: Readonly<Record<string, unknown>>
  /** Nodes may lie: runs, once, when the answer is not the right one. Without it that is a bug. */
  readonly onFalse?: () => void
}

/** One request and all that came of it. `done` runs exactly once. */
export function sendCall(
  parts: {
    scheduler: Scheduler
    random: Random
    server: SimProcess
    deliver: (exchange: Exchange) => boolean
  },
  call: ClientCall,
  done: (result: ClientResult) => void,
): void {
  const { scheduler, server } = parts
  const body = new TextEncoder().encode(
    JSON.stringify({
      model: call.model,
      messages: [{ role: 'user', content: call.prompt }],
      max_tokens: call.maxTokens,
      stream: call.isStream,
      ...(call.provider && { provider: call.provider }),
      ...(call.isStream ? { stream_options: { include_usage: true } } : {}),
    }),
  )
  const reader = new AnswerReader(call, () => scheduler.nowMs())
  let isOver = false
  let forgetServer = (): void => {}
  let closeListener: ((finished: boolean) => void) | null = null
  let drainListener: (() => void) | null = null

  const finish = (kind: ClientResult['kind']): void => {
    if (isOver) return
    isOver = true
    forgetServer()
    done(reader.result(kind))
  }
  const close = (finished: boolean): void => {
    const run = closeListener
    closeListener = null
    if (run) server.enter(() => run(finished))
  }

  const exchange: Exchange = {
    method: 'POST',
    target: '/v1/chat/completions',
    headers: { authorization: `Bearer ${call.apiKey}`, 'content-type': 'application/json' },
    readBody: (_bytesMax: number, read: (problem: Problem | null, bytes: Uint8Array) => void) => {
      server.after(1, () => {
        if (!isOver) read(null, body)
      })
    },
    respond(status, headers, text) {
      if (isOver) return
      reader.start(status, headers)
      reader.readWhole(typeof text === 'string' ? text : new TextDecoder().decode(text))
      finish(status === 200 ? 'completed' : 'refused')
      close(true)
    },
    start(status, headers) {
      reader.start(status, headers)
    },
    write(chunk) {
      if (isOver) return false
      reader.readChunk(typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk))
      if (call.drainMs === null) return true
      server.after(call.drainMs, () => drainListener?.())
      return false
    },
    end() {
      if (isOver) return
      finish(reader.isDone ? 'completed' : 'broken')
      close(true)
    },
    abort() {
      finish('cut')
      close(false)
    },
    onDrain(run) {
      drainListener = run
    },
    onClose(run) {
      closeListener = run
    },
  }

  forgetServer = server.onDeath(() => finish('cut'))
  if (call.leaveAfterMs !== null) {
    scheduler.after(call.leaveAfterMs, () => {
      if (isOver) return
      finish('left')
      close(false)
    })
  }
  if (!parts.deliver(exchange)) finish('cut')
}

/** Checks the answer as it comes against the one right answer. */
class AnswerReader {
  readonly #call: ClientCall
  readonly #answer: ExpectedAnswer
  readonly #expected: string
  #status = 0
  #requestId: string | null = null
  #text = ''
  #promptTokens = 0
  #completionTokens = 0
  readonly #nowMs: () => number
  readonly #sentMs: number
  #firstMs: number | null = null
  #movedMs = 0
  #pauseMsMax = 0
  #isFalse = false
  isDone = false

  constructor(call: ClientCall, nowMs: () => number) {
    this.#call = call
    this.#nowMs = nowMs
    this.#sentMs = nowMs()
    this.#answer = expectedAnswer(call.prompt, call.maxTokens)
    this.#expected = this.#answer.texts.join('')
  }

  start(status: number, headers: Readonly<Record<string, string>>): void {
    assert(this.#status === 0, 'an answer begins once')
    this.#status = status
    this.#requestId = headers['x-request-id'] ?? null
  }

  readWhole(text: string): void {
    const reply = JSON.parse(text) as {
      choices?: { message: { content: string } }[]
      usage?: { prompt_tokens: number; completion_tokens: number }
    }
    if (this.#status !== 200) return
    this.#text = reply.choices?.[0]?.message.content ?? ''
    this.#readUsage(reply.usage)
    this.#checkWhole()
  }

  readChunk(text: string): void {
    for (const line of text.split('\n\n')) {
      if (line === '') continue
      assert(!this.isDone, 'nothing follows [DONE]')
      const data = line.slice('data: '.length)
      if (data === '[DONE]') {
        this.isDone = true
        this.#checkWhole()
        continue
      }
      const chunk = JSON.parse(data) as {
        choices?: { delta?: { content?: string } }[]
        usage?: { prompt_tokens: number; completion_tokens: number } | null
      }
      const text = chunk.choices?.[0]?.delta?.content ?? ''
      const isNext = this.#expected.startsWith(text, this.#text.length)
      this.#text += text
      if (text !== '') this.#move()
      this.#hold(isNext, `no token is lost, repeated or foreign: "${this.#text}"`)
      if (chunk.usage) this.#readUsage(chunk.usage)
    }
  }

  #move(): void {
    const nowMs = this.#nowMs()
    if (this.#firstMs === null) this.#firstMs = nowMs
    else this.#pauseMsMax = Math.max(this.#pauseMsMax, nowMs - this.#movedMs)
    this.#movedMs = nowMs
  }

  #readUsage(usage: { prompt_tokens: number; completion_tokens: number } | undefined): void {
    this.#promptTokens = usage?.prompt_tokens ?? 0
    this.#completionTokens = usage?.completion_tokens ?? 0
  }

  #checkWhole(): void {
    this.#hold(
      this.#text === this.#expected,
      `a finished answer is whole: "${this.#text}" of "${this.#expected}"`,
    )
    this.#hold(
      this.#completionTokens === this.#answer.tokenIds.length,
      'usage counts every token of the answer',
    )
    this.#hold(
      this.#promptTokens === promptTokensOf(this.#call.prompt),
      'usage counts the prompt as the engine did',
    )
  }

  #hold(isRight: boolean, message: string): void {
    if (isRight || this.#isFalse) return
    assert(this.#call.onFalse, message)
    this.#isFalse = true
    this.#call.onFalse()
  }

  result(kind: ClientResult['kind']): ClientResult {
    return {
      requestId: this.#requestId,
      kind,
      status: this.#status,
      promptTokens: this.#promptTokens,
      completionTokens: this.#completionTokens,
      firstTokenMs: this.#firstMs === null ? null : this.#firstMs - this.#sentMs,
      pauseMsMax: this.#pauseMsMax,
      totalMs: this.#nowMs() - this.#sentMs,
    }
  }
}
