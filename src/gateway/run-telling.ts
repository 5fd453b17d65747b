/** What of one request is told to whoever watches the gateway. */
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { Problem } from '#protocol/problem.ts'
import type { Attempt } from './attempt.ts'
import type { Verdict } from './routing/placement.ts'
import type { AttemptEvent, GatewayTelemetry } from './telemetry.ts'

export class RunTelling {
  readonly #telemetry: GatewayTelemetry
  readonly #requestId: string
  readonly #model: string
  /** Nodes that were asked, and how long it waited for them. */
  readonly effort = { asked: 0, waitedMs: 0 }

  constructor(telemetry: GatewayTelemetry, { requestId, model }: { requestId: string; model: string }) {
    this.#telemetry = telemetry
    this.#requestId = requestId
    this.#model = model
  }

  asked(attempt: Attempt, waitedMs: number): void {
    this.effort.asked++
    this.effort.waitedMs += waitedMs
    this.#telemetry.onAttempt({ ...this.#of(attempt), waitedMs })
  }

  hedge(attempt: Attempt, result: 'started' | 'won' | 'lost' | 'failed'): void {
    if (result === 'started') this.effort.asked++
    this.#telemetry.onHedge({ ...this.#of(attempt), result })
  }

  /** `request` as it goes to a node that is about to be asked. */
  traced(request: EngineRequest, { nodeId }: { nodeId: string }, isHedge: boolean): EngineRequest {
    const about = { requestId: this.#requestId, model: this.#model, nodeId, isHedge }
    const traceparent = this.#telemetry.traceparentOf?.(about)
    return traceparent === undefined ? request : { ...request, traceparent }
  }

  token({ node: { nodeId } }: Attempt, tokens: number, pauseMs: number): void {
    this.#telemetry.onToken(this.#model, tokens, pauseMs, nodeId)
  }

  failed({ code }: Problem): void {
    this.#telemetry.onFailed({ requestId: this.#requestId, model: this.#model, code })
  }

  firstToken(attempt: Attempt, firstTokenMs: number, nowMs: number): void {
    const attemptMs = nowMs - attempt.placement.startedMs
    this.#telemetry.onFirstToken({ ...this.#of(attempt), firstTokenMs, attemptMs })
  }

  failover(attempt: Attempt, { code }: Problem, hasBegun: boolean): void {
    this.#telemetry.onFailover({ ...this.#of(attempt), code, hasBegun })
  }

  verdict({ node: { nodeId } }: Attempt, verdict: NonNullable<Verdict>): void {
    const about = { model: this.#model, nodeId }
    if (verdict.kind === 'in') return this.#telemetry.onReadmitted(about)
    const { reason, forMs } = verdict
    this.#telemetry.onEjected({ ...about, reason, forMs })
  }

  #of = ({ node: { nodeId }, isHedge }: Attempt): AttemptEvent => ({
    requestId: this.#requestId,
    model: this.#model,
    nodeId,
    isHedge,
  })
}
