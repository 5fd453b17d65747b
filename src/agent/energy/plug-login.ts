/** How a plug is told its password: as it asks for it, and never in the clear where it takes a digest. */
import type { Crypto } from '#host/host.ts'
import { type Challenge, digestHeader, wantedOf } from './digest-auth.ts'

export interface PlugLogin {
  /** The `Authorization` of the next request for `target`; `null` while the plug has not asked for any. */
  header(target: string): string | null
  /** What the plug says when it refuses. True when another try with a new `header` may help. */
  refused(wwwAuthenticate: string | null): boolean
  /** Why it was refused for good, for people. */
  problem(): string
}

interface LoginParts {
  readonly crypto: Pick<Crypto, 'sha256'>
  /** Text that was never used before. */
  readonly newNonce: () => string
}

const NO_PASSWORD = 'it wants a password: put it before the host, as http://admin:PASSWORD@HOST'
const WRONG_PASSWORD = 'it refuses the name or the password that it got'

export function createPlugLogin(
  { crypto, newNonce }: LoginParts,
  { user, password }: { readonly user: string; readonly password: string },
): PlugLogin {
  let way: { kind: 'basic' } | { kind: 'digest'; challenge: Challenge; count: number } | null = null
  /** Whether what was refused last was an answer to what the plug asks for now. */
  let isAnswered = false
  let problem = password === '' ? NO_PASSWORD : WRONG_PASSWORD

  return {
    problem: () => problem,
    header(target) {
      isAnswered = way !== null
      if (way === null) return null
      if (way.kind === 'basic') return `Basic ${toBase64(`${user}:${password}`)}`
      way.count += 1
      const { challenge, count } = way
      const request = { user, password, method: 'GET', target, count, clientNonce: newNonce() }
      return digestHeader(crypto, challenge, request)
    },
    refused(wwwAuthenticate) {
      if (password === '') return false
      const wanted = wantedOf(wwwAuthenticate)
      problem = wanted.kind === 'other' ? `it wants ${wanted.name}, which is not spoken here` : WRONG_PASSWORD
      if (wanted.kind === 'other') return false
      const isRenewed = isAnswered && wanted.kind === 'digest' && isNewNonce(wanted.challenge)
      way = wanted.kind === 'basic' ? wanted : { ...wanted, count: 0 }
      return !isAnswered || isRenewed
    },
  }

  /** A nonce gets old; one that is refused while it is new means that the password is wrong. */
  function isNewNonce({ nonce }: Challenge): boolean {
    return way?.kind === 'digest' && way.challenge.nonce !== nonce && way.count > 1
  }
}

const toBase64 = (text: string): string => Buffer.from(text).toString('base64')
