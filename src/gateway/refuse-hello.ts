import type { Crypto } from '#host/host.ts'
import { type Challenge, type Deny, type Hello, helloText } from '#protocol/agent-link.ts'
import type { Directory } from './directory.ts'
import type { NetworkProver } from './network-prover.ts'

export interface HelloJudge {
  readonly crypto: Pick<Crypto, 'verify'>
  readonly directory: Pick<Directory, 'node'>
  readonly prover: Pick<NetworkProver, 'refuse'>
  /** The newest session of the node that is connected here; 0 when none is. */
  sessionHere(nodeId: string): number
  /** An agent named a node that the directory does not know yet. */
  onUnknownNode(): void
}

const encoder = new TextEncoder()

/** Null when `hello` is a good answer to `challenge`, else why not: an earlier fault hides the later ones. */
export function refuseHello(judge: HelloJudge, hello: Hello, challenge: Challenge): Deny | null {
  const { crypto, directory, prover } = judge
  const { nodeId, session } = hello
  const apart = prover.refuse(hello)
  if (apart) return apart
  const node = directory.node(nodeId)
  if (!node) {
    judge.onUnknownNode()
    const message = 'This network does not know the node. Enrol it with a new token.'
    return { code: 'node_unknown', message }
  }
  if (node.isBanned) return { code: 'node_banned', message: 'The node is banned. Ask the operator why.' }
  const text = encoder.encode(helloText({ ...challenge, nodeId, session }))
  const signature = hexToBytes(hello.signature)
  if (!signature || !crypto.verify(node.publicKey, text, signature)) {
    const message = 'The signature does not match the key that the node enrolled.'
    return { code: 'signature_wrong', message }
  }
  const newest = Math.max(node.session, judge.sessionHere(nodeId))
  if (session > newest) return null
  const message = 'A newer connection of this node is known.'
  return { code: 'session_stale', message, sessionMin: newest + 1 }
}

function hexToBytes(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return null
  return Buffer.from(text, 'hex')
}
