/** Several listeners as one: to the calls of the API, and to what a gateway does for them. */
import type { CallWatch } from '#gateway/call-watch.ts'
import type { Caller } from '#gateway/gateway.ts'
import { type GatewayTelemetry, noTelemetry } from '#gateway/telemetry.ts'
import type { Clock } from '#host/host.ts'
import { watchExchange } from '#host/watched-exchange.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'

/** A call of the OpenAI-compatible API, as it came. */
export interface CallFacts {
  readonly requestId: string
  readonly method: string
  /** Without its query. */
  readonly path: string
  readonly startedAtMs: number
  readonly startedMs: number
  /** Of its trace, as the caller sent it, unchecked. */
  readonly traceparent: string | undefined
}
export interface CallAnswer {
  readonly status: number
  /** Of the error, where it is one. */
  readonly code: string | null
}

/** Hears of each call in this order; `onClosed` comes once, also when nothing was answered. */
export interface CallObserver {
  /** What becomes of its requests. */
  readonly telemetry: Partial<GatewayTelemetry>
  onCall(call: CallFacts): void
  onCaller(requestId: string, caller: Pick<Caller, 'keyId' | 'organisationId'>): void
  onForwarded(requestId: string, isForwarded: boolean): void
  onRequest(requestId: string, engine: EngineRequest): void
  onAnswer(requestId: string, answer: CallAnswer): void
  onClosed(requestId: string, end: { readonly isFinished: boolean; readonly bytes: number }): void
}

/** Undefined without observers: then calls are not watched at all. */
export function watchCalls(
  clock: Pick<Clock, 'nowMs' | 'elapsedMs'>,
  observers: readonly CallObserver[],
): CallWatch | undefined {
  if (observers.length === 0) return undefined
  return {
    onCall(requestId, exchange) {
      const call: CallFacts = {
        requestId,
        method: exchange.method,
        path: exchange.target.split('?', 1)[0] ?? '',
        startedAtMs: clock.nowMs(),
        startedMs: clock.elapsedMs(),
        traceparent: exchange.headers['traceparent'],
      }
      for (const observer of observers) observer.onCall(call)
      return watchExchange(exchange, {
        onHead(status, _headers, body) {
          const answer = { status, code: status < 400 || body === null ? null : errorCodeOf(body) }
          for (const observer of observers) observer.onAnswer(requestId, answer)
        },
        onClose(isFinished, bytes) {
          for (const observer of observers) observer.onClosed(requestId, { isFinished, bytes })
        },
      })
    },
    onCaller(requestId, caller) {
      for (const observer of observers) observer.onCaller(requestId, caller)
    },
    onForwarded(requestId, isForwarded) {
      for (const observer of observers) observer.onForwarded(requestId, isForwarded)
    },
    onRequest(requestId, engine) {
      for (const observer of observers) observer.onRequest(requestId, engine)
    },
  }
}

/** `error.code` of OpenAI's shape, or its type. */
function errorCodeOf(body: Uint8Array | string): string | null {
  try {
    const { error } = JSON.parse(typeof body === 'string' ? body : Buffer.from(body).toString()) as {
      error?: { code?: unknown; type?: unknown }
    }
    const code = error?.code ?? error?.type
    return typeof code === 'string' ? code : null
  } catch {
    return null // It is no JSON: the status says enough.
  }
}

/** One listener that passes everything on to `listeners`, in order. The first that has a `traceparent` gives it. */
export function joinTelemetry(listeners: readonly Partial<GatewayTelemetry>[]): GatewayTelemetry {
  const each = <Args extends readonly unknown[]>(
    pick: (listener: Partial<GatewayTelemetry>) => ((...args: Args) => void) | undefined,
  ): ((...args: Args) => void) => {
    const runs = listeners.flatMap((listener) => pick(listener) ?? [])
    const [first, second, ...others] = runs
    if (!first) return () => undefined
    if (!second) return first
    return (...args) => {
      first(...args)
      second(...args)
      for (const run of others) run(...args)
    }
  }
  const tracing = listeners.find((listener) => listener.traceparentOf)
  return {
    ...noTelemetry,
    onAdmitted: each((listener) => listener.onAdmitted),
    onRefused: each((listener) => listener.onRefused),
    onQueue: each((listener) => listener.onQueue),
    onAttempt: each((listener) => listener.onAttempt),
    onFirstToken: each((listener) => listener.onFirstToken),
    onToken: each((listener) => listener.onToken),
    onFailover: each((listener) => listener.onFailover),
    onHedge: each((listener) => listener.onHedge),
    onEjected: each((listener) => listener.onEjected),
    onReadmitted: each((listener) => listener.onReadmitted),
    onFailed: each((listener) => listener.onFailed),
    onOutcome: each((listener) => listener.onOutcome),
    ...(tracing?.traceparentOf && { traceparentOf: tracing.traceparentOf }),
  }
}
