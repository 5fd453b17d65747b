/**
 * What `shoal nodes token` prints: a secret that enrols one node, and the fingerprint of the network's key, which tells
 * the node that it talks with the right network before it shows the secret.
 *
 *     join-<secret>.<fingerprint>        base 32, 40 and 52 characters
 *     join-<secret>                      of a network of release 0.1, 32 characters: nothing to check the network by
 */
import { base32 } from '#kernel/id.ts'
import { Problem } from './problem.ts'

export interface JoinToken {
  /** What the network knows the token by. */
  readonly secret: string
  /** Null in a token of a network that has no key. */
  readonly fingerprint: string | null
}

export const JOIN_SECRET_BYTES = 25
const SECRET_LENGTH = 40
const FINGERPRINT = /^[0-9a-hjkmnp-tv-z]{52}$/

/** `secretBytes` must be `JOIN_SECRET_BYTES` random ones. */
export const formatJoinToken = (secretBytes: Uint8Array, fingerprint: string): string =>
  `join-${base32(secretBytes)}.${fingerprint}`

/** Throws `Problem('join_refused')` for a token that lost a part on its way. Anything else is for the network to judge. */
export function parseJoinToken(text: string): JoinToken {
  const [secret = '', fingerprint, ...more] = text.trim().split('.')
  if (fingerprint === undefined) {
    // A secret of this length came with a fingerprint: without it the network would go unchecked.
    if (secret.length >= 'join-'.length + SECRET_LENGTH) throw incomplete('ends before the fingerprint')
    return { secret, fingerprint: null }
  }
  if (secret === '' || more.length > 0 || !FINGERPRINT.test(fingerprint))
    throw incomplete(`has a fingerprint of ${fingerprint.length} characters that should be 52`)
  return { secret, fingerprint }
}

/** The part of a token that enrols, whichever release of an agent sent it. */
export const secretOf = (token: string): string => token.split('.', 1)[0] ?? ''

const incomplete = (what: string): Problem =>
  new Problem(
    'join_refused',
    `The enrolment token is not whole: it ${what}. Copy all of it, with the part behind the dot.`,
  )
