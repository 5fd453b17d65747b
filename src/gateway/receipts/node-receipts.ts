/** The receipts of one connection: what its node was shown, and what it signed. */
import type { Clock, Crypto, KeyPair, Log } from '#host/host.ts'
import { encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import type {
  ChainFacts,
  ChainPosition,
  ExtraReceipt,
  ReceiptNews,
  ReceiptsOrder,
  ReceiptsSay,
} from '#protocol/receipts.ts'
import { networkHeadText, nodeHeadText } from '#receipts/receipt-text.ts'
import type { Directory } from '../directory.ts'
import type { ChainRun, NodeChain } from './node-chain.ts'

/** What is needed of a connection. */
export interface ReceiptNode {
  readonly nodeId: string
  readonly session: number
  /** Of the agent protocol, as agreed on. */
  readonly protocol: number
  send(message: Uint8Array): void
}

interface Offered extends ChainPosition {
  readonly signature: string
  readonly facts: ChainFacts | null
  readonly extra: readonly ExtraReceipt[]
}

/** Receipts that are shown to a node; of a chain of another connection without what it began with. */
export interface Shown extends ChainRun {
  readonly chain: string
  readonly session?: number | undefined
  readonly facts: ChainFacts | null
}

interface Parts {
  readonly clock: Clock
  readonly crypto: Crypto
  readonly log: Log
  readonly directory: Pick<Directory, 'node'>
}

/** Unanswered, beyond which a node is shown no more. */
const OFFERED_MAX = 16
/** Beyond them the oldest are not told of: their copies come again. */
const AWAITED_MAX = 64
const SAY_BYTES_MAX = 1024 * 1024
const BUDGET_MAX = 200
const BUDGET_PER_SECOND = 20
const BYTES_PER_UNIT = 16 * 1024

const encoder = new TextEncoder()
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

export class NodeReceipts {
  /** Where the node's chains of before ended, as the network signed it. */
  last: ChainPosition | null = null
  /** Chains of other connections that it is told of once they are settled; the newest last. */
  readonly awaited = new Set<string>()
  readonly chains = new Map<ChainFacts['of'], NodeChain>()
  readonly #node: ReceiptNode
  readonly #parts: Parts
  readonly #networkKeys: KeyPair | null
  readonly #onSigned: (one: ReceiptNews['signed'][number]) => void
  /** What it has not answered, by chain and number. */
  readonly #offered = new Map<string, Offered>()
  /** Its own chains of which it refused some: the coordinator has the receipts, and shows them where the node is next. */
  readonly #refused = new Set<NodeChain>()
  #budget = BUDGET_MAX
  #budgetAtMs: number

  constructor(
    parts: Parts,
    of: {
      node: ReceiptNode
      networkKeys: KeyPair | null
      onSigned: (one: ReceiptNews['signed'][number]) => void
    },
  ) {
    this.#parts = parts
    this.#node = of.node
    this.#networkKeys = of.networkKeys
    this.#onSigned = of.onSigned
    this.#budgetAtMs = parts.clock.elapsedMs()
  }

  /**
   * A position becomes a part of what the network signs, and of what others' files must fit to: it is taken with the network's
   * own signature under it, and never on the node's word.
   */
  hello({ last, signature }: Extract<ReceiptsSay, { kind: 'hello' }>): void {
    this.last = null
    const keys = this.#networkKeys
    // An agent of an older release does not show the signature.
    if (!last || !keys || signature === undefined) return
    const { crypto, log } = this.#parts
    const text = encoder.encode(networkHeadText(last))
    if (crypto.verify(keys.publicKeyHex, text, Buffer.from(signature, 'hex'))) this.last = last
    else
      log.warn('receipts.last_forged', { nodeId: this.#node.nodeId, chain: last.chain, number: last.number })
  }

  /** Gives the chain that it is told of no more for this one: a node may name as many as it likes. */
  awaitChain(chain: string): string | null {
    this.awaited.delete(chain)
    this.awaited.add(chain)
    const oldest = this.awaited.values().next()
    if (this.awaited.size <= AWAITED_MAX || oldest.done) return null
    this.awaited.delete(oldest.value)
    return oldest.value
  }

  tell(order: ReceiptsOrder): void {
    this.#node.send(encodeJsonFrame(FrameType.receipts, 0, order))
  }

  /** Throws for a node that says more than any agent would. */
  spend(bytes: number): void {
    const nowMs = this.#parts.clock.elapsedMs()
    const earned = ((nowMs - this.#budgetAtMs) * BUDGET_PER_SECOND) / 1_000
    this.#budget = Math.min(BUDGET_MAX, this.#budget + earned) - (1 + bytes / BYTES_PER_UNIT)
    this.#budgetAtMs = nowMs
    if (this.#budget < 0 || bytes > SAY_BYTES_MAX)
      throw new Problem('rate_limited', 'A node says more of receipts than there can be to say.')
  }

  /** Shows it the next receipts of its own chain; false while it has too many to answer. */
  offerChain(chain: NodeChain): boolean {
    if (this.#offered.size >= OFFERED_MAX) return false
    const run = chain.take()
    if (run && !this.#refused.has(chain)) this.offer({ chain: chain.id, ...run, facts: chain.facts })
    return true
  }

  offer({ chain, from, before, texts, number, hash, extra, session, facts }: Shown): void {
    const keys = this.#networkKeys
    if (!keys || this.#offered.size >= OFFERED_MAX) return
    const text = encoder.encode(networkHeadText({ chain, number, hash }))
    const signature = toHex(this.#parts.crypto.sign(keys.privateKeyHex, text))
    this.#offered.set(`${chain} ${number}`, { chain, number, hash, signature, facts, extra })
    const known = session ?? facts?.session
    this.tell({
      ...{ kind: 'offer', chain, from, before, receipts: [...texts], facts },
      ...(known !== undefined && { session: known }),
      ...{ hash, signature },
    })
  }

  /** It will not sign this, ever, nor what is behind it: a signature there would stand for this, too. */
  refused({ chain, number }: { chain: string; number: number }): void {
    for (const [name, offered] of this.#offered)
      if (offered.chain === chain && offered.number >= number) this.#offered.delete(name)
    for (const own of this.chains.values()) if (own.id === chain) this.#refused.add(own)
  }

  hearSigned(said: Extract<ReceiptsSay, { kind: 'signed' }>): void {
    const { crypto, directory, log } = this.#parts
    const name = `${said.chain} ${said.number}`
    const offered = this.#offered.get(name)
    // Said twice.
    if (!offered) return
    const { nodeId } = this.#node
    const { chain, number, hash, signature, facts, extra } = offered
    const { disputes } = said
    const nodeKey = directory.node(nodeId)?.publicKey ?? ''
    const text = encoder.encode(nodeHeadText({ chain, number, hash }, disputes))
    if (!crypto.verify(nodeKey, text, Buffer.from(said.signature, 'hex')))
      throw new Problem('invalid_request', 'A node signed its receipts with another key than its own.')
    this.#offered.delete(name)
    if (disputes.length > 0)
      log.warn('receipts.disputed', { nodeId, chain, number, disputes: JSON.stringify(disputes.slice(0, 8)) })
    const head = {
      ...{ chain, number, hash, networkSignature: signature, nodeSignature: said.signature },
      disputes,
    }
    this.#onSigned({ nodeId, facts, head, extra: [...extra] })
  }
}
