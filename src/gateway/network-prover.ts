/** What a gateway says of itself to an agent: which versions it speaks, and, from the second on, whose gateway it is. */
import type { Crypto, KeyPair } from '#host/host.ts'
import type { Challenge, Deny, Hello, LinkProof } from '#protocol/agent-link.ts'
import {
  AGENT_PROTOCOL,
  AGENT_PROTOCOL_UNSAID,
  PROTOCOL_WITH_PROOF,
  type VersionRange,
  versionsApart,
} from '#protocol/agent-version.ts'
import { linkProofText } from '#protocol/network-key.ts'

/** The network's own key, and the names by which it may be reached. */
export interface NetworkIdentity {
  readonly keys: KeyPair
  /** Whether the network goes by `host`, a host name without a port. A proof names it, so that it is good nowhere else. */
  goesBy(host: string): boolean
  /** SHA-256, in hex, of the keys that this process's own TLS shows; none where a proxy ends TLS. */
  tlsKeys(): readonly string[]
}

export interface NetworkProver {
  readonly versions: VersionRange
  /** Null when the two can talk with each other, else why not. */
  refuse(hello: Hello): Deny | null
  /** For an agent that asked for it; undefined for others. */
  prove(meeting: { hello: Hello; challenge: Challenge; verdict: string }): LinkProof | undefined
}

const encoder = new TextEncoder()

/** Without an identity it speaks the version from before there were network keys. */
export function createNetworkProver(
  { crypto }: { crypto: Pick<Crypto, 'sign'> },
  identity: NetworkIdentity | null,
  spoken: VersionRange = AGENT_PROTOCOL,
): NetworkProver {
  const versions = identity ? spoken : { ...spoken, max: Math.min(spoken.max, PROTOCOL_WITH_PROOF - 1) }
  return {
    versions,
    refuse({ protocol, network, versions: theirs = { min: protocol, max: protocol } }) {
      if (protocol < versions.min || protocol > versions.max) {
        return { code: 'protocol_unknown', message: versionsApart({ network: versions, agent: theirs }) }
      }
      if (!network || !identity || identity.goesBy(network.host)) return null
      const message = `This network does not go by the name ${network.host}. Join it by the address that its operator gave you.`
      return { code: 'name_unknown', message }
    },
    prove({ hello, challenge, verdict }) {
      const { network, nodeId, session, versions: theirs = AGENT_PROTOCOL_UNSAID } = hello
      // Nothing is signed for a name that is not ours: somebody between would pass it on.
      if (!identity || !network || !identity.goesBy(network.host)) return undefined
      const tlsKeys = [...identity.tlsKeys()]
      const text = linkProofText({
        gatewayId: challenge.gatewayId,
        gatewayNonce: challenge.nonce,
        nodeId,
        session,
        agentNonce: network.nonce,
        host: network.host,
        versions: theirs,
        verdict,
        tlsKeys,
      })
      const { publicKeyHex, privateKeyHex } = identity.keys
      const signature = Buffer.from(crypto.sign(privateKeyHex, encoder.encode(text))).toString('hex')
      return { publicKey: publicKeyHex, signature, tlsKeys }
    },
  }
}
