import type { TimestampMs } from '#kernel/time.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { RequestOutcome, UsageRecord } from '#protocol/usage.ts'
import type { Place } from './attempt.ts'
import type { PreparedAnswer } from './audits/answer-auditor.ts'
import type { KeptAnswer } from './recount/kept-answer.ts'
import type { RequestRun } from './request-run.ts'
import type { MoneyHost } from './run-money.ts'
import type { RunRequest } from './run-request.ts'
import type { GatewayTelemetry } from './telemetry.ts'

/** What a run needs of its gateway. */
export interface RunHost extends MoneyHost {
  readonly telemetry: GatewayTelemetry
  nowMs(): TimestampMs
  /** Where an answer is kept that is to be counted anew at its end. */
  keepAnswer(request: EngineRequest, nodeId: string): KeptAnswer | null
  /** How `place` is to be asked, and what of its answer is looked at. */
  prepare(request: EngineRequest, place: Place, of: RunRequest): PreparedAnswer
  elapsedMs(): number
  meter(record: UsageRecord, done: (sequence: number) => void, kept?: string): void
  /** A node was asked. */
  onAsked(run: RequestRun): void
  /** Its first token came. */
  onHeard(run: RequestRun): void
  /** The run left its node, or was over: its slot is free. */
  onFreed(run: RequestRun): void
  /** A second node was stopped: its slot is free. */
  onLoserStopped(run: RequestRun): void
  onOver(run: RequestRun, outcome: RequestOutcome): void
  /** Puts the run back in front of the queue. */
  requeue(run: RequestRun): void
}
