/**
 * How far each node's chains of receipts are known and signed. A chain is alive until nothing of it can be claimed any more:
 *
 *   known (by a meter reading, or by what both signed) → forgotten, `CHAIN_MEMORY_MS` after the last of it
 *
 * `through` numbers the receipts that are in the ledger: readings bring them in order, and so do claims, so that a number at or
 * below it was billed before, whoever brings it again. What the node has not signed is kept, to be shown to it wherever it is.
 * What copies billed is known for longer than the chain: their gateway may be back after days, with the readings on its disk.
 */
import { assert } from '#kernel/assert.ts'
import { DAY_MS, HOUR_MS, type TimestampMs } from '#kernel/time.ts'
import type { ReceiptMark } from '#protocol/receipts.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import type { ReceiptEvent } from './receipt-events.ts'
import { receiptOfPart, receiptText } from './receipt-text.ts'

/** A receipt that its node has not signed. */
export interface OpenReceipt {
  readonly number: number
  readonly text: string
  /** Its link. */
  readonly hash: string
}

export interface ReceiptChain {
  readonly nodeId: string
  /** Of which of the node's connections it is; `null` while nobody has said. */
  session: number | null
  /** The newest receipt that is in the ledger. */
  through: number
  /** The newest that both have signed, and its link; the chain's id before there is one. */
  signed: number
  signedHash: string
  lastAtMs: TimestampMs
  /** In order, all above `signed`. */
  open: OpenReceipt[]
}

/** What nodes' copies of a chain billed, in the place of readings that may yet come. */
export interface ClaimedReceipts {
  readonly through: number
  /** When the newest of them was billed. */
  readonly atMs: TimestampMs
}

export interface Receipts {
  chains: Map<string, ReceiptChain>
  claimed: Map<string, ClaimedReceipts>
}

/** What is older is billed no more: a chain that is not known is then one that was forgotten. */
export const CLAIM_WITHIN_MS = 70 * HOUR_MS
export const CHAIN_MEMORY_MS = 72 * HOUR_MS
/** No gateway is kept off that long and started again with what it had not delivered. */
export const CLAIM_MEMORY_MS = 365 * DAY_MS
/** Of one node that never signs; beyond it the oldest of a chain are not kept for it. */
export const OPEN_MAX = 4_096

export const emptyReceipts = (): Receipts => ({ chains: new Map(), claimed: new Map() })

function chainOf(
  receipts: Receipts,
  { chain, nodeId, atMs }: { chain: string; nodeId: string; atMs: TimestampMs },
): ReceiptChain {
  const known = receipts.chains.get(chain)
  if (known) return known
  const made: ReceiptChain = {
    ...{ nodeId, session: null, through: 0, signed: 0, signedHash: chain, lastAtMs: atMs },
    open: [],
  }
  receipts.chains.set(chain, made)
  return made
}

/** Whether the ledger has it already. */
export const isBilled = (receipts: Receipts, mark: Pick<ReceiptMark, 'chain' | 'number'>): boolean =>
  mark.number <= (receipts.chains.get(mark.chain)?.through ?? 0) || claimedAtMs(receipts, mark) !== null

/** When a copy billed it, at the latest; `null` where none did. */
export function claimedAtMs(
  receipts: Receipts,
  { chain, number }: Pick<ReceiptMark, 'chain' | 'number'>,
): TimestampMs | null {
  const claimed = receipts.claimed.get(chain)
  return claimed && number <= claimed.through ? claimed.atMs : null
}

/** The number up to which the network has the receipts of a chain for good, and their signatures. */
export function settledOf(receipts: Receipts, chain: string): number {
  const known = receipts.chains.get(chain)
  return known ? Math.min(known.signed, known.through) : 0
}

/** Applies what a meter reading, or a node's copy in its place, says of receipts. */
export function evolveReceiptsOfUsage(
  receipts: Receipts,
  record: UsageRecord,
  atMs: TimestampMs,
  isCopy = false,
): void {
  for (const part of record.parts) {
    noteMark(receipts, 'part', record, part, atMs)
    if (isCopy && part.receipt) noteClaimed(receipts, part.receipt, atMs)
  }
  for (const loser of record.losers ?? []) noteMark(receipts, 'race', record, loser, atMs)
}

function noteClaimed(receipts: Receipts, { chain, number }: ReceiptMark, atMs: TimestampMs): void {
  const through = Math.max(number, receipts.claimed.get(chain)?.through ?? 0)
  receipts.claimed.set(chain, { through, atMs })
}

function noteMark(
  receipts: Receipts,
  kind: 'part' | 'race',
  record: UsageRecord,
  part: UsageRecord['parts'][number],
  atMs: TimestampMs,
): void {
  const { receipt: mark } = part
  if (!mark) return
  const { chain: id, number, hash } = mark
  const chain = chainOf(receipts, { chain: id, nodeId: part.nodeId, atMs })
  if (mark.opened) chain.session = mark.opened.session
  noteNext(chain, { number, hash }, () => receiptText(receiptOfPart(kind, record, part, mark)), atMs)
}

function noteNext(
  chain: ReceiptChain,
  { number, hash }: Omit<OpenReceipt, 'text'>,
  textOf: () => string,
  atMs: TimestampMs,
): void {
  if (number <= chain.through) return
  chain.through = number
  chain.lastAtMs = Math.max(chain.lastAtMs, atMs)
  if (number <= chain.signed) return
  chain.open.push({ number, hash, text: textOf() })
  if (chain.open.length > OPEN_MAX) chain.open.shift()
}

export function evolveReceipts(receipts: Receipts, event: ReceiptEvent): void {
  switch (event.type) {
    case 'receipts.signed': {
      const { head, nodeId, extra = [], atMs } = event
      const chain = chainOf(receipts, { chain: head.chain, nodeId, atMs })
      chain.lastAtMs = Math.max(chain.lastAtMs, atMs)
      if (event.facts) chain.session = event.facts.session
      if (head.number > chain.signed) {
        chain.signed = head.number
        chain.signedHash = head.hash
        chain.open = chain.open.filter(({ number }) => number > head.number)
      }
      for (const { number } of extra) chain.through = Math.max(chain.through, number)
      return
    }
    case 'receipts.made': {
      const { chain: id, nodeId, facts, receipt, atMs } = event
      const chain = chainOf(receipts, { chain: id, nodeId, atMs })
      if (facts) chain.session = facts.session
      return noteNext(chain, receipt, () => receipt.text, atMs)
    }
    case 'receipts.chain_forgotten':
      if (!receipts.chains.delete(event.chain)) receipts.claimed.delete(event.chain)
  }
}

export type ReceiptRefusal = 'node_other' | 'head_known' | 'head_conflicts'

/** Notes a head of which the caller has checked both signatures. */
export function decideSigned(
  receipts: Receipts,
  signed: Omit<Extract<ReceiptEvent, { type: 'receipts.signed' }>, 'type'>,
): ReceiptRefusal | ReceiptEvent[] {
  const { head, nodeId } = signed
  const known = receipts.chains.get(head.chain)
  if (known && known.nodeId !== nodeId) return 'node_other'
  const brings = signed.extra?.some(({ number }) => number > (known?.through ?? 0)) === true
  if (known && head.number <= known.signed && !brings) return 'head_known'
  const open = known?.open.find(({ number }) => number === head.number)
  if (open && open.hash !== head.hash) return 'head_conflicts'
  return [{ type: 'receipts.signed', ...signed }]
}

/**
 * Notes a receipt that no meter reading brings, once. One that is not the next of its chain comes with the signature under it:
 * what is known of a chain has no holes.
 */
export function decideMade(
  receipts: Receipts,
  made: Omit<Extract<ReceiptEvent, { type: 'receipts.made' }>, 'type'>,
): 'node_other' | ReceiptEvent[] {
  const known = receipts.chains.get(made.chain)
  if (known && known.nodeId !== made.nodeId) return 'node_other'
  const isNext = made.receipt.number === (known?.through ?? 0) + 1
  return isNext ? [{ type: 'receipts.made', ...made }] : []
}

/** Ends the memory of chains of which nothing can be claimed any more; later, that of what copies of them billed. */
export function decideForgetChains(receipts: Receipts, nowMs: TimestampMs): ReceiptEvent[] {
  const events: ReceiptEvent[] = []
  for (const [chain, { lastAtMs, open }] of receipts.chains) {
    if (nowMs - lastAtMs < CHAIN_MEMORY_MS) continue
    events.push({ type: 'receipts.chain_forgotten', chain, unsigned: open.length, atMs: nowMs })
  }
  for (const [chain, { atMs }] of receipts.claimed) {
    if (nowMs - atMs < CLAIM_MEMORY_MS || receipts.chains.has(chain)) continue
    events.push({ type: 'receipts.chain_forgotten', chain, unsigned: 0, atMs: nowMs })
  }
  return events
}

/** Throws unless every chain's numbers fit together. */
export function checkReceipts(receipts: Receipts): void {
  for (const [id, { through, signed, open }] of receipts.chains) {
    let last = signed
    for (const { number } of open) {
      assert(number > last, `receipt ${number} of chain ${id} waits behind ${last}`)
      last = number
    }
    assert(last <= Math.max(through, signed), `chain ${id} has receipt ${last} and knows of ${through}`)
  }
}
