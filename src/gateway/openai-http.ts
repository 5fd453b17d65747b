/** The OpenAI-compatible surface: reads the call, admits it, writes the answer in OpenAI's shapes. */
import type { Clock, Exchange, Log, Secrets } from '#host/host.ts'
import { formatId, ID_BYTES } from '#kernel/id.ts'
import { allows } from '#organisations/organisations.ts'
import { isInRanges } from '#protocol/network-range.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import { formatTraceparent, parseTraceparent } from '#protocol/trace-context.ts'
import type { BatchApi } from './batches/batch-api.ts'
import type { CallWatch } from './call-watch.ts'
import { answerPreflight, isPreflight, shareWith } from './cross-origin.ts'
import { effortHeaders } from './effort-headers.ts'
import type { Caller, Gateway } from './gateway.ts'
import type { IdempotentReplies } from './idempotent-replies.ts'
import { addLive } from './live-models.ts'
import { listedModels } from './model-list.ts'
import { type Asked, type CallKind, readCall } from './openai-call.ts'
import { respondProblem } from './openai-problem.ts'
import { writeReply } from './openai-reply-writer.ts'
import type { Reply } from './openai-shapes.ts'
import { joinRuns, type ReplyWriter } from './reply-choices.ts'
import type { RequestRun } from './request-run.ts'
import { writeResponse } from './responses-writer.ts'
import { SlowReader } from './slow-reader.ts'
import { countAtKeeper, type PeerCalls, sendToKeeper, whereItBegins } from './worker-calls.ts'

export interface OpenAiHttpParts {
  readonly gateway: Gateway
  readonly clock: Clock
  readonly log: Log
  readonly secrets: Secrets
  /**
   * Whether a call may come from where its headers say: null, why not, or the origin of a page elsewhere that may read
   * the answer. Left out where no browser comes.
   */
  judgeCall?(headers: Exchange['headers']): Problem | string | null
  /** Files and batches, where they are kept; null until they are open. */
  batches?(): BatchApi | null
  /** Without it an `Idempotency-Key` is refused rather than passed over. */
  readonly replies?: IdempotentReplies
  readonly watch?: CallWatch | undefined
  /** The other workers of this machine; null where there are none. */
  peers?(): PeerCalls | null
}

const BODY_BYTES_MAX = 4 * 1024 * 1024

/** Serves one exchange whose path begins with `/v1/`. */
export function serveOpenAi(parts: OpenAiHttpParts, asked: Exchange): void {
  const judged = parts.judgeCall?.(asked.headers) ?? null
  if (typeof judged === 'string' && isPreflight(asked)) return answerPreflight(asked, judged)
  const shared = typeof judged === 'string' ? shareWith(asked, judged) : asked
  const startedMs = parts.clock.elapsedMs()
  const requestId = formatId('req', parts.secrets.randomBytes(ID_BYTES))
  const exchange = parts.watch?.onCall(requestId, shared) ?? shared
  const path = exchange.target.split('?', 1)[0] ?? ''
  const timing = (): Record<string, string> => ({
    'openai-processing-ms': String(Math.round(parts.clock.elapsedMs() - startedMs)),
  })
  const refuse = (problem: Problem): void => respondProblem(exchange, requestId, problem, timing())

  if (judged instanceof Problem) return refuse(judged)
  const caller = parts.gateway.authenticate(bearerOf(exchange))
  if (caller instanceof Problem) return refuse(caller)
  parts.watch?.onCaller(requestId, caller)
  const { networks } = caller.limited?.limits ?? {}
  if (networks && !isInRanges(exchange.clientAddress ?? '', networks)) return refuse(sourceForbidden())
  const kind = Object.hasOwn(generatingPaths, path) ? generatingPaths[path] : undefined
  if (kind) {
    if (exchange.method !== 'POST') return refuse(wrongMethod(exchange, path, 'POST'))
    if (!allows(caller.scopes, 'developer')) return refuse(scopeMissing('developer'))
    return exchange.readBody(BODY_BYTES_MAX, (problem, body) => {
      if (problem) return refuse(problem)
      try {
        generate(parts, { exchange, requestId, caller, kind, body, path, timing })
      } catch (error) {
        refuse(toProblem(error))
      }
    })
  }
  if (path === '/v1/models' || path.startsWith('/v1/models/')) {
    if (exchange.method !== 'GET') return refuse(wrongMethod(exchange, path, 'GET'))
    if (!allows(caller.scopes, 'viewer')) return refuse(scopeMissing('viewer'))
    return listModels(parts, { exchange, requestId, path, caller, timing })
  }
  if (parts.batches?.()?.serve({ exchange, requestId, caller, path, timing })) return
  refuse(new Problem('not_found', `There is no ${exchange.method} ${path}. See /docs for what there is.`))
}

const generatingPaths: Readonly<Record<string, CallKind>> = {
  '/v1/chat/completions': 'chat',
  '/v1/completions': 'completion',
  '/v1/embeddings': 'embedding',
  '/v1/responses': 'response',
}

interface Call {
  readonly exchange: Exchange
  readonly requestId: string
  readonly caller: Caller
  readonly kind: CallKind
  readonly body: Uint8Array
  readonly path: string
  readonly timing: () => Record<string, string>
}

function generate(parts: OpenAiHttpParts, call: Call): void {
  const { requestId, caller, timing } = call
  const { gateway } = parts
  const asked = readCall(call, (model) => contextOf(gateway, model))
  if (asked instanceof Problem) return respondProblem(call.exchange, requestId, asked, timing())
  const { model } = asked.form
  const { models } = caller.limited?.limits ?? {}
  if (models && !models.includes(model)) {
    return respondProblem(call.exchange, requestId, modelForbidden(model, models), timing())
  }
  const { isStream } = asked.form
  if (sendToKeeper(parts, call, isStream)) return
  const claimed = claim(parts, call, asked.form.isStream)
  if (claimed instanceof Problem) return respondProblem(call.exchange, requestId, claimed, timing())
  if (!claimed) return // Answered as before.
  const begun = countAtKeeper(parts, { ...call, exchange: claimed }, asked.asks.length)
  if (begun.caller.overLimit) return begin(parts, begun, asked)
  whereItBegins(parts, begun, asked.form, () => begin(parts, begun, asked))
}

function begin(parts: OpenAiHttpParts, call: Call, asked: Asked): void {
  const { exchange, requestId, caller, timing } = call
  const { gateway, clock } = parts
  const runs: RequestRun[] = []
  const headers = () => ({ ...gateway.limitHeaders(caller), ...timing(), ...effortHeaders(runs) })
  const reader = new SlowReader({
    pause() {
      for (const run of runs) {
        run.pause()
        gateway.heldUp(run.request.requestId)
      }
    },
    resume: () => runs.forEach((run) => void run.resume()),
  })
  const { brake } = reader
  const reply: Reply = { exchange, requestId, form: asked.form, createdAtMs: clock.nowMs(), headers }
  const writer = reader.hold(
    asked.response ? writeResponse(reply, asked.response, brake) : writeReply(reply, brake),
  )
  // Before anything is admitted: a client that left already must not leave a run behind.
  let hasLeft = false
  exchange.onClose((finished) => {
    hasLeft = !finished
    if (hasLeft) for (const run of runs) run.cancel()
  })
  const trace = parseTraceparent(call.exchange.headers['traceparent'])
  const traceparent = trace ? formatTraceparent(trace) : undefined
  admitAll(parts, { caller, requestId, asked, writer, runs, traceparent })
  if (hasLeft) for (const run of runs) run.cancel()
}

/** The exchange to answer on, a problem with the key, or `null` when the answer of before was given again. */
function claim({ replies }: OpenAiHttpParts, call: Call, isStream: boolean): Exchange | Problem | null {
  const key = call.exchange.headers['idempotency-key']
  if (key === undefined) return call.exchange
  if (!replies)
    return new Problem('not_supported', 'This gateway keeps no replies: leave Idempotency-Key out.')
  const { exchange, body, path, caller } = call
  return replies.claim({ exchange, body, scope: `${caller.keyId} ${path}`, key, isStream })
}

function admitAll(
  { gateway, secrets, watch }: OpenAiHttpParts,
  call: {
    caller: Caller
    requestId: string
    asked: Asked
    writer: ReplyWriter
    runs: RequestRun[]
    traceparent: string | undefined
  },
): void {
  const { caller, asked, writer, runs, traceparent } = call
  const { asks, preferences, priority } = asked
  const { keyId, organisationId } = caller
  const sinks = joinRuns(asks.length, writer, (problem) => {
    for (const run of runs) run.fail(problem)
  })
  for (const [index, { engine, promptTokensMax, completionTokensMax }] of asks.entries()) {
    const sink = sinks[index]
    if (!sink) continue
    // Each run is metered under an id of its own.
    const requestId = index === 0 ? call.requestId : formatId('req', secrets.randomBytes(ID_BYTES))
    const request = { ...engine, requestId, ...(traceparent && { traceparent }) }
    watch?.onRequest(call.requestId, request)
    const admitted = gateway.admit(
      {
        requestId,
        keyId,
        organisationId,
        engine: request,
        promptTokensMax,
        completionTokensMax,
        ...(preferences && { preferences }),
        ...(priority && { priority }),
      },
      sink,
      caller,
    )
    if (admitted instanceof Problem) {
      // Tells the caller, and ends the runs that were let in before.
      sink.onProblem(admitted)
      return
    }
    runs.push(admitted)
  }
}

/** The longest context that a live node has for `model`; unlimited while none is here, for the engine decides. */
const contextOf = (gateway: Gateway, model: string): number =>
  gateway.contextTokens(model) ?? Number.MAX_SAFE_INTEGER

function listModels(
  { gateway, clock, peers }: OpenAiHttpParts,
  { exchange, requestId, path, caller, timing }: Omit<Call, 'kind' | 'body'>,
): void {
  const allowed = caller.limited?.limits.models
  const live = gateway.models()
  for (const model of peers?.()?.peers.models() ?? []) addLive(live, model)
  const models = listedModels(live.values(), {
    allowed,
    catalogue: gateway.directory.catalogue(),
    nowMs: clock.nowMs(),
  })
  const respond = (value: unknown): void =>
    exchange.respond(
      200,
      { 'content-type': 'application/json', 'x-request-id': requestId, ...timing() },
      JSON.stringify(value),
    )
  if (path === '/v1/models') return respond({ object: 'list', data: models })
  const id = safeDecode(path.slice('/v1/models/'.length))
  const model = models.find((candidate) => candidate.id === id)
  if (model) return respond(model)
  const missing = new Problem('model_not_found', `The model '${id}' does not exist here.`, {
    details: { param: 'model' },
  })
  respondProblem(exchange, requestId, missing, timing())
}

function safeDecode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // Not valid percent-encoding: it names no model either way.
  }
}

function bearerOf(exchange: Exchange): string | null {
  const match = /^bearer\s+(\S+)\s*$/i.exec(exchange.headers['authorization'] ?? '')
  return match?.[1] ?? null
}

const scopeMissing = (scope: string): Problem =>
  new Problem(
    'scope_missing',
    `This API key lacks the scope '${scope}'. Make one that has it with "shoal keys create".`,
  )

const sourceForbidden = (): Problem =>
  new Problem('forbidden_source', 'This API key is not good from this address.')

const modelForbidden = (model: string, models: readonly string[]): Problem =>
  new Problem(
    'forbidden_model',
    `This API key may not ask the model '${model}'. It may ask: ${models.join(', ')}.`,
    { details: { param: 'model' } },
  )

const wrongMethod = (exchange: Exchange, path: string, right: string): Problem =>
  new Problem('method_not_allowed', `${path} takes ${right}, not ${exchange.method}.`)
