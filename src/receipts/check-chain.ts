/** Checks one chain of a file of receipts: numbers, links, and what was signed. */
import type { ChainFacts, SignedHead } from '#protocol/receipts.ts'
import type { ReceiptLine } from './receipt-lines.ts'
import { type Digest, linkOf, networkHeadText, nodeHeadText, receiptText } from './receipt-text.ts'

export type ReceiptFaultCode =
  | 'empty'
  | 'malformed'
  | 'truncated'
  | 'network_other'
  | 'chain_altered'
  | 'chain_missing'
  | 'chain_unlinked'
  | 'altered'
  | 'number_twice'
  | 'replayed'
  | 'reordered'
  | 'gap'
  | 'tail_cut'
  | 'unsigned'
  | 'signature_forged'
  | 'end_missing'
  | 'extent_other'

export interface ReceiptFault {
  readonly code: ReceiptFaultCode
  /** In the file, from 1; null for what is nowhere in it. */
  readonly line: number | null
  readonly chain?: string
  readonly number?: number
  /** For people. */
  readonly message: string
}

export interface VerifyParts {
  readonly digest: Digest
  /** False for a wrong signature and for a malformed one alike. Key and signature in hex. */
  readonly verify: (key: string, text: string, signature: string) => boolean
  /** The network's key as it is known from elsewhere; the file's own word for it unless given. */
  readonly networkKey?: string
}

export type LineOf<Type extends ReceiptLine['type']> = Extract<ReceiptLine, { type: Type }>
type Entry = { readonly at: number; readonly line: LineOf<'receipt'> | LineOf<'sealed'> }
/** What a file has of a chain, in the order of its lines. */
export interface Chain {
  readonly at: number
  readonly line: LineOf<'chain'>
  readonly entries: Entry[]
  readonly heads: { readonly at: number; readonly head: SignedHead }[]
  /** By number, as the file has them. */
  readonly links: Map<number, string>
}

export type TellFault = (
  code: ReceiptFaultCode,
  line: number | null,
  message: string,
  at?: Partial<ReceiptFault>,
) => void

export class ChainCheck {
  heads = 0
  readonly disputes: Record<string, number> = {}
  readonly #parts: VerifyParts
  /** The key that the file names as the network's. */
  readonly #network: string
  readonly #fault: TellFault

  constructor(parts: VerifyParts, network: string, fault: TellFault) {
    this.#parts = parts
    this.#network = network
    this.#fault = fault
  }

  check(chain: Chain): void {
    const entries = this.#inOrder(chain)
    this.#checkLinks(chain, entries)
    this.#checkHeads(chain, entries)
    const last = entries.at(-1)?.line.number ?? chain.line.after.number
    let signed = chain.line.after.number
    for (const { head } of chain.heads) signed = Math.max(signed, head.number)
    const id = chain.line.chain
    if (last > signed) {
      const at = entries.find(({ line }) => line.number > signed)?.at ?? null
      const message = `receipts ${signed + 1} to ${last} of this chain are not signed by both sides.`
      this.#fault('unsigned', at, message, { chain: id, number: signed + 1 })
    } else if (last < signed) {
      const at = chain.heads.find(({ head }) => head.number > last)?.at ?? null
      const message = `both sides signed ${signed} receipts of this chain, and it ends with number ${last}.`
      this.#fault('tail_cut', at, message, { chain: id, number: last + 1 })
    }
  }

  /** By number, each once; what is wrong with their places is told. */
  #inOrder({ line: { chain, after }, entries }: Chain): Entry[] {
    const byNumber = new Map<number, Entry>()
    let highest = after.number
    for (const entry of entries) {
      const { number, hash } = entry.line
      const other = byNumber.get(number)
      if (other) {
        const isSame = other.line.hash === hash
        const message = isSame
          ? `receipt ${number} stands in line ${other.at} already.`
          : `there is another receipt with the number ${number}, in line ${other.at}.`
        this.#fault(isSame ? 'replayed' : 'number_twice', entry.at, message, { chain, number })
        continue
      }
      byNumber.set(number, entry)
      if (number < highest) {
        const message = `receipt ${number} stands behind receipt ${highest}.`
        this.#fault('reordered', entry.at, message, { chain, number })
      }
      highest = Math.max(highest, number)
    }
    return [...byNumber.values()].sort((a, b) => a.line.number - b.line.number)
  }

  #checkLinks({ line: { chain, after, facts }, links }: Chain, entries: readonly Entry[]): void {
    const { digest } = this.#parts
    let before: { number: number; hash: string } = after
    for (const { at, line } of entries) {
      const { number, hash } = line
      links.set(number, hash)
      if (number > before.number + 1) {
        const message = `receipts ${before.number + 1} to ${number - 1} of this chain are missing.`
        this.#fault('gap', at, message, { chain, number: before.number + 1 })
      } else {
        const receipt = line.type === 'sealed' ? line.receipt : digest(receiptText(line.body))
        if (linkOf(digest, { chain, number, before: before.hash, receipt }) !== hash)
          this.#fault('altered', at, `receipt ${number} is not what the chain was made of.`, {
            chain,
            number,
          })
      }
      before = { number, hash }
      if (line.type === 'receipt' && line.body.node !== facts.node)
        this.#fault('replayed', at, `receipt ${number} is of another node.`, { chain, number })
    }
  }

  /** A head stands right behind the receipt that it is of, once. */
  #checkPlace(
    { at, head: { chain, number } }: Chain['heads'][number],
    { own, next, other }: { own: Entry | undefined; next: number; other: number | undefined },
  ): void {
    const at0 = { chain, number }
    if (other !== undefined)
      return this.#fault(
        'replayed',
        at,
        `what was signed under receipt ${number} stands in line ${other}.`,
        at0,
      )
    const isRightBehind = own === undefined || (own.at < at && at < next)
    if (isRightBehind) return
    this.#fault('reordered', at, `what was signed under receipt ${number} does not stand behind it.`, at0)
  }

  #checkHeads(whole: Chain, entries: readonly Entry[]): void {
    const { line, heads, links } = whole
    const { chain, facts } = line
    const byNumber = new Map(entries.map((entry) => [entry.line.number, entry]))
    const nextAt = linesBehind(whole.entries)
    /** The first head of each number. */
    const firstAt = new Map<number, number>()
    for (const { at, head } of heads) {
      this.heads++
      const { number, hash } = head
      const own = byNumber.get(number)
      const next = (own && nextAt.get(own.at)) ?? Number.POSITIVE_INFINITY
      this.#checkPlace({ at, head }, { own, next, other: firstAt.get(number) })
      if (!firstAt.has(number)) firstAt.set(number, at)
      for (const who of this.#forgers(head, facts)) {
        const message = `the signature of the ${who} under receipt ${number} is not by its key.`
        this.#fault('signature_forged', at, message, { chain, number })
      }
      const link = links.get(number)
      if (link !== undefined && link !== hash)
        this.#fault('altered', at, `what both sides signed under number ${number} is another receipt.`, {
          chain,
          number,
        })
      for (const { why } of head.disputes) this.disputes[why] = (this.disputes[why] ?? 0) + 1
    }
  }

  #forgers(head: SignedHead, facts: ChainFacts): string[] {
    const { verify } = this.#parts
    const network = this.#network
    const isNetworks = verify(network, networkHeadText(head), head.networkSignature)
    const isNodes = verify(facts.nodeKey, nodeHeadText(head, head.disputes), head.nodeSignature)
    return [...(isNetworks ? [] : ['network']), ...(isNodes ? [] : ['node'])]
  }
}

/** By the line of each entry, that of the next one in the file. */
function linesBehind(entries: readonly Entry[]): Map<number, number> {
  const behind = new Map<number, number>()
  let before: Entry | null = null
  for (const entry of entries) {
    if (before) behind.set(before.at, entry.at)
    before = entry
  }
  return behind
}

/** Of its receipts in clear text, each number once; zeros where it has none. A chain may be longer than a call has arguments. */
export function extentOf({ entries }: Pick<Chain, 'entries'>): {
  readonly count: number
  readonly oldest: number
  readonly newest: number
} {
  const numbers = new Set<number>()
  let [oldest, newest] = [Number.POSITIVE_INFINITY, 0]
  for (const { line } of entries) {
    if (line.type !== 'receipt') continue
    numbers.add(line.number)
    oldest = Math.min(oldest, line.number)
    newest = Math.max(newest, line.number)
  }
  return { count: numbers.size, oldest: Math.min(oldest, newest), newest }
}
