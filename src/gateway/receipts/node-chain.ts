/** One chain of receipts of one connection of a node: numbers what the node delivered, in the order in which it is metered. */
import { assert } from '#kernel/assert.ts'
import {
  type ChainFacts,
  type ExtraReceipt,
  RECEIPTS_PER_HEAD_MAX,
  type ReceiptBody,
  type ReceiptMark,
} from '#protocol/receipts.ts'
import type { UsagePart, UsageRecord } from '#protocol/usage.ts'
import {
  chainId,
  type Digest,
  linkOf,
  outputDigest,
  receiptOfPart,
  receiptText,
  saltOf,
} from '#receipts/receipt-text.ts'

/** What one stream was sent, told in hashes. */
export interface StreamEvidence {
  readonly chain: NodeChain
  readonly stream: number
  /** For the node alone: what its hashes are made with. */
  readonly salt: string
  input: string
}

/** What a part of a reading stands on, until it is a receipt. */
export interface PartEvidence {
  readonly of: StreamEvidence
  readonly text: string
}

/** A part that may yet become a receipt. Nobody writes its evidence anywhere. */
export type MeteredPart = UsagePart & { readonly evidence?: PartEvidence }

/** Receipts to be signed together. */
export interface ChainRun {
  readonly from: number
  readonly before: string
  readonly texts: readonly string[]
  readonly extra: readonly ExtraReceipt[]
  readonly number: number
  readonly hash: string
}

interface Pending {
  readonly number: number
  readonly text: string
  readonly hash: string
  isDurable: boolean
  /** Of a receipt that no reading brings. */
  readonly extra?: ExtraReceipt
}

/** Receipts of one chain that wait for their node to sign. */
const WAITING_MAX = 4_096

export class NodeChain {
  readonly facts: ChainFacts
  readonly id: string
  readonly #digest: Digest
  readonly #secret: string
  #number = 0
  #hash: string
  /** The link of what was offered last. */
  #offeredHash: string
  readonly #pending: Pending[] = []

  constructor(parts: { digest: Digest; secretOf: (chain: string) => string }, facts: ChainFacts) {
    this.facts = facts
    this.#digest = parts.digest
    this.id = chainId(parts.digest, facts)
    this.#secret = parts.secretOf(this.id)
    this.#hash = this.id
    this.#offeredHash = this.id
  }

  /** For a stream that is about to be opened. */
  begin(stream: number): StreamEvidence {
    return { chain: this, stream, salt: saltOf(this.#digest, this.#secret, stream), input: '' }
  }

  /** The mark of one part of a reading, which is the next in the chain from now on. */
  stamp(
    kind: 'part' | 'race',
    known: { record: UsageRecord; part: UsagePart; payer: string; atMs: number },
    { of: { stream, salt, input }, text }: PartEvidence,
  ): ReceiptMark {
    const { record, part, payer, atMs } = known
    const bytes = Buffer.byteLength(text)
    const output = outputDigest(this.#digest, salt, text)
    const mark = { stream, input, output, outputBytes: bytes, payer, atMs }
    const { number, hash } = this.#add(receiptOfPart(kind, record, part, mark), null)
    const opened = number === 1 ? { opened: this.facts } : {}
    return { chain: this.id, number, hash, ...mark, ...opened }
  }

  /** A receipt that no reading brings: it may be signed at once. */
  add(body: ReceiptBody, organisationId: string): ExtraReceipt {
    const { number, hash } = this.#add(body, organisationId)
    return { number, hash, text: receiptText(body), organisationId }
  }

  /** `organisationId`: for whom it was made, where no reading tells. */
  #add(body: ReceiptBody, organisationId: string | null): { number: number; hash: string } {
    const text = receiptText(body)
    const number = this.#number + 1
    const receipt = this.#digest(text)
    const hash = linkOf(this.#digest, { chain: this.id, number, before: this.#hash, receipt })
    this.#number = number
    this.#hash = hash
    const isDurable = organisationId !== null
    const extra = isDurable && { extra: { number, hash, text, organisationId } }
    this.#pending.push({ number, text, hash, isDurable, ...extra })
    if (isDurable) this.#forgetOldest()
    return { number, hash }
  }

  /** The reading with this receipt would survive a loss of power. */
  durable(number: number): void {
    const first = this.#pending[0]?.number ?? 0
    const pending = this.#pending[number - first]
    if (pending) pending.isDurable = true
    this.#forgetOldest()
  }

  /** A node that never signs is not waited for: the coordinator knows the oldest, by their readings or as they were made. */
  #forgetOldest(): void {
    while (this.#pending.length > WAITING_MAX && this.#pending[0]?.isDurable)
      this.#offeredHash = this.#pending.shift()?.hash ?? this.#offeredHash
  }

  /** How many receipts are kept here until they are signed. */
  get waiting(): number {
    return this.#pending.length
  }

  /** How many receipts may be signed now. */
  get ready(): number {
    let ready = 0
    while (ready < RECEIPTS_PER_HEAD_MAX && this.#pending[ready]?.isDurable) ready++
    return ready
  }

  /** Those that may be signed now, at most what one head covers; null when there are none. */
  take(): ChainRun | null {
    const taken = this.#pending.splice(0, this.ready)
    const [first, last] = [taken[0], taken.at(-1)]
    if (!first || !last) return null
    const before = this.#offeredHash
    this.#offeredHash = last.hash
    assert(last.number - first.number + 1 === taken.length, 'receipts are offered in order')
    return {
      ...{ from: first.number, before, number: last.number, hash: last.hash },
      texts: taken.map(({ text }) => text),
      extra: taken.flatMap(({ extra }) => extra ?? []),
    }
  }
}
