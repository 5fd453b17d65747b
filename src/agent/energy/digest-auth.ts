/**
 * HTTP digest authentication (RFC 7616), as far as smart plugs want it: SHA-256 with `qop=auth`. The password itself never
 * leaves the machine. Pure; hashing and chance are passed in.
 */
import type { Crypto } from '#host/host.ts'

export interface Challenge {
  readonly realm: string
  readonly nonce: string
  readonly opaque: string | null
  /** `null`: an older form without a counter. */
  readonly qop: 'auth' | null
}

export type Wanted =
  | { readonly kind: 'digest'; readonly challenge: Challenge }
  | { readonly kind: 'basic' }
  /** Something else, or nothing that can be read; named for people. */
  | { readonly kind: 'other'; readonly name: string }

/** What an answer of status 401 wants, out of its `WWW-Authenticate`; a digest before the plain password. */
export function wantedOf(header: string | null): Wanted {
  const schemes = splitSchemes(header ?? '')
  const digests = schemes.filter(({ scheme }) => scheme === 'digest')
  for (const { parameters } of digests) {
    const algorithm = (parameters.get('algorithm') ?? 'MD5').toUpperCase()
    const [realm, nonce] = [parameters.get('realm'), parameters.get('nonce')]
    if (algorithm !== 'SHA-256' || realm === undefined || nonce === undefined) continue
    const qops = (parameters.get('qop') ?? '').split(',').map((qop) => qop.trim())
    const qop = qops.includes('auth') ? 'auth' : null
    return { kind: 'digest', challenge: { realm, nonce, opaque: parameters.get('opaque') ?? null, qop } }
  }
  if (schemes.some(({ scheme }) => scheme === 'basic')) return { kind: 'basic' }
  const [digest] = digests
  const name = digest
    ? `digest authentication with ${digest.parameters.get('algorithm') ?? 'MD5'}`
    : (schemes[0]?.scheme ?? 'an unnamed kind of authentication')
  return { kind: 'other', name }
}

interface Scheme {
  readonly scheme: string
  readonly parameters: ReadonlyMap<string, string>
}

/** `Digest qop="auth", realm="x", nonce="y", algorithm=SHA-256, Basic realm="z"` into its schemes. */
function splitSchemes(header: string): Scheme[] {
  const schemes: { scheme: string; parameters: Map<string, string> }[] = []
  const token = /([A-Za-z0-9-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([A-Za-z0-9-]+)/g
  for (const [, name, quoted, bare, scheme] of header.matchAll(token)) {
    if (scheme !== undefined) schemes.push({ scheme: scheme.toLowerCase(), parameters: new Map() })
    else if (name !== undefined)
      schemes.at(-1)?.parameters.set(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? bare ?? '')
  }
  return schemes
}

export interface DigestRequest {
  readonly user: string
  readonly password: string
  /** `GET`, and the path with its query, as they are sent. */
  readonly method: string
  readonly target: string
  /** How often this nonce was used, from 1. */
  readonly count: number
  /** Of the client: never the same twice. */
  readonly clientNonce: string
}

/** The `Authorization` of one request. */
export function digestHeader(
  crypto: Pick<Crypto, 'sha256'>,
  { realm, nonce, opaque, qop }: Challenge,
  { user, password, method, target, count, clientNonce }: DigestRequest,
): string {
  const hash = (text: string): string => Buffer.from(crypto.sha256(text)).toString('hex')
  const [secret, request] = [hash(`${user}:${realm}:${password}`), hash(`${method}:${target}`)]
  const counter = count.toString(16).padStart(8, '0')
  const response =
    qop === null
      ? hash(`${secret}:${nonce}:${request}`)
      : hash(`${secret}:${nonce}:${counter}:${clientNonce}:${qop}:${request}`)
  const quote = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`
  const parts = [
    `username=${quote(user)}`,
    `realm=${quote(realm)}`,
    `nonce=${quote(nonce)}`,
    `uri=${quote(target)}`,
    'algorithm=SHA-256',
    `response=${quote(response)}`,
    ...(qop === null ? [] : [`qop=${qop}`, `nc=${counter}`, `cnonce=${quote(clientNonce)}`]),
    ...(opaque === null ? [] : [`opaque=${quote(opaque)}`]),
  ]
  return `Digest ${parts.join(', ')}`
}
