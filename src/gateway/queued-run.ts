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

  /** Any node of the model with room will do that can do what it asks for. */
  get isPlain(): boolean {
    return this.needs.isPlain
  }

  /** While no node takes it, none takes another that has the same; `null` where more decides than what it asks for. */
  get likeness(): string | null {
    return this.isPlain ? this.needs.likeness : null
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
