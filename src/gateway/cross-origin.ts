/** What a browser asks and has to be told before a page of another origin may call `/v1` and read the answer. */
import type { Exchange } from '#host/host.ts'

/** How long a browser may remember the answer to a preflight, in seconds; browsers cap it at this or less. */
const PREFLIGHT_KEPT_S = 7_200

/** Whether a browser asks beforehand, which it does without a key. */
export const isPreflight = ({ method, headers }: Exchange): boolean =>
  method === 'OPTIONS' && headers['access-control-request-method'] !== undefined

/** Allows what the browser asked for: the key decides, not the form of the call. */
export function answerPreflight(exchange: Exchange, origin: string): void {
  const asked = exchange.headers['access-control-request-headers']
  const named = asked !== undefined && /^[\w\-, ]+$/.test(asked) ? asked : 'authorization, content-type'
  exchange.respond(
    204,
    {
      ...sharedWith(origin),
      'access-control-allow-methods': 'GET, POST, DELETE',
      'access-control-allow-headers': named,
      'access-control-max-age': String(PREFLIGHT_KEPT_S),
    },
    '',
  )
}

/** The same exchange; what is answered may be read by pages of `origin`. */
export function shareWith(exchange: Exchange, origin: string): Exchange {
  const shared = sharedWith(origin)
  return {
    method: exchange.method,
    target: exchange.target,
    headers: exchange.headers,
    clientAddress: exchange.clientAddress,
    readBody: (bytesMax, done) => exchange.readBody(bytesMax, done),
    ...(exchange.streamBody && { streamBody: exchange.streamBody.bind(exchange) }),
    respond: (status, headers, body) => exchange.respond(status, { ...headers, ...shared }, body),
    start: (status, headers) => exchange.start(status, { ...headers, ...shared }),
    write: (chunk) => exchange.write(chunk),
    end: () => exchange.end(),
    abort: () => exchange.abort(),
    onDrain: (run) => exchange.onDrain(run),
    onClose: (run) => exchange.onClose(run),
  }
}

const sharedWith = (origin: string): Record<string, string> => ({
  'access-control-allow-origin': origin,
  'access-control-expose-headers': '*',
  vary: 'origin',
})
