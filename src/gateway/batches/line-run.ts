/** One line of a batch: its requests, and the line of output that comes of them. */
import type { Batch } from '#batch/batch.ts'
import type { Tokens } from '#batch/batch-events.ts'
import { type BatchLine, isTooDeep } from '#batch/batch-input.ts'
import type { Clock, Secrets } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { formatId, ID_BYTES } from '#kernel/id.ts'
import type { NanoUsd } from '#kernel/money.ts'
import { Problem, toOpenAiError } from '#protocol/problem.ts'
import type { Caller, Gateway } from '../gateway.ts'
import { type Asked, type CallKind, readCall } from '../openai-call.ts'
import { writeReply } from '../openai-reply-writer.ts'
import type { Reply } from '../openai-shapes.ts'
import { joinRuns } from '../reply-choices.ts'
import type { RequestRun } from '../request-run.ts'
import { writeResponse } from '../responses-writer.ts'
import type { RunResult, RunSink } from '../run-request.ts'
import { CaughtReply } from './caught-reply.ts'
import { AnswerCollector, formatKept, type KeptAnswer, tellAgain } from './kept-answer.ts'

export interface LineParts {
  readonly gateway: Pick<Gateway, 'admit' | 'contextTokens'>
  readonly clock: Pick<Clock, 'nowMs'>
  readonly secrets: Pick<Secrets, 'randomBytes'>
}

/** What became of a line. */
export interface LineOutcome {
  readonly line: number
  readonly isFailed: boolean
  /** One line of a file of results, without its end. */
  readonly text: string
  readonly tokens: Tokens
  readonly cost: NanoUsd
  /** Whose kept answers are of no use once the line is durable. */
  readonly requestIds: readonly string[]
}

export interface LineOrder {
  readonly batch: Batch
  readonly batchLine: BatchLine
  readonly caller: Caller
  /** Choices that were answered and paid for before, and the ids of their readings. */
  readonly kept: ReadonlyMap<number, { readonly meteredId: string; readonly answer: KeptAnswer }>
}

export interface LineRun {
  /** Gives up what has not ended. It is told all the same: an answer that is being paid for is one. */
  giveUp(problem: Problem): void
}

export interface LineTold {
  onDone(outcome: LineOutcome): void
  /** Nothing came of it for now. `kept` are choices that were answered meanwhile. */
  onProblem(problem: Problem, kept: LineOrder['kept']): void
}

const kinds: Readonly<Record<Batch['endpoint'], CallKind>> = {
  '/v1/chat/completions': 'chat',
  '/v1/completions': 'completion',
  '/v1/embeddings': 'embedding',
  '/v1/responses': 'response',
}

const encoder = new TextEncoder()

/** Whether all choices of a line are answered, so that nothing of it has to run. */
export function isAnswered({ batch, batchLine, kept }: LineOrder): boolean {
  const asked = askedOf({ batch, batchLine }, '', () => Number.MAX_SAFE_INTEGER)
  return !(asked instanceof Problem) && asked.asks.length === kept.size
}

function askedOf(
  { batch, batchLine }: Pick<LineOrder, 'batch' | 'batchLine'>,
  requestId: string,
  contextTokensOf: (model: string) => number,
): Asked | Problem {
  if (isTooDeep(batchLine.body)) return tooDeep()
  const body = encoder.encode(JSON.stringify(batchLine.body))
  const asked = readCall({ kind: kinds[batch.endpoint], body, requestId }, contextTokensOf)
  if (!(asked instanceof Problem) && asked.form.isStream) {
    return new Problem(
      'unsupported_parameter',
      "A request of a batch cannot be streamed: leave 'stream' out.",
      {
        details: { param: 'stream', code: 'unsupported_parameter' },
      },
    )
  }
  return asked
}

const tooDeep = (): Problem =>
  new Problem(
    'invalid_request',
    'The body of this line is nested far deeper than any request. Send it as the documentation has it.',
    { details: { param: 'body', code: 'invalid_value' } },
  )

/** Begins a line. Exactly one of `told` is called, once, when nothing of it runs any more; perhaps at once. */
export function runLine(parts: LineParts, order: LineOrder, told: LineTold): LineRun {
  const run = new Running(parts, order, told)
  run.begin()
  return run
}

class Running implements LineRun {
  readonly #parts: LineParts
  readonly #order: LineOrder
  readonly #told: LineTold
  readonly #requestId: string
  readonly #createdAtMs: number
  readonly #answers: Map<number, { meteredId: string; answer: KeptAnswer }>
  readonly #runs: RequestRun[] = []
  /** Runs that have not ended: what they bring is paid for. */
  #open = 0
  #failure: Problem | null = null
  #isOver = false

  constructor(parts: LineParts, order: LineOrder, told: LineTold) {
    this.#parts = parts
    this.#order = order
    this.#told = told
    this.#answers = new Map(order.kept)
    const [before] = order.kept.values()
    this.#requestId = before?.answer.requestId ?? this.#newId()
    this.#createdAtMs = before?.answer.createdAtMs ?? parts.clock.nowMs()
  }

  begin(): void {
    const { gateway } = this.#parts
    const asked = askedOf(
      this.#order,
      this.#requestId,
      (model) => gateway.contextTokens(model) ?? Number.MAX_SAFE_INTEGER,
    )
    const refused = asked instanceof Problem ? asked : modelForbidden(this.#order.caller, asked.form.model)
    if (refused) return this.#refuse(refused)
    assert(!(asked instanceof Problem), 'a problem is refused')
    const exchange = new CaughtReply(this.#order.batch.endpoint, (status, body) =>
      this.#answered(status, body),
    )
    const { requestId, createdAtMs } = { requestId: this.#requestId, createdAtMs: this.#createdAtMs }
    const reply: Reply = { exchange, requestId, form: asked.form, createdAtMs }
    const brake = { pause() {}, resume() {} }
    const writer = asked.response ? writeResponse(reply, asked.response, brake) : writeReply(reply, brake)
    const sinks = joinRuns(asked.asks.length, writer, () => undefined)
    // What was answered before is told first: then its writer has begun.
    for (const [choice, { answer }] of this.#answers) {
      const sink = sinks[choice]
      if (sink) tellAgain(answer, sink)
    }
    for (const [choice, sink] of sinks.entries()) {
      if (!this.#answers.has(choice) && !this.#failure) this.#admit(asked, choice, sink)
    }
    this.#endWhenFailed()
  }

  giveUp(problem: Problem): void {
    if (!this.#isOver) this.#fail(problem)
  }

  #admit(asked: Asked, choice: number, sink: RunSink): void {
    const { gateway } = this.#parts
    const { caller } = this.#order
    const ask = asked.asks[choice]
    assert(ask, 'each choice is asked')
    // Each run is metered under an id of its own.
    const meteredId = choice === 0 && this.#answers.size === 0 ? this.#requestId : this.#newId()
    const collector = new AnswerCollector()
    const keep = (result: RunResult): string => {
      const { batchId } = this.#order.batch
      const { line } = this.#order.batchLine
      const known = { batchId, line, choice, requestId: this.#requestId, createdAtMs: this.#createdAtMs }
      const answer = collector.answer(known, result)
      this.#answers.set(choice, { meteredId, answer })
      return formatKept(answer)
    }
    this.#open++
    const run = gateway.admit(
      {
        requestId: meteredId,
        keyId: caller.keyId,
        organisationId: caller.organisationId,
        engine: { ...ask.engine, requestId: meteredId },
        promptTokensMax: ask.promptTokensMax,
        completionTokensMax: ask.completionTokensMax,
        batch: { keep },
        ...(asked.preferences && { preferences: asked.preferences }),
      },
      {
        onNode: sink.onNode,
        onText(text, detail) {
          collector.onText(text, detail)
          sink.onText(text, detail)
        },
        onEmbedding(vectors) {
          collector.onEmbedding(vectors)
          sink.onEmbedding(vectors)
        },
        onFinish: (result) => {
          this.#open--
          sink.onFinish(result)
          this.#endWhenFailed()
        },
        onProblem: (problem) => {
          this.#open--
          this.#fail(problem)
        },
        onCut: () => assert(false, 'nobody reads slowly here'),
      },
      caller,
    )
    if (run instanceof Problem) {
      this.#open--
      this.#fail(run)
    } else this.#runs.push(run)
  }

  /** One choice failed, and with it the line, for now; those of the others that are being paid for are kept. */
  #fail(problem: Problem): void {
    if (!this.#failure) {
      this.#failure = problem
      for (const run of this.#runs) run.fail(problem)
    }
    this.#endWhenFailed()
  }

  #endWhenFailed(): void {
    const problem = this.#failure
    if (!problem || this.#open > 0 || this.#isOver) return
    this.#isOver = true
    if (mayComeRight(problem)) this.#told.onProblem(problem, this.#answers)
    else this.#deliver(problemReply(this.#requestId, problem))
  }

  #refuse(problem: Problem): void {
    this.#isOver = true
    this.#deliver(problemReply(this.#requestId, problem))
  }

  #answered(status: number, body: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#deliver({ requestId: this.#requestId, status, body })
  }

  #deliver(reply: { requestId: string; status: number; body: string }): void {
    this.#told.onDone(outcomeOf(this.#order.batchLine, this.#answers, reply))
  }

  #newId(): string {
    return formatId('req', this.#parts.secrets.randomBytes(ID_BYTES))
  }
}

/** A line that is over, with what was paid for on the way. */
export function outcomeOf(
  { line, customId }: BatchLine,
  answers: LineOrder['kept'],
  reply: { readonly requestId: string; readonly status: number; readonly body: string },
): LineOutcome {
  const { requestId, status, body } = reply
  const response = `{"status_code":${status},"request_id":${JSON.stringify(requestId)},"body":${body}}`
  const results = [...answers.values()].map(({ answer }) => answer.result)
  return {
    line,
    isFailed: status !== 200,
    text: resultLine(requestId, customId, { response, error: 'null' }),
    tokens: {
      promptTokens: results.reduce((sum, { promptTokens }) => sum + promptTokens, 0),
      completionTokens: results.reduce((sum, { completionTokens }) => sum + completionTokens, 0),
      cachedPromptTokens: results.reduce((sum, { cachedPromptTokens = 0 }) => sum + cachedPromptTokens, 0),
    },
    cost: results.reduce((sum, { cost }) => sum + cost, 0n),
    requestIds: [...answers.values()].map(({ meteredId }) => meteredId),
  }
}

export const problemReply = (requestId: string, problem: Problem) => ({
  requestId,
  status: problem.status,
  body: JSON.stringify(toOpenAiError(problem)),
})

/** `response` and `error` are JSON. */
export const resultLine = (
  requestId: string,
  customId: string,
  { response, error }: { response: string; error: string },
): string =>
  `{"id":"batch_req_${requestId.slice(4)}","custom_id":${JSON.stringify(customId)},"response":${response},"error":${error}}`

/** Whether the same request may succeed later: what it says is right, and what it needs is not there now. */
export const mayComeRight = ({ retriable, code, details }: Problem): boolean =>
  details['isNever'] !== true && (retriable || code === 'funds_insufficient' || code === 'spend_limited')

function modelForbidden({ limited }: Caller, model: string): Problem | null {
  const models = limited?.limits.models
  if (!models || models.includes(model)) return null
  return new Problem('forbidden_model', `The key of this batch may not ask the model '${model}'.`, {
    details: { param: 'model' },
  })
}
