/** Which of the workers of one machine answers a call, and how it gets there. `peers.ts` knows them, `forward.ts` sends. */
import type { Clock, Exchange, Log } from '#host/host.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import type { CallWatch } from './call-watch.ts'
import { FORWARDED, type ForwardedCall, type Forwarder } from './forward.ts'
import type { Gateway } from './gateway.ts'
import { respondProblem } from './openai-problem.ts'
import type { ReplyForm } from './openai-shapes.ts'
import type { Peers } from './peers.ts'

export interface PeerCalls {
  readonly peers: Peers
  readonly forwarder: Forwarder
}

export interface WorkerCallParts {
  readonly gateway: Pick<Gateway, 'roomOf'>
  readonly clock: Pick<Clock, 'after'>
  readonly log: Log
  readonly watch?: CallWatch | undefined
  /** The other workers of this machine; null where there are none. */
  peers?(): PeerCalls | null
}

export interface WorkerCall {
  readonly exchange: Exchange
  readonly requestId: string
  readonly caller: { readonly keyId: string }
  readonly body: Uint8Array
  readonly timing: () => Record<string, string>
}

/** Where no agent here serves the model, others may be about to tell that theirs do: looked at so often, so many times. */
const PEERS_WAIT_MS = 100
const PEERS_TRIES = 20

/** True when another worker keeps the reply of the call's key: it goes there first. */
export function sendToKeeper(parts: WorkerCallParts, call: WorkerCall, isStream: boolean): boolean {
  const { headers } = call.exchange
  const key = headers['idempotency-key']
  if (key === undefined || FORWARDED in headers) return false
  const to = parts.peers?.()?.peers.keeperOf(`${call.caller.keyId} ${key}`) ?? null
  return to !== null && send(parts, call, { to, hop: 'keyed', isStream })
}

/** Sends the call to a worker whose agents can begin it when those here cannot, and else runs `here`. */
export function whereItBegins(
  parts: WorkerCallParts,
  call: WorkerCall,
  form: Pick<ReplyForm, 'model' | 'isStream'>,
  here: () => void,
): void {
  const { model, isStream } = form
  const look = (tries: number): void => {
    const calls = call.exchange.headers[FORWARDED] === 'final' ? null : (parts.peers?.() ?? null)
    const to = calls?.peers.elsewhere(model) ?? null
    if (to) return void send(parts, call, { to, hop: 'final', isStream })
    if (!calls || tries === 0 || parts.gateway.roomOf(model) !== null) return here()
    parts.clock.after(PEERS_WAIT_MS, () => {
      try {
        look(tries - 1)
      } catch (error) {
        respondProblem(call.exchange, call.requestId, toProblem(error), call.timing())
      }
    })
  }
  look(PEERS_TRIES)
}

function send(parts: WorkerCallParts, call: WorkerCall, how: Omit<ForwardedCall, 'body'>): boolean {
  parts.watch?.onForwarded(call.requestId, true)
  parts.peers?.()?.forwarder.forward(call.exchange, { ...how, body: call.body }, (problem) => {
    parts.watch?.onForwarded(call.requestId, false)
    parts.log.warn('peers.unreachable', { gatewayId: how.to.gatewayId, message: problem.message })
    // Its key may have been claimed, so that it cannot begin again here.
    respondProblem(call.exchange, call.requestId, workerAway(problem), call.timing())
  })
  return true
}

const workerAway = (cause: Problem): Problem =>
  new Problem('unavailable', 'The process that was to answer is starting again. Try again in a moment.', {
    cause,
  })
