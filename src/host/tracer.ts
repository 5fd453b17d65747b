/**
 * Traces: what of one request took how long, and where. The real tracer is loaded only where a collector is configured;
 * everywhere else there is none, and what came in of a trace goes on unchanged.
 */
import type { TraceContext } from '#protocol/trace-context.ts'

export interface Tracer {
  /** Begins a span now. */
  start(name: string, options: SpanOptions): TraceSpan
  /** Sends what waits, for a few seconds at most. */
  close(): Promise<void>
}

export interface SpanOptions {
  readonly kind: 'server' | 'client' | 'internal'
  /** Null: the span begins a trace of its own. */
  readonly parent: TraceContext | null
  /** When it began, by the wall clock; now unless given. */
  readonly startedAtMs?: number
  readonly attributes?: SpanAttributes
}
export type SpanAttributes = Readonly<
  Record<string, string | number | boolean | readonly string[] | undefined>
>

/** After `end` nothing changes it. */
export interface TraceSpan {
  /** For its children, here and elsewhere. */
  readonly context: TraceContext
  set(attributes: SpanAttributes): void
  event(name: string, attributes?: SpanAttributes): void
  /** Marks it as failed, by the code of a problem. */
  fail(code: string): void
  end(): void
}
