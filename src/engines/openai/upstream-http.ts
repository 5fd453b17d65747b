/** The port to an upstream server's HTTP: callbacks and back-pressure, because `fetch` costs three times as much here. */
import type { Problem } from '#protocol/problem.ts'

export interface Upstreams {
  /** Connections to the server at `origin`, opened when first needed and kept. */
  openUpstream(origin: URL): UpstreamHttp
}

export interface UpstreamHttp {
  /** Never calls a handler before it returns. */
  request(call: UpstreamCall, handlers: UpstreamHandlers): UpstreamExchange
  /** Cuts all connections; open exchanges end with `onFail`. */
  close(): Promise<void>
}

export interface UpstreamCall {
  readonly method: 'GET' | 'POST'
  /** With query, from the root of the server. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
  /** Longest wait for the head of the answer. */
  readonly headMsMax: number
  /** Longest wait between two pieces of the body. */
  readonly silenceMsMax: number
}

/** `onHead`, then `onData` any number of times, then `onEnd`; or `onFail` at any point, and nothing after it. */
export interface UpstreamHandlers {
  /** Header names are in lower case. */
  onHead(status: number, headers: Readonly<Record<string, string>>): void
  onData(bytes: Uint8Array): void
  onEnd(): void
  /** `network_unreachable` or `network_timeout`. */
  onFail(problem: Problem): void
}

export interface UpstreamExchange {
  /** Cuts the connection. No handler is called any more. */
  abort(): void
  pause(): void
  resume(): void
}
