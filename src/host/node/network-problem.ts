/** What the network said, as problems that name the other side and the likely way out. */
import type { ListenAddress } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'

interface Explanation {
  readonly code: 'network_unreachable' | 'network_timeout' | 'certificate_refused'
  readonly text: (place: string) => string
}
const unreachable = (text: (place: string) => string): Explanation => ({ code: 'network_unreachable', text })
const timeout = (text: (place: string) => string): Explanation => ({ code: 'network_timeout', text })

const refused = unreachable(
  (place) => `Nothing listens at ${place}. Check that it is running, and that the port is right.`,
)
const nameUnknown = unreachable(
  (place) => `The name in ${place} could not be found. Check its spelling, and that this machine has DNS.`,
)
const noRoute = unreachable(
  (place) => `This machine has no route to ${place}. Check its network connection and the address.`,
)
const cut = unreachable(
  (place) => `${place} closed the connection before it had answered. It may be restarting: try again.`,
)
const noTls = unreachable(
  (place) => `${place} does not speak TLS. Check whether its address starts with http or https.`,
)
const noConnection = timeout(
  (place) => `${place} did not take a connection in time. Check the address, and any firewall between.`,
)
const noAnswer = timeout(
  (place) => `${place} took the connection and then stayed silent too long. It may be overloaded: try again.`,
)

const refusedCertificate = (text: (place: string) => string): Explanation => ({
  code: 'certificate_refused',
  text,
})

const unknownAuthority = refusedCertificate(
  (place) =>
    `The certificate of ${place} is by an authority that this machine does not know. If it is your own, give its certificate with --ca FILE.`,
)
const selfSigned = refusedCertificate(
  (place) =>
    `The certificate of ${place} is signed by itself, which anybody can do. If it is your own, give it with --ca FILE.`,
)
const brokenChain = refusedCertificate(
  (place) =>
    `${place} does not show how its certificate leads to an authority that this machine knows. Its operator must serve the whole chain; if the authority is your own, give its certificate with --ca FILE.`,
)
const expired = refusedCertificate(
  (place) =>
    `The certificate of ${place} has expired. Its operator must renew it; check that the clock of this machine is right too.`,
)
const notYetValid = refusedCertificate(
  (place) => `The certificate of ${place} is not valid yet. Check the clock of this machine.`,
)
const otherName = refusedCertificate(
  (place) =>
    `The certificate of ${place} is for another name. Use the address that its operator gave you; somebody else may be answering there.`,
)

/** By the `code` of the system, of OpenSSL and of undici. */
const explanations: Readonly<Record<string, Explanation>> = {
  ECONNREFUSED: refused,
  ENOTFOUND: nameUnknown,
  EAI_AGAIN: nameUnknown,
  EHOSTUNREACH: noRoute,
  ENETUNREACH: noRoute,
  ECONNRESET: cut,
  EPIPE: cut,
  UND_ERR_SOCKET: cut,
  EPROTO: noTls,
  ERR_SSL_WRONG_VERSION_NUMBER: noTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: noTls,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  DEPTH_ZERO_SELF_SIGNED_CERT: selfSigned,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: brokenChain,
  CERT_HAS_EXPIRED: expired,
  CERT_NOT_YET_VALID: notYetValid,
  ERR_TLS_CERT_ALTNAME_INVALID: otherName,
  ETIMEDOUT: noConnection,
  UND_ERR_CONNECT_TIMEOUT: noConnection,
  UND_ERR_HEADERS_TIMEOUT: noAnswer,
  UND_ERR_BODY_TIMEOUT: noAnswer,
}
const TLS_CODE = /CERT|^UNABLE_TO_|^ERR_TLS|^ERR_SSL/

/**
 * A failed call to `place` (`host:port`) as `network_unreachable`, `network_timeout` or `certificate_refused`, with
 * `error` as its cause.
 */
export function networkProblem(error: unknown, place: string): Problem {
  if (error instanceof Problem) return error
  const { code, message } = rootOf(error)
  const options = { details: { place }, cause: error }
  const explanation = explanations[code]
  if (explanation) return new Problem(explanation.code, explanation.text(place), options)
  if (TLS_CODE.test(code)) {
    const text = `The certificate of ${place} is not trusted (${message}). Check the name, and the date of this machine.`
    return new Problem('certificate_refused', text, options)
  }
  const text = `${place} cannot be reached (${message || code || 'no reason given'}). Check the address and try again.`
  return new Problem('network_unreachable', text, options)
}

/** `host:port` of a URL, with the port that its scheme implies. */
export function placeOf({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port || (protocol === 'https:' || protocol === 'wss:' ? '443' : '80')}`
}

/** Why a server could not listen on `address`: `port_taken` or `address_unavailable`. */
export function listenProblem(error: unknown, { hostname, port }: ListenAddress): Problem {
  const { code, message } = rootOf(error)
  const options = { details: { hostname, port }, cause: error }
  if (code === 'EADDRINUSE') {
    const text = `Port ${port} on ${hostname} is taken by another program. Stop it or choose another with --port.`
    return new Problem('port_taken', text, options)
  }
  if (code === 'EACCES') {
    const text = `This user may not listen on port ${port} of ${hostname}. Choose one from 1024 up with --port.`
    return new Problem('address_unavailable', text, options)
  }
  const text = `This machine cannot listen on ${hostname} port ${port} (${message}). Choose one of its own addresses.`
  return new Problem('address_unavailable', text, options)
}

/** What happened below all that fetch and happy eyeballs wrap it in: `cause`, and the list of an aggregate. */
export function rootOf(error: unknown): { code: string; message: string } {
  let root = error
  for (let depth = 0; depth < 4 && root instanceof Error; depth++) {
    const inner = root instanceof AggregateError ? root.errors[0] : root.cause
    if (!(inner instanceof Error)) break
    root = inner
  }
  if (!(root instanceof Error)) return { code: '', message: String(root) }
  return { code: 'code' in root ? String(root.code) : '', message: root.message }
}
