/**
 * Tells the operator's own server of each alert, once the alert is durable, in order and one at a time. Turns never wait
 * for it. What could not be told in a few tries is logged; after a restart nothing is told again: the list is the truth.
 */
import type { Host } from '#host/host.ts'
import { backoffMs } from '#kernel/backoff.ts'
import { BoundedQueue } from '#kernel/bounded-queue.ts'
import { BudgetAlert } from '#protocol/budget-alert.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import { alertIdOf } from './alert-id.ts'
import type { Coordinator } from './coordinator.ts'
import type { CoordinatorEvent } from './coordinator-events.ts'
import { slaAlertOf, slaAlertText } from './sla/sla-alert.ts'

export interface AlertWebhookOptions {
  /** `https:`, or `http:` on this machine. */
  readonly url: string
  /** Under which bodies are signed. */
  readonly secret: string
}

/** The header with `sha256=` and the HMAC-SHA256 of the body, in hex. */
export const SIGNATURE_HEADER = 'x-shoal-signature'

const TRIES = 3
const TRY_MS_MAX = 10_000
const BACKOFF = { delayMsMin: 1_000, delayMsMax: 10_000 }
/** Alerts that wait for a server that is slow or gone; what is beyond is logged and listed, not told. */
const WAITING_MAX = 1_000

type WebhookHost = Pick<Host, 'clock' | 'random' | 'crypto' | 'network' | 'log'>
interface Waiting {
  readonly alertId: string
  /** Of whom it is; of the network's own there is none. */
  readonly organisationId: string | null
  readonly body: string
  readonly sequence: number
}

/** Begins to tell what `coordinator` decides from now on. `close` ends the call under way. */
export function openAlertWebhook(
  host: WebhookHost,
  coordinator: Pick<Coordinator, 'onEvent' | 'onDurable'>,
  options: AlertWebhookOptions,
): { close(): void } {
  const { log, clock } = host
  const waiting = new BoundedQueue<Waiting>(WAITING_MAX)
  const controller = new AbortController()
  let durable = 0
  let entry = { sequence: 0, lines: 0 }
  let isTelling = false

  function decided(event: CoordinatorEvent, sequence: number): void {
    if (controller.signal.aborted) return
    if (entry.sequence !== sequence) entry = { sequence, lines: 0 }
    const alertId = alertIdOf(sequence, entry.lines)
    const alert = alertOf(event, alertId)
    if (alert === null) return
    entry.lines++
    const told = { alertId, ...alert, sequence }
    if (waiting.length === waiting.lengthMax) return untold(told, { tries: 0, reason: 'too many wait' })
    waiting.push(told)
  }

  const untold = ({ alertId, organisationId }: Waiting, why: { tries: number; reason: string }): void =>
    log.warn('alert.untold', { alertId, organisationId, ...why })

  async function tellAll(): Promise<void> {
    if (isTelling) return
    isTelling = true
    for (let next = waiting.peek(); next !== undefined; next = waiting.peek()) {
      if (next.sequence > durable || controller.signal.aborted) break
      waiting.shift()
      await tell(next)
    }
    isTelling = false
  }

  async function tell(alert: Waiting): Promise<void> {
    const { body } = alert
    for (let tries = 1; ; tries++) {
      const problem = await post(host, options, { body, closed: controller.signal })
      if (problem === null) return log.info('alert.told', { alertId: alert.alertId, tries })
      if (controller.signal.aborted) return untold(alert, { tries, reason: 'closed' })
      if (tries === TRIES) return untold(alert, { tries, reason: problem.message })
      await new Promise<void>((resolve) => {
        const go = (): void => {
          timer.cancel()
          controller.signal.removeEventListener('abort', go)
          resolve()
        }
        const timer = clock.after(backoffMs(tries - 1, BACKOFF, host.random), go)
        controller.signal.addEventListener('abort', go)
      })
    }
  }

  coordinator.onEvent(decided)
  coordinator.onDurable((sequence) => {
    durable = sequence
    void tellAll()
  })
  return { close: () => controller.abort() }
}

/** What is told of an event; `null` for most. */
function alertOf(event: CoordinatorEvent, alertId: string): Pick<Waiting, 'organisationId' | 'body'> | null {
  if (event.type === 'organisation.budget_reached') {
    const { type: _, ...reached } = event
    const { organisationId } = reached
    return { organisationId, body: JSON.stringify(BudgetAlert.encode({ alertId, ...reached })) }
  }
  const alert = slaAlertOf(event, alertId)
  if (alert === null) return null
  return {
    organisationId: 'organisationId' in alert ? alert.organisationId : null,
    body: slaAlertText(alert),
  }
}

/** One try: null when the server took it. */
async function post(
  { clock, crypto, network }: WebhookHost,
  { url, secret }: AlertWebhookOptions,
  { body, closed }: { readonly body: string; readonly closed: AbortSignal },
): Promise<Problem | null> {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  const timer = clock.after(TRY_MS_MAX, abort)
  closed.addEventListener('abort', abort)
  const headers = {
    'content-type': 'application/json',
    [SIGNATURE_HEADER]: `sha256=${Buffer.from(crypto.hmacSha256(secret, body)).toString('hex')}`,
  }
  try {
    // A redirect would take it where the operator did not say.
    const request = new Request(url, {
      method: 'POST',
      headers,
      body,
      redirect: 'manual',
      signal: controller.signal,
    })
    const response = await network.fetch(request)
    await response.body?.cancel()
    if (response.ok) return null
    return new Problem('unavailable', `The server for alerts answered ${response.status}, not 2xx.`)
  } catch (error) {
    return toProblem(error)
  } finally {
    timer.cancel()
    closed.removeEventListener('abort', abort)
  }
}
