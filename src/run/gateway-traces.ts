/**
 * Spans of calls and of what a gateway does for them, with the names of OpenTelemetry's conventions for HTTP and for
 * generative models. No text of a prompt or of an answer is in them.
 *
 *   POST /v1/chat/completions            the call, from its arrival to the last byte of its answer
 *   ├ queue                              waits for a node; again where one was lost
 *   ├ attempt                            one node's try; a hedge and each node after a failure is one of its own
 *   │ └ chat MODEL                       the engine, on the node's machine
 */

import type { GatewayTelemetry } from '#gateway/telemetry.ts'
import type { Tracer, TraceSpan } from '#host/tracer.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { formatTraceparent, parseTraceparent } from '#protocol/trace-context.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import type { CallObserver } from './call-observers.ts'

export interface GatewayTraces extends CallObserver {
  /** Of a call whose trace is recorded. */
  traceIdOf(requestId: string): string | undefined
}

/** One call, or a request that came by none. */
interface OpenTrace {
  readonly root: TraceSpan
  readonly requestIds: string[]
  openRequests: number
  isClosed: boolean
  promptTokens: number
  completionTokens: number
}
/** One of its requests. */
interface OpenRequest {
  readonly trace: OpenTrace
  queue: TraceSpan | null
  /** By node. */
  readonly attempts: Map<string, TraceSpan>
  /** Why it failed, if it did. */
  code: string
}

export function createGatewayTraces(tracer: Tracer): GatewayTraces {
  const traces = new Map<string, OpenTrace>()
  const requests = new Map<string, OpenRequest>()

  function open(requestId: string, root: TraceSpan): OpenTrace {
    const trace = {
      root,
      requestIds: [requestId],
      openRequests: 0,
      isClosed: false,
      promptTokens: 0,
      completionTokens: 0,
    }
    traces.set(requestId, trace)
    return trace
  }

  function endWhenOver(trace: OpenTrace): void {
    if (!trace.isClosed || trace.openRequests > 0) return
    for (const requestId of trace.requestIds) traces.delete(requestId)
    trace.root.end()
  }

  const beginQueue = (request: OpenRequest): void => {
    request.queue ??= tracer.start('queue', { kind: 'internal', parent: request.trace.root.context })
  }

  const telemetry: Partial<GatewayTelemetry> = {
    onAdmitted({ requestId, model, organisationId, traceparent }) {
      const parent = parseTraceparent(traceparent)
      const trace =
        traces.get(requestId) ??
        closed(open(requestId, tracer.start(`request ${model}`, { kind: 'internal', parent })))
      trace.openRequests++
      trace.root.set({ 'shoal.organisation_id': organisationId })
      const request: OpenRequest = { trace, queue: null, attempts: new Map(), code: 'failed' }
      requests.set(requestId, request)
      beginQueue(request)
    },
    traceparentOf({ requestId, nodeId, isHedge }) {
      const request = requests.get(requestId)
      if (!request) return undefined
      request.queue?.end()
      request.queue = null
      const attributes = { 'shoal.node_id': nodeId, 'shoal.request_id': requestId, 'shoal.is_hedge': isHedge }
      const parent = request.trace.root.context
      const attempt = tracer.start('attempt', { kind: 'client', parent, attributes })
      request.attempts.set(nodeId, attempt)
      return formatTraceparent(attempt.context)
    },
    onFirstToken({ requestId, nodeId, firstTokenMs }) {
      const request = requests.get(requestId)
      request?.attempts.get(nodeId)?.event('gen_ai.first_token')
      request?.trace.root.set({ 'gen_ai.server.time_to_first_token': firstTokenMs / 1_000 })
    },
    onFailover({ requestId, nodeId, code, hasBegun }) {
      const request = requests.get(requestId)
      if (!request) return
      endAttempt(request, nodeId, (span) => {
        span.fail(code)
        span.set({ 'shoal.is_mid_stream': hasBegun })
      })
      if (request.attempts.size === 0) beginQueue(request)
    },
    onHedge({ requestId, nodeId, result }) {
      const request = requests.get(requestId)
      if (!request || result === 'started') return
      if (result === 'failed') return endAttempt(request, nodeId, (span) => span.fail('node_failed'))
      // Won or lost, `nodeId` is the one that goes on; the other was stopped.
      request.attempts.get(nodeId)?.set({ 'shoal.race': 'won' })
      for (const other of [...request.attempts.keys()]) {
        if (other !== nodeId) endAttempt(request, other, (span) => span.set({ 'shoal.race': 'lost' }))
      }
    },
    onFailed({ requestId, code }) {
      const request = requests.get(requestId)
      if (request) request.code = code
    },
    onOutcome(record) {
      const request = requests.get(record.requestId)
      if (!request) return
      requests.delete(record.requestId)
      endRequest(request, record)
      request.trace.openRequests--
      endWhenOver(request.trace)
    },
  }

  return {
    telemetry,
    traceIdOf(requestId) {
      const context = traces.get(requestId)?.root.context
      return context?.isSampled ? context.traceId : undefined
    },
    onCall({ requestId, method, path, startedAtMs, traceparent }) {
      const root = tracer.start(`${method} ${routeOf(path)}`, {
        kind: 'server',
        parent: parseTraceparent(traceparent),
        startedAtMs,
        attributes: {
          'http.request.method': method,
          'http.route': routeOf(path),
          'shoal.request_id': requestId,
        },
      })
      open(requestId, root)
    },
    onCaller(requestId, { organisationId }) {
      traces.get(requestId)?.root.set({ 'shoal.organisation_id': organisationId })
    },
    onForwarded(requestId, isForwarded) {
      traces.get(requestId)?.root.set({ 'shoal.is_forwarded': isForwarded })
    },
    onRequest(requestId, engine) {
      const trace = traces.get(requestId)
      if (!trace) return
      trace.root.set(askedOf(engine))
      if (engine.requestId === requestId) return
      traces.set(engine.requestId, trace)
      trace.requestIds.push(engine.requestId)
    },
    onAnswer(requestId, { status, code }) {
      const root = traces.get(requestId)?.root
      root?.set({ 'http.response.status_code': status })
      // What the caller did wrong is no failure of the server.
      if (status >= 500) root?.fail(code ?? String(status))
      else if (status >= 400) root?.set({ 'error.type': code ?? String(status) })
    },
    onClosed(requestId, { isFinished, bytes }) {
      const trace = traces.get(requestId)
      if (!trace) return
      trace.root.set({ 'http.response.body.size': bytes, ...(!isFinished && { 'shoal.is_cut': true }) })
      trace.isClosed = true
      endWhenOver(trace)
    },
  }
}

/** Whoever watches paths must not be given as many names as callers can think of. */
const routeOf = (path: string): string =>
  /^\/v1\/(chat\/completions|completions|embeddings|responses|models|files|batches)(?=\/|$)/.exec(
    path,
  )?.[0] ?? '/v1'

const closed = (trace: OpenTrace): OpenTrace => {
  trace.isClosed = true
  return trace
}

function endAttempt({ attempts }: OpenRequest, nodeId: string, tell: (span: TraceSpan) => void): void {
  const span = attempts.get(nodeId)
  if (!span) return
  attempts.delete(nodeId)
  tell(span)
  span.end()
}

function endRequest(request: OpenRequest, record: UsageRecord): void {
  const { outcome, parts } = record
  const { trace, queue, attempts, code } = request
  queue?.end()
  for (const [nodeId, span] of attempts) {
    const part = parts.findLast((one) => one.nodeId === nodeId)
    span.set({
      'shoal.outcome': outcome,
      'gen_ai.usage.input_tokens': part?.promptTokens,
      'gen_ai.usage.output_tokens': part?.completionTokens,
    })
    if (outcome === 'failed') span.fail(code)
    span.end()
  }
  for (const part of parts) {
    trace.promptTokens += part.promptTokens
    trace.completionTokens += part.completionTokens
  }
  trace.root.set({
    'shoal.outcome': outcome,
    'shoal.node_id': parts.at(-1)?.nodeId,
    'shoal.continuations': Math.max(0, parts.length - 1),
    'gen_ai.response.model': record.model,
    'gen_ai.usage.input_tokens': trace.promptTokens,
    'gen_ai.usage.output_tokens': trace.completionTokens,
  })
  if (outcome === 'failed') trace.root.fail(code)
}

/** What conventions say of a request to a model, here and at the engine. */
export function askedOf(engine: EngineRequest) {
  const common = {
    'gen_ai.provider.name': 'shoal',
    'gen_ai.operation.name': operationNames[engine.kind],
    'gen_ai.request.model': engine.model,
  }
  if (engine.kind === 'embedding') return common
  // Stop sequences are the caller's text, and stay out.
  const { temperature, topP, seed } = engine.sampling
  return {
    ...common,
    'gen_ai.request.max_tokens': engine.maxTokens,
    'gen_ai.request.temperature': temperature,
    'gen_ai.request.top_p': topP,
    'gen_ai.request.seed': seed,
  }
}

const operationNames = { chat: 'chat', completion: 'text_completion', embedding: 'embeddings' } as const
