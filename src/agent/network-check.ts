/** How an agent knows the network that it meets: by the key of which its join token had the fingerprint. */
import type { Crypto, Secrets } from '#host/host.ts'
import type { Challenge, Hello, LinkProof } from '#protocol/agent-link.ts'
import {
  AGENT_PROTOCOL_UNSAID,
  highestCommon,
  PROTOCOL_WITH_PROOF,
  type VersionRange,
  versionsApart,
} from '#protocol/agent-version.ts'
import { fingerprintOf, linkProofText } from '#protocol/network-key.ts'
import { Problem } from '#protocol/problem.ts'

export interface NetworkPin {
  /** Of the network's key; null where the node joined by a token that had none: it then takes any network. */
  readonly fingerprint: string | null
  /** Serves also a network of a release that cannot prove its key, as after a rollback of the network. */
  readonly allowsUnproven: boolean
}
export const NO_PIN: NetworkPin = { fingerprint: null, allowsUnproven: true }

/** One connection's acquaintance with the network. */
export interface Meeting {
  /** What the hello adds to who the node is, or why there will be none. */
  greet(challenge: Challenge): Pick<Hello, 'protocol' | 'versions' | 'network'> | Problem
  /** Null when `proof` shows that the network itself said `verdict`, or when the node takes any; else what is wrong. */
  check(said: { proof: LinkProof | undefined; verdict: string; tlsKey: string | null }): Problem | null
}

export interface MeetingParts {
  readonly crypto: Crypto
  readonly secrets: Pick<Secrets, 'randomBytes'>
}
export interface MeetingOptions {
  readonly pin: NetworkPin
  /** The host name by which the agent reaches the network. */
  readonly host: string
  /** Whether the connection has TLS: then it must be the network's own, where the network ends it. */
  readonly isTls: boolean
  readonly nodeId: string
  readonly session: number
  readonly versions: VersionRange
}

const NONCE_BYTES = 32
const encoder = new TextEncoder()

export function meetNetwork({ crypto, secrets }: MeetingParts, options: MeetingOptions): Meeting {
  const { pin, host, isTls, nodeId, session, versions } = options
  let met: { challenge: Challenge; protocol: number; agentNonce: string } | null = null

  const isPinned = (): boolean => {
    const isOld = met !== null && met.protocol < PROTOCOL_WITH_PROOF
    return pin.fingerprint !== null && !(isOld && pin.allowsUnproven)
  }

  return {
    greet(challenge) {
      const theirs = challenge.versions ?? AGENT_PROTOCOL_UNSAID
      const protocol = highestCommon(versions, theirs)
      if (protocol === null)
        return new Problem('join_refused', versionsApart({ network: theirs, agent: versions }))
      // Not before: most tries to reach a gateway that is down get no challenge.
      const agentNonce = Buffer.from(secrets.randomBytes(NONCE_BYTES)).toString('hex')
      met = { challenge, protocol, agentNonce }
      if (protocol >= PROTOCOL_WITH_PROOF) return { protocol, versions, network: { nonce: agentNonce, host } }
      return isPinned() ? tooOldToProve(host) : { protocol }
    },
    check({ proof, verdict, tlsKey }) {
      if (!isPinned()) return null
      if (!met || !proof) return unproven(host, 'it did not prove its key')
      const { agentNonce } = met
      const { nonce: gatewayNonce, gatewayId } = met.challenge
      const found = fingerprintOf(crypto, proof.publicKey)
      if (found !== pin.fingerprint) return unproven(host, `its key has the fingerprint ${found}`)
      const { tlsKeys } = proof
      const facts = { gatewayId, gatewayNonce, nodeId, session, agentNonce, host, versions, verdict, tlsKeys }
      const signature = Buffer.from(proof.signature, 'hex')
      if (!crypto.verify(proof.publicKey, encoder.encode(linkProofText(facts)), signature))
        return unproven(host, 'its proof is not for this connection')
      const isItsOwn = tlsKeys.length === 0 || !isTls || (tlsKey !== null && tlsKeys.includes(tlsKey))
      return isItsOwn ? null : intercepted(host)
    },
  }
}

const unproven = (host: string, why: string): Problem =>
  new Problem(
    'join_refused',
    `What answers at ${host} is not the network that this node joined: ${why}. Check the address. If the network was made anew, join it with a new token ("shoal nodes token").`,
  )

const tooOldToProve = (host: string): Problem =>
  new Problem(
    'join_refused',
    `The network at ${host} is of a release that cannot prove its key, and this node joined one that can. Upgrade the network; if it was rolled back on purpose, start the node with --allow-unproven.`,
  )

const intercepted = (host: string): Problem =>
  new Problem(
    'join_refused',
    `Somebody between this node and ${host} ends its TLS: the certificate is not the network's own. If that is a proxy of the network, start the network with --behind-proxy.`,
  )
