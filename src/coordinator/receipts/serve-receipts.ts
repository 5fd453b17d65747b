/** Receipts at the coordinator: keeps what both sides signed, bills what only a node's copy brings, and has the rest signed. */
import { digestOf } from '#host/digest-of.ts'
import type { Bus, Clock, Crypto, Log } from '#host/host.ts'
import { HOUR_MS } from '#kernel/time.ts'
import { subjects } from '#protocol/cell.ts'
import { quickReader } from '#protocol/quick-reader.ts'
import {
  ReceiptBody,
  ReceiptLeftovers,
  ReceiptNews,
  ReceiptNewsReply,
  type ReceiptsClaim,
  receiptLeftoversTo,
} from '#protocol/receipts.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import type { Mac } from '#receipts/receipt-secrets.ts'
import { type Digest, linksOf, networkHeadText, nodeHeadText, receiptText } from '#receipts/receipt-text.ts'
import { decideMade, settledOf } from '#receipts/receipts.ts'
import type { Coordinator } from '../coordinator.ts'
import type { Turn } from '../turn.ts'
import { billClaim } from './bill-claim.ts'

export interface ReceiptServiceOptions {
  /** The network's public key, in hex. */
  readonly networkKey: string
  /** The network's own secret. */
  readonly keySecret: string
}

interface ReceiptServiceParts extends ReceiptServiceOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly crypto: Crypto
  readonly log: Log
  readonly coordinator: Coordinator
  readonly feeBps: number
}

const OFFER_EVERY_MS = 5_000
/** What a node does not sign it is shown again after this, and each further time after twice as long. */
const OFFER_AGAIN_MS = 20_000
const OFFER_AGAIN_MS_MAX = HOUR_MS
const OFFERS_PER_GATEWAY = 16
/** So that one that signs nothing leaves room for the others of its gateway. */
const OFFERS_PER_NODE = 2
const RECEIPTS_PER_OFFER = 64

/** What a node was shown last of a chain, and how many times of the same. */
interface Offered {
  readonly atMs: number
  readonly tries: number
  readonly signed: number
  readonly session: number | null
}

const againAfterMs = (tries: number): number =>
  Math.min(OFFER_AGAIN_MS * 2 ** Math.max(0, tries - 1), OFFER_AGAIN_MS_MAX)

const encoder = new TextEncoder()
const writeReply = jsonWriter(ReceiptNewsReply)
const receiptNews = quickReader(ReceiptNews)
const writeLeftovers = jsonWriter(ReceiptLeftovers)

export function serveReceipts(parts: ReceiptServiceParts): { close(): void } {
  const { bus, clock, crypto, log, coordinator, feeBps, networkKey, keySecret } = parts
  const { state } = coordinator
  const digest: Digest = digestOf(crypto)
  const mac: Mac = (data) => Buffer.from(crypto.hmacSha256(keySecret, data)).toString('base64url')
  const offered = new Map<string, Offered>()
  let isClosed = false

  /** What is wrong with a copy that a node brings: it is hostile input until both signatures hold. */
  function faultOf(
    nodeId: string,
    { chain, from, before, receipts: texts, head }: ReceiptsClaim,
  ): string | null {
    const nodeKey = state.fleet.nodes.get(nodeId)?.publicKey ?? ''
    if (head.chain !== chain || head.number !== from + texts.length - 1) return 'its numbers do not fit'
    const links = linksOf(digest, { chain, from, before, texts })
    if (links.at(-1) !== head.hash || (from === 1 && before !== chain)) return 'its links do not fit'
    const holds = (key: string, text: string, signature: string): boolean =>
      crypto.verify(key, encoder.encode(text), Buffer.from(signature, 'hex'))
    if (!holds(networkKey, networkHeadText(head), head.networkSignature)) return 'the network did not sign it'
    if (!holds(nodeKey, nodeHeadText(head, head.disputes), head.nodeSignature))
      return 'its node did not sign it'
    return texts.every((text) => isReceiptOf(text, nodeId))
      ? null
      : 'a receipt is not as receipts are written'
  }

  function hear(turn: Turn, news: ReceiptNews): ReceiptNewsReply {
    const asked = new Set(news.asked)
    for (const { nodeId, chain, facts, receipt } of news.made ?? []) {
      const made = { nodeId, chain, ...(facts && { facts }), receipt, atMs: turn.nowMs }
      const decided = decideMade(state.receipts, made)
      if (decided === 'node_other')
        log.error('receipts.conflict', { nodeId, chain, number: receipt.number, refusal: decided })
      else turn.record(decided)
    }
    for (const { nodeId, facts, head, extra: told } of news.signed) {
      const through = state.receipts.chains.get(head.chain)?.through ?? 0
      const extra = told.filter(({ number }) => number > through)
      const refusal = turn.signReceipts({
        ...{ nodeId, head, atMs: turn.nowMs },
        ...(facts && { facts }),
        ...(extra.length > 0 && { extra }),
      })
      if (refusal === 'head_conflicts' || refusal === 'node_other')
        log.error('receipts.conflict', { nodeId, chain: head.chain, number: head.number, refusal })
      asked.add(head.chain)
    }
    const over: ReceiptNewsReply['settled'] = []
    for (const { nodeId, claim } of news.claims) {
      const { chain, head } = claim
      const fault = faultOf(nodeId, claim)
      const outcome = fault === null ? billClaim(turn, { nodeId, claim }, { digest, mac, feeBps }) : 'wrong'
      if (outcome === 'early') continue
      if (outcome === 'settled') asked.add(chain)
      // Nothing can come of it any more: the node need not bring it again.
      else over.push({ chain, number: head.number })
      log.info('receipts.claimed', {
        nodeId,
        chain,
        number: head.number,
        outcome,
        ...(fault !== null && { fault }),
      })
    }
    const settled = [...asked].map((chain) => ({ chain, number: settledOf(state.receipts, chain) }))
    return { settled: [...settled, ...over] }
  }

  const served = bus.serve(subjects.receipts, (message, reply) => {
    const parsed = receiptNews.safeParse(parseJson(message))
    if (!parsed.success)
      return log.error('bus.message_malformed', { subject: subjects.receipts, message: parsed.error.message })
    coordinator.execute(
      (turn) => hear(turn, parsed.data),
      (result) => reply(writeReply(result)),
    )
  })

  /** Shows nodes what they have not signed of connections before, at the gateway where they are. */
  function offerLeftovers(): void {
    if (isClosed) return
    clock.after(OFFER_EVERY_MS, offerLeftovers)
    const nowMs = clock.elapsedMs()
    const byGateway = new Map<string, ReceiptLeftovers['offers']>()
    const byNode = new Map<string, number>()
    const waiting = [...state.receipts.chains].filter(([, { open }]) => open.length > 0)
    // What waited longest goes first, so that each has its turn.
    const shownAtMs = (chain: string): number => offered.get(chain)?.atMs ?? Number.MIN_SAFE_INTEGER
    waiting.sort(([a], [b]) => shownAtMs(a) - shownAtMs(b))
    for (const [chain, { nodeId, session, signed, signedHash, open }] of waiting) {
      const node = state.fleet.nodes.get(nodeId)
      const isHere = node?.presence === 'online' && node.gatewayId !== null && node.session !== session
      if (!isHere || open[0]?.number !== signed + 1) continue
      const before = offered.get(chain)
      const isSame = before?.signed === signed && before.session === node.session
      const tries = isSame ? before.tries + 1 : 1
      if (before && nowMs - before.atMs < againAfterMs(tries - 1)) continue
      const offers = byGateway.get(node.gatewayId ?? '') ?? []
      const ofNode = byNode.get(nodeId) ?? 0
      if (offers.length >= OFFERS_PER_GATEWAY || ofNode >= OFFERS_PER_NODE) continue
      byNode.set(nodeId, ofNode + 1)
      offered.set(chain, { atMs: nowMs, tries, signed, session: node.session })
      const receipts = open.slice(0, RECEIPTS_PER_OFFER).map(({ text }) => text)
      const run = { chain, from: signed + 1, before: signedHash, receipts }
      offers.push({ nodeId, ...(session !== null && { session }), ...run })
      byGateway.set(node.gatewayId ?? '', offers)
    }
    for (const chain of offered.keys()) if (!state.receipts.chains.has(chain)) offered.delete(chain)
    for (const [gatewayId, offers] of byGateway)
      bus.publish(receiptLeftoversTo(gatewayId), writeLeftovers({ offers }))
  }
  clock.after(OFFER_EVERY_MS, offerLeftovers)

  return {
    close() {
      isClosed = true
      served.close()
    },
  }
}

function isReceiptOf(text: string, nodeId: string): boolean {
  const parsed = ReceiptBody.safeParse(parseJson(text))
  return parsed.success && parsed.data.node === nodeId && receiptText(parsed.data) === text
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // The schema refuses it, with a message that says what was expected.
  }
}
