/** Whoever watches the calls of the OpenAI-compatible API as they are, beside the requests that they become. */
import type { Exchange } from '#host/host.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { Caller } from './gateway.ts'

export interface CallWatch {
  /** A call came. It is answered on the exchange that this returns. */
  onCall(requestId: string, exchange: Exchange): Exchange
  onCaller(requestId: string, caller: Pick<Caller, 'keyId' | 'organisationId'>): void
  /** Another worker answers it in this one's place; or, as is told next, it does not after all. */
  onForwarded(requestId: string, isForwarded: boolean): void
  /** Part of its answer comes from a request of its own, which is about to be admitted as `engine.requestId`. */
  onRequest(requestId: string, engine: EngineRequest): void
}
