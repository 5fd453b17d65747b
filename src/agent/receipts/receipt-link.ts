/**
 * Receipts on the node's side, over one connection after the other. What the gateway shows is held against what this node knows
 * to have delivered; it signs all the same, and says with its signature which of them it disputes. What does not fit to what it
 * signed before it does not sign.
 */
import { digestOf } from '#host/digest-of.ts'
import type { Clock, Crypto, KeyPair, Link, Log } from '#host/host.ts'
import { PROTOCOL_WITH_EVIDENCE } from '#protocol/agent-version.ts'
import { decodeJson, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { quickReader } from '#protocol/quick-reader.ts'
import {
  ReceiptBody,
  type ReceiptDispute,
  type ReceiptsOffer,
  ReceiptsOrder,
  type ReceiptsSay,
  type SignedHead,
} from '#protocol/receipts.ts'
import {
  chainId,
  type Digest,
  linksOf,
  networkHeadText,
  nodeHeadText,
  receiptText,
} from '#receipts/receipt-text.ts'
import type { AgentStreams } from '../agent-streams.ts'
import { Delivered, type StreamNote } from './delivered.ts'
import type { ReceiptBook } from './receipt-book.ts'

export interface ReceiptConnection {
  readonly link: Link
  /** Of the agent protocol, as agreed on. */
  readonly protocol: number
  readonly session: number
  /** What the network proved to have; null where it proved nothing: nothing is signed for it. */
  readonly networkKey: string | null
}

export interface ReceiptLink {
  /** What is noted of the requests of a connection that serves from now on; null where nothing is signed. */
  watch(connection: ReceiptConnection): StreamWatch | null
  /** The streams of that connection, together with what is said of receipts on it. */
  open(streams: AgentStreams, connection: ReceiptConnection): AgentStreams
  /** Made by the node's own account, whichever connection delivers it. */
  made: Delivered['made']
}
export interface StreamWatch {
  /** `wire` is what `payload` says. */
  begin(stream: number, payload: Uint8Array, wire: unknown): StreamNote | null
  /** The gateway stopped it. */
  cut(stream: number): void
}

interface Parts {
  readonly clock: Clock
  readonly crypto: Crypto
  readonly log: Log
}

/** Connections of which the node still knows what it delivered. */
const SESSIONS_MAX = 8
const CLAIM_EVERY_MS = 5_000
/** The same copy is brought again after this, unless it was settled. */
const CLAIM_AGAIN_MS = 60_000

const receiptsOrder = quickReader(ReceiptsOrder)
const encoder = new TextEncoder()
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Without a book nothing is signed. */
export function createReceiptLink(
  { clock, crypto, log }: Parts,
  { nodeId, keys, book }: { nodeId: string; keys: KeyPair; book: ReceiptBook | undefined },
): ReceiptLink {
  const digest: Digest = digestOf(crypto)
  const sessions = new Map<number, Delivered>()
  let now: { connection: ReceiptConnection; delivered: Delivered } | null = null
  const claimedAtMs = new Map<string, number>()
  const ownChains = new Set<string>()

  const say = (said: ReceiptsSay): void =>
    now?.connection.link.send(encodeJsonFrame(FrameType.receipts, 0, said))

  function receive(order: ReceiptsOrder): void {
    if (order.kind === 'settled') {
      book?.settle(order.chain, order.number)
      if (!ownChains.has(order.chain)) claim()
      return
    }
    const { chain, from, receipts } = order
    const number = from + receipts.length - 1
    const known = book?.signed(chain, number)
    if (known) return sayHead(known.head)
    const why = whyNot(order)
    if (why !== null) {
      log.warn('receipts.refused', { chain, number, why })
      if (number > 0) say({ kind: 'refused', chain, number, why })
      return
    }
    sign(order, number)
  }

  const sayHead = (head: {
    chain: string
    number: number
    nodeSignature: string
    disputes: ReceiptDispute[]
  }) =>
    say({
      ...{ kind: 'signed', chain: head.chain, number: head.number },
      ...{ signature: head.nodeSignature, disputes: head.disputes },
    })

  /** Why the node does not stand for it, whatever it delivered. */
  function whyNot(offer: ReceiptsOffer): 'signature' | 'chain' | 'receipt' | null {
    const { chain, from, before, receipts: texts, facts, hash, signature } = offer
    const networkKey = now?.connection.networkKey ?? ''
    if (texts.length === 0) return 'receipt'
    if (facts) {
      const isOurs =
        facts.node === nodeId && facts.nodeKey === keys.publicKeyHex && facts.network === networkKey
      if (!isOurs || chainId(digest, facts) !== chain) return 'chain'
    }
    const links = linksOf(digest, { chain, from, before, texts })
    if (links.at(-1) !== hash || (from === 1 && before !== chain)) return 'chain'
    const known = book?.positionOf(chain)
    // Of this very connection: it refused, or never saw, those before.
    if (!known && facts && from > 1) return 'chain'
    if (known) {
      if (from > known.number + 1) return 'chain'
      const there = from === known.number + 1 ? before : links[known.number - from]
      if (there !== known.hash) return 'chain'
    }
    const number = from + texts.length - 1
    const text = encoder.encode(networkHeadText({ chain, number, hash }))
    if (!crypto.verify(networkKey, text, Buffer.from(signature, 'hex'))) return 'signature'
    return texts.every((receipt) => readReceipt(receipt)?.node === nodeId) ? null : 'receipt'
  }

  /**
   * Which requests the chain is about, where this process was there. The number of a session does not tell by itself: after a start with a
   * clock that went back, at a gateway that knows of none before, one comes again.
   */
  function deliveredOf({ chain, session, facts, receipts }: ReceiptsOffer): Delivered | undefined {
    const delivered = session === undefined ? undefined : sessions.get(session)
    if (!delivered) return undefined
    const isNow = delivered === now?.delivered
    // A connection's own chain begins with its facts.
    if (isNow && facts?.of === 'requests') delivered.chain ??= chain
    if (delivered.chain === chain) return delivered
    if (delivered.chain !== null || isNow) return undefined
    const isOther = receipts.some((text) => {
      const body = readReceipt(text)
      return body !== null && !delivered.mayBeOf(body)
    })
    return isOther ? undefined : delivered
  }

  function sign(offer: ReceiptsOffer, number: number): void {
    const { chain, from, before, receipts, facts, hash, signature } = offer
    const delivered = deliveredOf(offer)
    const disputes = receipts.flatMap((text, index): ReceiptDispute[] => {
      const body = readReceipt(text)
      const at = from + index
      // Results are known by their fence, whichever connection they were delivered on.
      const known = body?.kind === 'task' ? now?.delivered : delivered
      if (!body || !known) return [{ number: at, why: 'unknown' }]
      const dispute = known.disputeOf(at, body)
      known.forget(body)
      return dispute ? [dispute] : []
    })
    if (disputes.length > 0)
      log.warn('receipts.disputed', { chain, disputes: JSON.stringify(disputes.slice(0, 8)) })
    const position = { chain, number, hash }
    const text = encoder.encode(nodeHeadText(position, disputes))
    const nodeSignature = toHex(crypto.sign(keys.privateKeyHex, text))
    const head = { ...position, networkSignature: signature, nodeSignature, disputes }
    if (facts) ownChains.add(chain)
    book?.add({ kind: 'claim', chain, from, before, receipts, facts, head }, () => sayHead(head))
  }

  /** Brings the oldest copy that is not of this connection, one at a time: most are settled by now. */
  function claim(): void {
    if (!now || !book) return
    const nowMs = clock.elapsedMs()
    for (const run of book.unsettled()) {
      if (ownChains.has(run.chain)) continue
      const name = `${run.chain} ${run.head.number}`
      if (nowMs - (claimedAtMs.get(name) ?? Number.NEGATIVE_INFINITY) < CLAIM_AGAIN_MS) continue
      claimedAtMs.set(name, nowMs)
      return say(run)
    }
  }

  function claimNowAndThen(connection: ReceiptConnection): void {
    const again = (): void => {
      if (now?.connection !== connection) return
      claim()
      clock.after(CLAIM_EVERY_MS, again)
    }
    clock.after(CLAIM_EVERY_MS, again)
  }

  const signs = ({ protocol, networkKey }: ReceiptConnection): boolean =>
    book !== undefined && protocol >= PROTOCOL_WITH_EVIDENCE && networkKey !== null

  return {
    watch(connection) {
      if (!signs(connection)) return null
      const delivered = new Delivered(connection.session, digest)
      const before = now?.delivered ?? [...sessions.values()].at(-1)
      if (before) delivered.takeTasksOf(before)
      sessions.set(connection.session, delivered)
      const oldest = sessions.keys().next()
      if (sessions.size > SESSIONS_MAX && !oldest.done) sessions.delete(oldest.value)
      return {
        begin(stream, payload, wire) {
          const { salt } = wire as { salt?: unknown }
          return typeof salt === 'string' ? delivered.begin(stream, payload, salt) : null
        },
        cut: (stream) => delivered.cut(stream),
      }
    },
    open(streams, connection) {
      const delivered = sessions.get(connection.session)
      if (!signs(connection) || !book || !delivered) return unsigned(streams, connection)
      now = { connection, delivered }
      ownChains.clear()
      claimedAtMs.clear()
      book.onReady(() => {
        if (now?.connection !== connection) return
        say(helloOf(book.last()))
        claimNowAndThen(connection)
      })
      return {
        ...streams,
        receive(frame) {
          if (frame.type !== FrameType.receipts) return streams.receive(frame)
          const order = receiptsOrder.parse(decodeJson(frame.payload))
          book.onReady(() => {
            if (now?.connection === connection) receive(order)
          })
        },
        close() {
          delivered.isOver = true
          if (now?.connection === connection) now = null
          streams.close()
        },
      }
    },
    made: (fence, outputs) => (now?.delivered ?? [...sessions.values()].at(-1))?.made(fence, outputs),
  }
}

/** Where the node's chains ended, with the network's own word for it. */
function helloOf(last: SignedHead | null): ReceiptsSay {
  if (!last) return { kind: 'hello', last }
  const { chain, number, hash, networkSignature: signature } = last
  return { kind: 'hello', last: { chain, number, hash }, signature }
}

/** A gateway shows receipts to every agent of this version: what is not signed is left unanswered, and costs no connection. */
const unsigned = (streams: AgentStreams, { protocol }: ReceiptConnection): AgentStreams =>
  protocol < PROTOCOL_WITH_EVIDENCE
    ? streams
    : {
        ...streams,
        receive: (frame) => (frame.type === FrameType.receipts ? undefined : streams.receive(frame)),
      }

/** Null for what no receipt says, or says otherwise than receipts are written. */
function readReceipt(text: string): ReceiptBody | null {
  try {
    const parsed = ReceiptBody.safeParse(JSON.parse(text))
    return parsed.success && receiptText(parsed.data) === text ? parsed.data : null
  } catch {
    return null // Not even JSON: a gateway that says such a thing gets no signature.
  }
}
