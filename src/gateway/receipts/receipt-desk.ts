/**
 * Receipts at the gateway. What is metered becomes the next receipt of its node's chain, before the reading is written; once
 * that is durable, the newest link of the chain is signed for the network and shown to the node, which checks every receipt
 * behind it and signs, too:
 *
 *   metered → durable → offered (every 250 ms, or 256 of them) → signed by both → settled (in the ledger, and known there)
 *
 * No signature is on the path of a request, and there are at most `HEADS_PER_TICK` of them per tick, however many nodes: a head
 * then covers more. Of a node that is gone the coordinator knows the receipts by its readings, and shows them to it elsewhere.
 */
import type { Bus, Clock, Crypto, Log, Secrets } from '#host/host.ts'
import { PROTOCOL_WITH_EVIDENCE } from '#protocol/agent-version.ts'
import { decodeJson, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import {
  type ChainFacts,
  type ChainPosition,
  ReceiptLeftovers,
  type ReceiptsOrder,
  ReceiptsSay,
  receiptLeftoversTo,
} from '#protocol/receipts.ts'
import type { UsagePart, UsageRecord } from '#protocol/usage.ts'
import { chainSecret, type Mac, payerMark } from '#receipts/receipt-secrets.ts'
import { type Digest, filesDigest, linksOf, networkHeadText, nodeHeadText } from '#receipts/receipt-text.ts'
import type { Directory } from '../directory.ts'
import type { NetworkIdentity } from '../network-prover.ts'
import { type MeteredPart, NodeChain, type StreamEvidence } from './node-chain.ts'
import { createReceiptReport } from './receipt-report.ts'

/** What the desk needs of a connection. */
export interface ReceiptNode {
  readonly nodeId: string
  readonly session: number
  /** Of the agent protocol, as agreed on. */
  readonly protocol: number
  send(message: Uint8Array): void
}

export interface MadeResult {
  readonly jobId: string
  readonly step: number
  readonly task: number
  readonly fence: number
  readonly outputs: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[]
  readonly wallMs: number
}

export interface ReceiptDesk {
  /** Of a stream that is about to be opened; null where the node signs nothing. */
  begin(node: ReceiptNode, stream: number): StreamEvidence | null
  /** Hash of what the stream was sent. */
  hash(payload: Uint8Array): string
  /** The reading with the receipts of its parts; to be written in the order in which it is stamped. */
  stamp(record: UsageRecord): UsageRecord
  durable(record: UsageRecord): void
  /** The result of a task was taken. */
  made(node: ReceiptNode, result: MadeResult): void
  /** Takes the payload of a `receipts` frame. Throws for what no agent says: it costs the node its connection. */
  hear(node: ReceiptNode, payload: Uint8Array): void
  lost(node: ReceiptNode): void
  close(): void
}

interface ReceiptDeskParts {
  readonly bus: Bus
  readonly clock: Clock
  readonly crypto: Crypto
  readonly log: Log
  readonly secrets: Secrets
  readonly directory: Pick<Directory, 'node' | 'cellNowMs'>
}

interface Offered extends ChainPosition {
  readonly signature: string
  readonly facts: ChainFacts | null
  readonly extra: readonly { number: number; text: string }[]
}
interface NodeEntry {
  readonly node: ReceiptNode
  /** Where the node's chains of before ended, as it says. */
  last: ChainPosition | null
  readonly chains: Map<ChainFacts['of'], NodeChain>
  /** What it has not answered, by chain and number. */
  readonly offered: Map<string, Offered>
  budget: number
  budgetAtMs: number
}

const TICK_MS = 250
const HEADS_PER_TICK = 16
const RUN_MAX = 256
/** Unanswered, beyond which a node is shown no more. */
const OFFERED_MAX = 16
const SAY_BYTES_MAX = 1024 * 1024
const BUDGET_MAX = 200
const BUDGET_PER_SECOND = 20
const BYTES_PER_UNIT = 16 * 1024
const PAYERS_MAX = 10_000

const encoder = new TextEncoder()
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Without an identity of the network nobody signs, and there are no receipts. */
export function createReceiptDesk(
  parts: ReceiptDeskParts,
  options: { gatewayId: string; keySecret: string; network: NetworkIdentity | null },
): ReceiptDesk {
  const { bus, clock, crypto, log, secrets, directory } = parts
  const { gatewayId, keySecret, network } = options
  const digest: Digest = (data) => Buffer.from(crypto.sha256(data)).toString('base64url')
  const mac: Mac = (data) => Buffer.from(crypto.hmacSha256(keySecret, data)).toString('base64url')
  const secretOf = (chain: string): string => chainSecret(mac, chain)
  const entries = new Map<ReceiptNode, NodeEntry>()
  const byNodeId = new Map<string, NodeEntry>()
  const chains = new Map<string, { chain: NodeChain; entry: NodeEntry }>()
  const due = new Set<NodeChain>()
  const payers = new Map<string, string>()
  let isTicking = false
  let isClosed = false
  const report = createReceiptReport(parts, {
    gatewayId,
    onSettled(chain, number) {
      const entry = chains.get(chain)?.entry ?? claimants.get(chain)
      if (entry) tell(entry, { kind: 'settled', chain, number })
    },
  })
  /** Who brought what of a chain that is not this gateway's. */
  const claimants = new Map<string, NodeEntry>()

  function entryOf(node: ReceiptNode): NodeEntry {
    const known = entries.get(node)
    if (known) return known
    const entry: NodeEntry = {
      ...{ node, last: null, chains: new Map(), offered: new Map() },
      ...{ budget: BUDGET_MAX, budgetAtMs: clock.elapsedMs() },
    }
    entries.set(node, entry)
    byNodeId.set(node.nodeId, entry)
    return entry
  }

  const tell = ({ node }: NodeEntry, order: ReceiptsOrder): void =>
    node.send(encodeJsonFrame(FrameType.receipts, 0, order))

  function chainOf(node: ReceiptNode, of: ChainFacts['of']): NodeChain | null {
    if (!network || node.protocol < PROTOCOL_WITH_EVIDENCE) return null
    const entry = entryOf(node)
    const known = entry.chains.get(of)
    if (known) return known
    const nodeKey = directory.node(node.nodeId)?.publicKey
    if (nodeKey === undefined) return null
    const chain = new NodeChain(
      { digest, secretOf },
      {
        ...{ of, network: network.keys.publicKeyHex, node: node.nodeId, nodeKey, gateway: gatewayId },
        ...{ session: node.session, nonce: toHex(secrets.randomBytes(16)), previous: entry.last },
      },
    )
    entry.chains.set(of, chain)
    chains.set(chain.id, { chain, entry })
    return chain
  }

  function payerOf(chain: string, keyId: string): string {
    const name = `${chain} ${keyId}`
    const known = payers.get(name)
    if (known !== undefined) return known
    const made = payerMark(mac, { chain, keyId })
    if (payers.size >= PAYERS_MAX) payers.clear()
    payers.set(name, made)
    return made
  }

  function stampPart(kind: 'part' | 'race', record: UsageRecord, metered: MeteredPart): UsagePart {
    const { evidence, ...part } = metered
    if (!evidence) return part
    const { chain } = evidence.of
    const known = { record, part, payer: payerOf(chain.id, record.keyId), atMs: directory.cellNowMs() }
    return { ...part, receipt: chain.stamp(kind, known, evidence) }
  }

  function offerSoon(chain: NodeChain): void {
    due.add(chain)
    if (chain.ready >= RUN_MAX) offerChain(chain)
    if (isTicking) return
    isTicking = true
    clock.after(TICK_MS, tick)
  }

  function tick(): void {
    isTicking = false
    if (isClosed) return
    let left = HEADS_PER_TICK
    for (const chain of due) {
      if (left-- === 0) break
      due.delete(chain)
      offerChain(chain)
    }
    if (due.size === 0) return
    isTicking = true
    clock.after(TICK_MS, tick)
  }

  function offerChain(chain: NodeChain): void {
    const entry = chains.get(chain.id)?.entry
    if (!entry) return
    if (entry.offered.size >= OFFERED_MAX) return void due.add(chain)
    const run = chain.take()
    if (!run) return
    const { from, texts } = run
    const extra =
      chain.facts.of === 'tasks' ? texts.map((text, index) => ({ number: from + index, text })) : []
    offer(entry, { chain: chain.id, ...run, facts: chain.facts, extra })
    if (chain.ready > 0) due.add(chain)
  }

  function offer(
    entry: NodeEntry,
    shown: {
      chain: string
      from: number
      before: string
      texts: readonly string[]
      number: number
      hash: string
      session?: number | undefined
      facts: ChainFacts | null
      extra: Offered['extra']
    },
  ): void {
    if (!network) return
    const { chain, from, before, texts, number, hash, facts, extra } = shown
    const text = encoder.encode(networkHeadText({ chain, number, hash }))
    const signature = toHex(crypto.sign(network.keys.privateKeyHex, text))
    entry.offered.set(`${chain} ${number}`, { chain, number, hash, signature, facts, extra })
    const run = { chain, from, before, receipts: [...texts] }
    const session = shown.session ?? facts?.session
    tell(entry, { kind: 'offer', ...run, facts, ...(session !== undefined && { session }), hash, signature })
  }

  function hearSigned(entry: NodeEntry, said: Extract<ReceiptsSay, { kind: 'signed' }>): void {
    const name = `${said.chain} ${said.number}`
    const offered = entry.offered.get(name)
    // Said twice, or of an offer that this gateway has forgotten.
    if (!offered) return
    const { chain, number, hash, signature, facts, extra } = offered
    const nodeKey = directory.node(entry.node.nodeId)?.publicKey ?? ''
    const text = encoder.encode(nodeHeadText({ chain, number, hash }, said.disputes))
    if (!crypto.verify(nodeKey, text, Buffer.from(said.signature, 'hex')))
      throw new Problem('invalid_request', 'A node signed a head of its receipts with another key than its own.')
    entry.offered.delete(name)
    const { nodeId } = entry.node
    if (said.disputes.length > 0)
      log.warn('receipts.disputed', { nodeId, chain, number, disputes: JSON.stringify(said.disputes.slice(0, 8)) })
    const { disputes } = said
    const head = { chain, number, hash, networkSignature: signature, nodeSignature: said.signature, disputes }
    report.signed({ nodeId, facts, head, extra: [...extra] })
  }

  function spend(entry: NodeEntry, bytes: number): void {
    const nowMs = clock.elapsedMs()
    const earned = ((nowMs - entry.budgetAtMs) * BUDGET_PER_SECOND) / 1_000
    entry.budget = Math.min(BUDGET_MAX, entry.budget + earned) - (1 + bytes / BYTES_PER_UNIT)
    entry.budgetAtMs = nowMs
    if (entry.budget < 0 || bytes > SAY_BYTES_MAX)
      throw new Problem('rate_limited', 'A node says more of receipts than there can be to say.')
  }

  const leftovers = bus.subscribe(receiptLeftoversTo(gatewayId), (message) => {
    if (isClosed || !network) return
    const parsed = ReceiptLeftovers.safeParse(JSON.parse(message))
    if (!parsed.success) return log.error('bus.message_malformed', { subject: 'receipts' })
    for (const { nodeId, chain, session, from, before, receipts: texts } of parsed.data.offers) {
      const entry = byNodeId.get(nodeId)
      // Its own chains it is shown anyway.
      if (!entry || chains.has(chain) || entry.offered.size >= OFFERED_MAX || texts.length === 0) continue
      const hash = linksOf(digest, { chain, from, before, texts }).at(-1) ?? before
      const number = from + texts.length - 1
      claimants.set(chain, entry)
      offer(entry, { chain, from, before, texts, number, hash, session, facts: null, extra: [] })
    }
  })

  return {
    begin: (node, stream) => chainOf(node, 'requests')?.begin(stream) ?? null,
    hash: digest,
    stamp(record) {
      const { parts: metered, losers } = record
      if (metered.length === 0 && !losers) return record
      return {
        ...record,
        parts: metered.map((part) => stampPart('part', record, part)),
        ...(losers && { losers: losers.map((loser) => stampPart('race', record, loser)) }),
      }
    },
    durable({ parts: billed, losers = [] }) {
      for (const { receipt } of [...billed, ...losers]) {
        const chain = receipt && chains.get(receipt.chain)?.chain
        if (!chain) continue
        chain.durable(receipt.number)
        offerSoon(chain)
      }
    },
    made(node, { jobId: job, step, task, fence, outputs, wallMs }) {
      const chain = chainOf(node, 'tasks')
      if (!chain) return
      const outputBytes = outputs.reduce((sum, { bytes }) => sum + bytes, 0)
      chain.add({
        ...{ kind: 'task', node: node.nodeId, job, step, task, fence, output: filesDigest(digest, outputs) },
        ...{ files: outputs.length, outputBytes, wallMs, atMs: directory.cellNowMs() },
      })
      offerSoon(chain)
    },
    hear(node, payload) {
      if (isClosed) return
      if (node.protocol < PROTOCOL_WITH_EVIDENCE)
        throw new Problem('invalid_request', 'An agent speaks of receipts and agreed on a version without them.')
      const entry = entryOf(node)
      spend(entry, payload.length)
      const said = ReceiptsSay.parse(decodeJson(payload))
      const { nodeId } = node
      switch (said.kind) {
        case 'hello':
          entry.last = said.last
          return
        case 'signed':
          return hearSigned(entry, said)
        case 'refused':
          entry.offered.delete(`${said.chain} ${said.number}`)
          return log.warn('receipts.refused', { nodeId, chain: said.chain, number: said.number, why: said.why })
        case 'claim':
          claimants.set(said.chain, entry)
          return report.claim({ nodeId, claim: said })
      }
    },
    lost(node) {
      const entry = entries.get(node)
      if (!entry) return
      entries.delete(node)
      if (byNodeId.get(node.nodeId) === entry) byNodeId.delete(node.nodeId)
      for (const chain of entry.chains.values()) {
        chains.delete(chain.id)
        due.delete(chain)
        report.forget(chain.id)
      }
      for (const [chain, claimant] of claimants) if (claimant === entry) claimants.delete(chain)
    },
    close() {
      isClosed = true
      leftovers.close()
      report.close()
    },
  }
}
