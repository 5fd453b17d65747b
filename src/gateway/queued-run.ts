/** A request as the queue sees it: whose it is, what it goes before, what it is expected to take. */
import { QUEUE_WAIT_MS, type Queued, waitMsOf } from './admission.ts'
import { RunNeeds } from './run-needs.ts'
import type { RunRequest } from './run-request.ts'
import type { RequestPriority } from './telemetry.ts'

export class QueuedRun implements Queued {
  readonly request: RunRequest
  readonly needs: RunNeeds
  readonly ticket: number

  constructor(request: RunRequest, ticket: number) {
    this.request = request
    this.ticket = ticket
    this.needs = new RunNeeds(request)
  }

  get model(): string {
    return this.request.engine.model
  }

  get organisationId(): string {
    return this.request.organisationId
  }

  get priority(): RequestPriority {
    return this.request.batch ? 'bulk' : (this.request.priority ?? 'default')
  }

  /** How long it may wait for a node. */
  get waitMsMax(): number {
    return this.request.batch ? QUEUE_WAIT_MS : waitMsOf[this.priority]
  }

  /** Tokens. */
  get work(): number {
    return this.needs.promptTokens + this.needs.completionTokens
  }
}
