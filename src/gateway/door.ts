/** The door of a gateway: a link comes in, is asked who it is, and becomes a node's connection or is shown out. */
import type { Clock, Link, LinkHandlers, Secrets } from '#host/host.ts'
import { type Challenge, type Deny, Hello } from '#protocol/agent-link.ts'
import { decodeFrames, decodeJson, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { quickReader } from '#protocol/quick-reader.ts'
import type { HelloFlood } from './hello-flood.ts'
import type { NetworkProver } from './network-prover.ts'
import type { NodeConnection } from './node-connection.ts'
import { type HelloJudge, refuseHello } from './refuse-hello.ts'

export interface DoorParts {
  readonly gatewayId: string
  readonly prover: NetworkProver
  readonly judge: HelloJudge
  readonly flood: HelloFlood
  /** Makes the link the connection of the node that said hello. */
  admit(link: Link, hello: Hello, challenge: Challenge): NodeConnection
  /** The link of an admitted connection closed. */
  gone(connection: NodeConnection, how: { readonly code: number; readonly reason: string }): void
}

/** An agent that connected must prove itself within this time. */
const HELLO_WITHIN_MS = 5_000

/** Gives the handlers for a new agent link; the challenge is on its way by then. */
export function createDoor(
  { clock, secrets }: { clock: Clock; secrets: Pick<Secrets, 'randomBytes'> },
  { gatewayId, prover, judge, flood, admit, gone }: DoorParts,
): (link: Link) => LinkHandlers {
  return (link) => {
    const nonce = Buffer.from(secrets.randomBytes(16)).toString('hex')
    const challenge: Challenge = { nonce, gatewayId, versions: prover.versions }
    let connection: NodeConnection | null = null
    let isOver = false
    const unproven = flood.wait(() => {
      isOver = true
      link.close(1013, 'too many connections')
    })
    const deadline = clock.after(HELLO_WITHIN_MS, () => {
      if (connection) return
      isOver = true
      link.close(1008, 'no hello')
    })

    function receiveHello(message: Uint8Array): void {
      unproven.over()
      const parsed = readHello(message)
      if (!parsed) {
        isOver = true
        return link.close(1002, 'hello expected')
      }
      const reason = refuseHello(judge, parsed, challenge)
      if (!reason) {
        connection = admit(link, parsed, challenge)
        return
      }
      isOver = true
      const { code } = reason
      flood.denied({ code, nodeId: parsed.nodeId, agentVersion: parsed.agentVersion })
      if (!flood.mayAnswer()) return link.close(1013, 'too many refusals')
      const proof = prover.prove({ hello: parsed, challenge, verdict: code })
      link.send(encodeJsonFrame(FrameType.deny, 0, { ...reason, proof } satisfies Deny))
      link.close(1008, code)
    }

    link.send(encodeJsonFrame(FrameType.challenge, 0, challenge))
    return {
      onMessage(message) {
        if (connection) connection.receive(message)
        else if (!isOver) receiveHello(message)
      },
      onClose(code, reason) {
        deadline.cancel()
        unproven.over()
        if (connection) gone(connection, { code, reason })
      },
    }
  }
}

const hello = quickReader(Hello)

/** Null for what is no hello: hostile input, and the caller closes the link. */
function readHello(message: Uint8Array): Hello | null {
  try {
    const frame = decodeFrames(message)[0]
    return frame?.type === FrameType.hello ? hello.parse(decodeJson(frame.payload)) : null
  } catch {
    return null
  }
}
