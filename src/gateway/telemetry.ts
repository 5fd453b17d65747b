/**
 * What a gateway tells whoever watches it: metrics, traces, logs. Calls come from the path of the tokens, so a listener
 * counts and returns; it must not throw. No prompt or answer text is in any of them.
 */
import type { ProblemCode } from '#protocol/problem.ts'
import type { UsageRecord } from '#protocol/usage.ts'

/** What goes before what else of the same organisation while nodes are busy; `bulk` yields to everybody. */
export type RequestPriority = 'interactive' | 'default' | 'bulk'

export interface RequestEvent {
  readonly requestId: string
  readonly model: string
}

/** One node's try at a request. */
export interface AttemptEvent extends RequestEvent {
  readonly nodeId: string
  /** A second node that races the first, before either has delivered. */
  readonly isHedge: boolean
}

export interface GatewayTelemetry {
  /** `traceparent`: of the caller's own trace, checked, where it sent one (it is in the engine request until a node is asked). */
  onAdmitted(
    event: RequestEvent & {
      organisationId: string
      priority: RequestPriority
      traceparent?: string | undefined
    },
  ): void
  /** It was not let in, or left the queue without a node. */
  onRefused(event: RequestEvent & { organisationId: string; code: ProblemCode }): void
  /** How many requests wait for a node of `model`, whenever that changes. */
  onQueue(model: string, waiting: number): void
  /** A node was asked, `waitedMs` after the request came or lost its node. */
  onAttempt(event: AttemptEvent & { waitedMs: number }): void
  /** A node is about to be asked: what goes to it as the engine request's `traceparent`; undefined leaves it as it is. */
  traceparentOf?(event: AttemptEvent): string | undefined
  /** Once a request. `firstTokenMs`: since it came. `attemptMs`: since this node was asked. */
  onFirstToken(event: AttemptEvent & { firstTokenMs: number; attemptMs: number }): void
  /** Text of `tokens` tokens came from `nodeId`, `pauseMs` after what came before it on this node; 0 for its first. */
  onToken(model: string, tokens: number, pauseMs: number, nodeId: string): void
  /** A node failed the request and another is looked for. `hasBegun`: in the middle of the answer. */
  onFailover(event: AttemptEvent & { code: ProblemCode; hasBegun: boolean }): void
  onHedge(event: AttemptEvent & { result: 'started' | 'won' | 'lost' | 'failed' }): void
  /** A node gets no work for `forMs`, then a single request to prove itself by. */
  onEjected(event: { model: string; nodeId: string; reason: 'failures' | 'slow'; forMs: number }): void
  onReadmitted(event: { model: string; nodeId: string }): void
  /** Why it fails; its outcome follows. */
  onFailed(event: RequestEvent & { code: ProblemCode }): void
  /** The one outcome of each request that was admitted; its reading is durable. */
  onOutcome(record: UsageRecord): void
}

const nothing = (): void => undefined

export const noTelemetry: GatewayTelemetry = {
  onAdmitted: nothing,
  onRefused: nothing,
  onQueue: nothing,
  onAttempt: nothing,
  onFirstToken: nothing,
  onToken: nothing,
  onFailover: nothing,
  onHedge: nothing,
  onEjected: nothing,
  onReadmitted: nothing,
  onFailed: nothing,
  onOutcome: nothing,
}
