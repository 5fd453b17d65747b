/**
 * Receipts at the gateway. What is metered becomes the next receipt of its node's chain, before the reading is written; once
 * that is durable, the newest link of the chain is signed for the network and shown to the node, which checks every receipt
 * behind it and signs, too:
 *
 *   metered → durable → offered (every 250 ms, or 256 of them) → signed by both → settled (in the ledger, and known there)
 *
 * No signature is on the path of a request. Of a node that is gone the coordinator knows the receipts by its readings, and
 * shows them to it where it is then.
 */
import { digestOf } from '#host/digest-of.ts'
import type { Bus, Clock, Crypto, Log, Secrets, Subscription } from '#host/host.ts'
import { PROTOCOL_WITH_EVIDENCE } from '#protocol/agent-version.ts'
import { decodeJson } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'
import { quickReader } from '#protocol/quick-reader.ts'
import {
  type ChainFacts,
  type ReceiptBody,
  ReceiptLeftovers,
  ReceiptsSay,
  receiptLeftoversTo,
} from '#protocol/receipts.ts'
import type { UsagePart, UsageRecord } from '#protocol/usage.ts'
import { chainSecret, type Mac, payerMark } from '#receipts/receipt-secrets.ts'
import { type Digest, filesDigest, linksOf } from '#receipts/receipt-text.ts'
import type { Directory } from '../directory.ts'
import type { NetworkIdentity } from '../network-prover.ts'
import { type MeteredPart, NodeChain, type StreamEvidence } from './node-chain.ts'
import { NodeReceipts, type ReceiptNode } from './node-receipts.ts'
import { OfferQueue } from './offer-queue.ts'
import { createReceiptReport, type ReceiptReport } from './receipt-report.ts'

const receiptsSay = quickReader(ReceiptsSay)

export interface MadeResult {
  readonly jobId: string
  /** For whom. */
  readonly organisationId: string
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

export interface ReceiptDeskParts {
  readonly bus: Bus
  readonly clock: Clock
  readonly crypto: Crypto
  readonly log: Log
  readonly secrets: Secrets
  readonly directory: Pick<Directory, 'node' | 'cellNowMs'>
}

export interface ReceiptDeskOptions {
  readonly gatewayId: string
  readonly keySecret: string
  readonly network: NetworkIdentity | null
}

const PAYERS_MAX = 10_000

/** Without an identity of the network nobody signs, and there are no receipts. */
export function createReceiptDesk(parts: ReceiptDeskParts, options: ReceiptDeskOptions): ReceiptDesk {
  const desk = new Desk(parts, options)
  return {
    begin: (node, stream) => desk.begin(node, stream),
    hash: (payload) => desk.digest(payload),
    stamp: (record) => desk.stamp(record),
    durable: (record) => desk.durable(record),
    made: (node, result) => desk.made(node, result),
    hear: (node, payload) => desk.hear(node, payload),
    lost: (node) => desk.lost(node),
    close: () => desk.close(),
  }
}

class Desk {
  readonly digest: Digest
  readonly #mac: Mac
  readonly #parts: ReceiptDeskParts
  readonly #options: ReceiptDeskOptions
  readonly #nodes = new Map<ReceiptNode, NodeReceipts>()
  readonly #byNodeId = new Map<string, NodeReceipts>()
  readonly #chains = new Map<string, { chain: NodeChain; of: NodeReceipts }>()
  /** Who brought, or was shown, what of a chain of another connection, and up to which number. */
  readonly #claimants = new Map<string, { of: NodeReceipts; number: number }>()
  readonly #payers = new Map<string, string>()
  readonly #offers: OfferQueue
  readonly #report: ReceiptReport
  readonly #leftovers: Subscription
  #isClosed = false

  constructor(parts: ReceiptDeskParts, options: ReceiptDeskOptions) {
    const { bus, clock, crypto } = parts
    const { gatewayId, keySecret } = options
    this.#parts = parts
    this.#options = options
    this.digest = digestOf(crypto)
    this.#mac = (data) => Buffer.from(crypto.hmacSha256(keySecret, data)).toString('base64url')
    this.#offers = new OfferQueue(clock, (chain) => this.#chains.get(chain.id)?.of.offerChain(chain) ?? true)
    this.#report = createReceiptReport(parts, {
      gatewayId,
      onSettled: (chain, number) => this.#settled(chain, number),
    })
    this.#leftovers = bus.subscribe(receiptLeftoversTo(gatewayId), (message) => this.#offerLeftovers(message))
  }

  #of(node: ReceiptNode): NodeReceipts {
    const known = this.#nodes.get(node)
    if (known) return known
    const made = new NodeReceipts(this.#parts, {
      ...{ node, networkKeys: this.#options.network?.keys ?? null },
      onSigned: (one) => this.#report.signed(one),
    })
    this.#nodes.set(node, made)
    this.#byNodeId.set(node.nodeId, made)
    return made
  }

  #chainOf(node: ReceiptNode, of: ChainFacts['of']): NodeChain | null {
    const { network, gatewayId: gateway } = this.#options
    if (!network || node.protocol < PROTOCOL_WITH_EVIDENCE) return null
    const entry = this.#of(node)
    const known = entry.chains.get(of)
    if (known) return known
    const nodeKey = this.#parts.directory.node(node.nodeId)?.publicKey
    if (nodeKey === undefined) return null
    const nonce = Buffer.from(this.#parts.secrets.randomBytes(16)).toString('hex')
    const chain = new NodeChain(
      { digest: this.digest, secretOf: (id) => chainSecret(this.#mac, id) },
      {
        ...{ of, network: network.keys.publicKeyHex, node: node.nodeId, nodeKey, gateway },
        ...{ session: node.session, nonce, previous: entry.last },
      },
    )
    entry.chains.set(of, chain)
    this.#chains.set(chain.id, { chain, of: entry })
    return chain
  }

  begin(node: ReceiptNode, stream: number): StreamEvidence | null {
    return this.#chainOf(node, 'requests')?.begin(stream) ?? null
  }

  stamp(record: UsageRecord): UsageRecord {
    const { parts, losers } = record
    if (parts.length === 0 && !losers) return record
    return {
      ...record,
      parts: parts.map((part) => this.#stampPart('part', record, part)),
      ...(losers && { losers: losers.map((loser) => this.#stampPart('race', record, loser)) }),
    }
  }

  #stampPart(kind: 'part' | 'race', record: UsageRecord, metered: MeteredPart): UsagePart {
    const { evidence, ...part } = metered
    if (!evidence) return part
    const { chain } = evidence.of
    const payer = this.#payerOf(chain.id, record.keyId)
    const atMs = this.#parts.directory.cellNowMs()
    return { ...part, receipt: chain.stamp(kind, { record, part, payer, atMs }, evidence) }
  }

  #payerOf(chain: string, keyId: string): string {
    const name = `${chain} ${keyId}`
    const known = this.#payers.get(name)
    if (known !== undefined) return known
    const made = payerMark(this.#mac, { chain, keyId })
    if (this.#payers.size >= PAYERS_MAX) this.#payers.clear()
    this.#payers.set(name, made)
    return made
  }

  durable({ parts, losers = [] }: UsageRecord): void {
    for (const { receipt } of [...parts, ...losers]) {
      const chain = receipt && this.#chains.get(receipt.chain)?.chain
      if (!chain) continue
      chain.durable(receipt.number)
      this.#offers.add(chain)
    }
  }

  made(node: ReceiptNode, result: MadeResult): void {
    const chain = this.#chainOf(node, 'tasks')
    if (!chain) return
    const { jobId: job, organisationId, step, task, fence, outputs, wallMs } = result
    const outputBytes = outputs.reduce((sum, { bytes }) => sum + bytes, 0)
    const body: ReceiptBody = {
      ...{
        kind: 'task',
        node: node.nodeId,
        job,
        step,
        task,
        fence,
        files: outputs.length,
        outputBytes,
        wallMs,
      },
      ...{ output: filesDigest(this.digest, outputs), atMs: this.#parts.directory.cellNowMs() },
    }
    const receipt = chain.add(body, organisationId)
    const facts = receipt.number === 1 ? chain.facts : null
    this.#report.made({ nodeId: node.nodeId, chain: chain.id, facts, receipt })
    this.#offers.add(chain)
  }

  hear(node: ReceiptNode, payload: Uint8Array): void {
    if (this.#isClosed) return
    if (node.protocol < PROTOCOL_WITH_EVIDENCE)
      throw new Problem(
        'invalid_request',
        'An agent speaks of receipts and agreed on a version without them.',
      )
    const entry = this.#of(node)
    entry.spend(payload.length)
    const said = receiptsSay.parse(decodeJson(payload))
    const { nodeId } = node
    switch (said.kind) {
      case 'hello':
        entry.hello(said)
        return
      case 'signed':
        return entry.hearSigned(said)
      case 'refused': {
        const { chain, number, why } = said
        entry.refused(said)
        return this.#parts.log.warn('receipts.refused', { nodeId, chain, number, why })
      }
      case 'claim':
        this.#awaits(entry, said.chain, said.head.number)
        return this.#report.claim({ nodeId, claim: said })
    }
  }

  /** `of` is told when this chain is settled. */
  #awaits(of: NodeReceipts, chain: string, number: number): void {
    const dropped = of.awaitChain(chain)
    if (dropped !== null && this.#claimants.get(dropped)?.of === of) this.#claimants.delete(dropped)
    this.#claimants.set(chain, { of, number })
  }

  #settled(chain: string, number: number): void {
    const claimant = this.#claimants.get(chain)
    const of = this.#chains.get(chain)?.of ?? claimant?.of
    of?.tell({ kind: 'settled', chain, number })
    if (!claimant || number < claimant.number) return
    this.#claimants.delete(chain)
    claimant.of.awaited.delete(chain)
  }

  /** Of connections before: the coordinator knows them by their readings. */
  #offerLeftovers(message: string): void {
    if (this.#isClosed) return
    const parsed = ReceiptLeftovers.safeParse(JSON.parse(message))
    if (!parsed.success)
      return this.#parts.log.error('bus.message_malformed', {
        subject: 'receipts',
        message: parsed.error.message,
      })
    for (const { nodeId, chain, session, from, before, receipts: texts } of parsed.data.offers) {
      const entry = this.#byNodeId.get(nodeId)
      // Of this connection it is shown them anyway.
      if (!entry || this.#chains.has(chain) || texts.length === 0) continue
      const hash = linksOf(this.digest, { chain, from, before, texts }).at(-1) ?? before
      const run = { chain, from, before, texts, number: from + texts.length - 1, hash, extra: [] }
      this.#awaits(entry, chain, run.number)
      entry.offer({ ...run, session, facts: null })
    }
  }

  lost(node: ReceiptNode): void {
    const entry = this.#nodes.get(node)
    if (!entry) return
    this.#nodes.delete(node)
    if (this.#byNodeId.get(node.nodeId) === entry) this.#byNodeId.delete(node.nodeId)
    for (const chain of entry.chains.values()) {
      this.#chains.delete(chain.id)
      this.#offers.drop(chain)
      this.#report.forget(chain.id)
    }
    for (const chain of entry.awaited)
      if (this.#claimants.get(chain)?.of === entry) this.#claimants.delete(chain)
  }

  close(): void {
    this.#isClosed = true
    this.#offers.close()
    this.#leftovers.close()
    this.#report.close()
  }
}
