/** How one connection begins: the node proves its key, and the network its own, before either serves the other. */
import type { Crypto, KeyPair, Log, Secrets } from '#host/host.ts'
import { Admit, Challenge, Deny, type Hello, helloText } from '#protocol/agent-link.ts'
import type { VersionRange } from '#protocol/agent-version.ts'
import type { Bar } from '#protocol/cell.ts'
import { decodeJson, type Frame, FrameType } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import { quickReader } from '#protocol/quick-reader.ts'
import { type Meeting, meetNetwork, type NetworkPin } from './network-check.ts'

export type HandshakeStep =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | Admitted
  /** Another try may do better, with a session of at least `sessionMin`. */
  | { readonly kind: 'denied'; readonly sessionMin: number | null }
  /** `isLasting`: the network itself will not have this node. Otherwise this may not be the network. */
  | { readonly kind: 'refused'; readonly problem: Problem; readonly isLasting: boolean }

export interface Admitted {
  readonly kind: 'admitted'
  /** The version that was agreed on. */
  readonly protocol: number
  /** What the network showed; `null` where it proved nothing. */
  readonly networkKey: string | null
  /** What keeps the node from work; `null`: nothing, or the gateway does not say. */
  readonly barred: Bar | null
}

export interface Handshake {
  /** Null for a frame that is no part of it. Throws for one that is malformed. `tlsKey` is the link's. */
  receive(frame: Frame, tlsKey: string | null): HandshakeStep | null
}

export interface HandshakeOptions {
  readonly nodeId: string
  readonly keys: KeyPair
  readonly session: number
  readonly agentVersion: string
  readonly pin: NetworkPin
  readonly gatewayUrl: string
  readonly versions: VersionRange
  /** Without it the gateway is not asked whether the node gets work. */
  readonly onStanding?: (barred: Bar | null) => void
}

const encoder = new TextEncoder()
const readChallenge = quickReader(Challenge)
const readAdmit = quickReader(Admit)
const readDeny = quickReader(Deny)

export function beginHandshake(
  parts: { readonly crypto: Crypto; readonly log: Log; readonly secrets: Pick<Secrets, 'randomBytes'> },
  options: HandshakeOptions,
): Handshake {
  const { nodeId, keys, session, agentVersion } = options
  // Most tries to reach a gateway that is down never come to it.
  let met: Meeting | null = null
  const meeting = (): Meeting => {
    if (met) return met
    const { hostname: host, protocol } = new URL(options.gatewayUrl)
    met = meetNetwork(parts, { ...options, host, isTls: protocol === 'wss:' })
    return met
  }
  let agreed = 0

  function greet(challenge: Challenge): HandshakeStep {
    const greeting = meeting().greet(challenge)
    if (greeting instanceof Problem) return unfit(greeting)
    agreed = greeting.protocol
    const { nonce, gatewayId } = challenge
    const text = encoder.encode(helloText({ nonce, gatewayId, nodeId, session }))
    const signature = Buffer.from(parts.crypto.sign(keys.privateKeyHex, text)).toString('hex')
    const wish = options.onStanding ? { wantsStanding: true as const } : {}
    return { kind: 'hello', hello: { ...greeting, nodeId, session, signature, agentVersion, ...wish } }
  }

  function denied({ code, message, sessionMin }: Deny): HandshakeStep {
    parts.log.warn('agent.denied', { code, message })
    switch (code) {
      case 'session_stale':
        return { kind: 'denied', sessionMin: sessionMin ?? session + 1 }
      case 'node_unknown':
      case 'replaced':
        // The gateway may not have heard of this node yet: the next try tells.
        return { kind: 'denied', sessionMin: null }
      default: {
        const problem = new Problem('join_refused', `The network refused this node: ${message}`)
        return { kind: 'refused', problem, isLasting: code !== 'name_unknown' }
      }
    }
  }

  return {
    receive({ type, payload }, tlsKey) {
      switch (type) {
        case FrameType.challenge:
          return greet(readChallenge.parse(decodeJson(payload)))
        case FrameType.admit: {
          const { proof, standing } = readAdmit.parse(decodeJson(payload))
          const problem = meeting().check({ proof, verdict: 'admit', tlsKey })
          if (problem) return unfit(problem)
          return {
            kind: 'admitted',
            protocol: agreed,
            networkKey: proof?.publicKey ?? null,
            barred: standing?.barred ?? null,
          }
        }
        case FrameType.deny: {
          const deny = readDeny.parse(decodeJson(payload))
          const { proof, code } = deny
          // A network signs nothing for a name that it does not go by.
          const problem = code === 'name_unknown' ? null : meeting().check({ proof, verdict: code, tlsKey })
          return problem ? unfit(problem) : denied(deny)
        }
        default:
          return null
      }
    },
  }
}

const unfit = (problem: Problem): HandshakeStep => ({ kind: 'refused', problem, isLasting: false })
