/** How the network makes itself known to machines that are to become nodes. */

import { formatJoinToken, JOIN_SECRET_BYTES } from '#protocol/join-token.ts'
import {
  enrolProofText,
  fingerprintOf,
  type NetworkProof,
  type NetworkProofParams,
} from '#protocol/network-key.ts'
import { Problem } from '#protocol/problem.ts'
import type { HandlerParts } from './handlers/handler-parts.ts'

/** A new token with the fingerprint of the network's key. It enrols nobody before the fleet was told of it. */
export const makeJoinToken = (parts: Pick<HandlerParts, 'crypto' | 'network' | 'secrets'>): string =>
  formatJoinToken(
    parts.secrets.randomBytes(JOIN_SECRET_BYTES),
    fingerprintOf(parts.crypto, parts.network.keys.publicKeyHex),
  )

/**
 * Throws `forbidden_origin` for a host that the network does not go by: whoever answers there and asks us passes the
 * proof on.
 */
export function proveNetwork(
  { apiUrl, crypto, network }: Pick<HandlerParts, 'apiUrl' | 'crypto' | 'network'>,
  asked: NetworkProofParams,
): NetworkProof {
  if (!network.goesBy(asked.host)) {
    throw new Problem(
      'forbidden_origin',
      `This network does not go by the name ${JSON.stringify(asked.host)}. Join it at ${apiUrl}.`,
    )
  }
  const { publicKeyHex, privateKeyHex } = network.keys
  const signature = crypto.sign(privateKeyHex, new TextEncoder().encode(enrolProofText(asked)))
  return { publicKey: publicKeyHex, signature: Buffer.from(signature).toString('hex') }
}
