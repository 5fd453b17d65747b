/** Which of the workers of one machine answers a call, and how it gets there. `peers.ts` knows them, `forward.ts` sends. */
import type { Clock, Exchange, Log } from '#host/host.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import type { CallWatch } from './call-watch.ts'
import type { ForwardedCall, Forwarder } from './forward.ts'
import type { Caller, Gateway } from './gateway.ts'
import { type Permit, withoutCounts } from './kept-counts.ts'
import { respondProblem } from './openai-problem.ts'
import type { ReplyForm } from './openai-shapes.ts'
import type { Peers } from './peers.ts'

export interface PeerCalls {
  readonly peers: Peers
  readonly forwarder: Forwarder
}

export interface WorkerCallParts {
  readonly gateway: Pick<Gateway, 'roomOf' | 'limits'>
  readonly clock: Pick<Clock, 'after'>
  readonly log: Log
  readonly watch?: CallWatch | undefined
  /** The other workers of this machine; null where there are none. */
  peers?(): PeerCalls | null
}

export interface WorkerCall {
  readonly exchange: Exchange
  readonly requestId: string
  readonly caller: Pick<Caller, 'keyId' | 'limited' | 'overLimit'>
  /** Its keeper, this worker, has counted it. */
  readonly isCounted?: boolean
  readonly body: Uint8Array
  readonly timing: () => Record<string, string>
}

/** Where no agent here serves the model, others may be about to tell that theirs do: looked at so often, so many times. */
const PEERS_WAIT_MS = 100
const PEERS_TRIES = 20

/** True when another worker keeps the reply of the call's key, or counts the requests of its API key: it goes there first. */
export function sendToKeeper(parts: WorkerCallParts, call: WorkerCall, isStream: boolean): boolean {
  const { exchange, caller } = call
  const calls = parts.peers?.() ?? null
  if (!calls || calls.forwarder.hopOf(exchange) !== null) return false
  const key = exchange.headers['idempotency-key']
  const { limited, keyId } = caller
  // One that counts keeps replies, too: there is one way to a keeper.
  const isKept = limited !== undefined && parts.gateway.limits.isKept(limited)
  if (!isKept && key === undefined) return false
  const to = calls.peers.keeperOf(isKept ? `limits of ${limited.budgetId}` : `${keyId} ${key}`)
  return to !== null && send(parts, call, { to, hop: 'keyed', isStream })
}

/**
 * The call as it is to be begun, counted at its keeper where its key's limits of requests are kept: from here on they are
 * not looked at again, here or elsewhere. Where there is no room for its `requests` its caller is over the limit.
 */
export function countAtKeeper<C extends WorkerCall>(parts: WorkerCallParts, call: C, requests: number): C {
  const { limited } = call.caller
  const calls = parts.peers?.() ?? null
  if (!calls || !limited) return call
  const { limits } = parts.gateway
  const hop = calls.forwarder.hopOf(call.exchange)
  const caller = { ...call.caller, limited: withoutCounts(limited) }
  if (hop === 'counted') return { ...call, caller }
  if (hop === 'final' || !limits.isKept(limited)) return call
  const permit = limits.count(limited, requests, 1 + calls.peers.count())
  if (permit instanceof Problem) return { ...call, caller: { ...caller, overLimit: permit } }
  return { ...call, caller, exchange: permitted(call.exchange, permit), isCounted: true }
}

/** Tells what is left with the answer, and that it is over. */
function permitted(exchange: Exchange, permit: Permit): Exchange {
  let status = 0
  exchange.onClose((finished) => permit.end(finished && status === 200))
  const { clientAddress } = exchange
  return {
    method: exchange.method,
    target: exchange.target,
    headers: exchange.headers,
    ...(clientAddress !== undefined && { clientAddress }),
    readBody: (bytesMax, done) => exchange.readBody(bytesMax, done),
    respond(given, headers, body) {
      status = given
      exchange.respond(given, { ...permit.headers(), ...headers }, body)
    },
    start(given, headers) {
      status = given
      exchange.start(given, { ...permit.headers(), ...headers })
    },
    write: (chunk) => exchange.write(chunk),
    end: () => exchange.end(),
    abort: () => exchange.abort(),
    onDrain: (run) => exchange.onDrain(run),
    onClose: (run) => exchange.onClose(run),
  }
}

/** Sends the call to a worker whose agents can begin it when those here cannot, and else runs `here`. */
export function whereItBegins(
  parts: WorkerCallParts,
  call: WorkerCall,
  form: Pick<ReplyForm, 'kind' | 'model' | 'isStream'>,
  here: () => void,
): void {
  const { kind, model, isStream } = form
  const look = (tries: number): void => {
    const calls = mayGoOn(parts, call) ? (parts.peers?.() ?? null) : null
    const to = calls?.peers.elsewhere(model, kind) ?? null
    if (to) return void send(parts, call, { to, hop: call.isCounted ? 'counted' : 'final', isStream })
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

function mayGoOn({ peers }: WorkerCallParts, { exchange }: WorkerCall): boolean {
  const hop = peers?.()?.forwarder.hopOf(exchange) ?? null
  return hop === null || hop === 'keyed'
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
