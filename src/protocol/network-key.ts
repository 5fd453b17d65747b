/**
 * How a network proves that it is the one a node was told to join: by its own ed25519 key, of which the join token has
 * the fingerprint. TLS may end at a proxy with anybody's certificate, so the proof is a signature and no certificate.
 */
import { z } from 'zod'
import { base32 } from '#kernel/id.ts'
import { hexOf } from './field.ts'

/** For every node that comes, and cheaper than `Number.parseInt`: a letter's code is nine short of its worth, and has bit 6. */
const hexDigit = (hex: string, at: number): number => {
  const code = hex.charCodeAt(at)
  return (code & 15) + (code >> 6) * 9
}

/** Of the key's 32 raw bytes. */
export const fingerprintOf = (
  { sha256 }: { sha256(data: Uint8Array): Uint8Array },
  publicKeyHex: string,
): string => {
  const bytes = new Uint8Array(publicKeyHex.length / 2)
  for (let index = 0; index < bytes.length; index++)
    bytes[index] = (hexDigit(publicKeyHex, 2 * index) << 4) | hexDigit(publicKeyHex, 2 * index + 1)
  return base32(sha256(bytes))
}

export const NetworkProof = z
  .object({
    publicKey: hexOf(32).describe('The network’s ed25519 key.'),
    signature: z
      .string()
      .max(256)
      .describe('ed25519, in hex, of the text that the agent protocol describes.'),
  })
  .meta({ id: 'NetworkProof' })
export type NetworkProof = z.output<typeof NetworkProof>

export const NetworkProofParams = z.object({
  host: z
    .string()
    .min(1)
    .max(253)
    .describe('The host name by which the node reaches the network, without a port.'),
  publicKey: hexOf(32).describe('The node’s ed25519 key.'),
  nonce: hexOf(32).describe('Random, made for this one call.'),
})
export type NetworkProofParams = z.output<typeof NetworkProofParams>

/** What the network signs for a node that is about to enrol. */
export const enrolProofText = ({ host, publicKey, nonce }: NetworkProofParams): string =>
  `shoal network enrol 1\n${host}\n${nonce}\n${publicKey}`

/** All that both sides of one connection know of it: the network signs it, so nobody between them changed any of it. */
export interface LinkFacts {
  readonly gatewayId: string
  readonly gatewayNonce: string
  readonly nodeId: string
  readonly session: number
  readonly agentNonce: string
  /** The host name by which the agent reached the gateway. */
  readonly host: string
  /** As the agent offered them. */
  readonly versions: { readonly min: number; readonly max: number }
  /** `admit`, or the code of the denial. */
  readonly verdict: string
  /** SHA-256, in hex, of each key that the gateway's own TLS may show; none where a proxy ends TLS. */
  readonly tlsKeys: readonly string[]
}

export const linkProofText = (facts: LinkFacts): string =>
  [
    'shoal network link 1',
    facts.host,
    facts.agentNonce,
    facts.gatewayId,
    facts.gatewayNonce,
    facts.nodeId,
    facts.session,
    `${facts.versions.min}-${facts.versions.max}`,
    facts.verdict,
    facts.tlsKeys.join(','),
  ].join('\n')
