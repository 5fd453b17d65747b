/**
 * Checks a file of receipts without the network. What a file may say is only what was signed: the network's key signed how much
 * there is of each chain, both keys signed the newest links, and the links are made of the receipts. So nothing can be changed,
 * left out, added, moved or said twice, and what was tried is told with its line.
 */
import {
  type Chain,
  ChainCheck,
  extentOf,
  type LineOf,
  type ReceiptFault,
  type ReceiptFaultCode,
  type VerifyParts,
} from './check-chain.ts'
import { endText, type ReceiptLine, readReceiptLine } from './receipt-lines.ts'
import { chainId, type Digest, outputDigest, receiptText } from './receipt-text.ts'

export interface ReceiptFileFacts {
  /** The key that the file names as the network's. */
  readonly network: string | null
  readonly of: string | null
  readonly chains: number
  /** In clear text. */
  readonly receipts: number
  readonly heads: number
  /** Receipts that their nodes signed with something held against them, by what it is. */
  readonly disputes: Readonly<Record<string, number>>
  readonly faults: readonly ReceiptFault[]
}

/** Beyond so many the rest is only more of the same. */
const FAULTS_MAX = 1_000

export function verifyReceipts(text: string, parts: VerifyParts): ReceiptFileFacts {
  return new FileCheck(parts).run(text)
}

class FileCheck {
  readonly #parts: VerifyParts
  readonly #faults: ReceiptFault[] = []
  readonly #chains = new Map<string, Chain>()
  #header: LineOf<'receipts'> | null = null
  #end: { at: number; line: LineOf<'end'> } | null = null
  #receipts = 0
  /** The chain whose lines come. */
  #open: string | null = null

  constructor(parts: VerifyParts) {
    this.#parts = parts
  }

  run(text: string): ReceiptFileFacts {
    this.#read(text)
    const check = new ChainCheck(this.#parts, this.#header?.network ?? '', (...fault) =>
      this.#fault(...fault),
    )
    for (const chain of this.#chains.values()) check.check(chain)
    this.#checkRepeats()
    this.#checkOrigins()
    this.#checkEnd()
    const { network = null, id = null } = this.#header ?? {}
    const faults = this.#faults.sort(
      (a, b) => (a.line ?? Number.MAX_SAFE_INTEGER) - (b.line ?? Number.MAX_SAFE_INTEGER),
    )
    const [chains, receipts, heads] = [this.#chains.size, this.#receipts, check.heads]
    return { network, of: id, chains, receipts, heads, disputes: check.disputes, faults }
  }

  #fault(code: ReceiptFaultCode, line: number | null, message: string, at: Partial<ReceiptFault> = {}): void {
    if (this.#faults.length >= FAULTS_MAX) return
    const where = line === null ? '' : `Line ${line}: `
    this.#faults.push({ code, line, ...at, message: `${where}${message}` })
  }

  #read(text: string): void {
    const lines = text.split('\n')
    const isWhole = lines.at(-1) === ''
    if (isWhole) lines.pop()
    if (lines.length === 0) return this.#fault('empty', null, 'The file is empty.')
    for (const [index, one] of lines.entries()) {
      const at = index + 1
      const line = readReceiptLine(one)
      const isLast = at === lines.length
      if (line && !(isLast && !isWhole)) this.#take(at, line)
      else if (isLast && !isWhole) this.#fault('truncated', at, 'the file ends in the middle of a line.')
      else this.#fault('malformed', at, 'this is no line of a file of receipts, as they are written.')
    }
  }

  #take(at: number, line: ReceiptLine): void {
    if (this.#end) return this.#fault('malformed', at, 'something stands behind the end.')
    if (!this.#header && line.type !== 'receipts')
      return this.#fault('malformed', at, 'the file does not begin with its own first line.')
    switch (line.type) {
      case 'receipts':
        return this.#takeHeader(at, line)
      case 'chain':
        return this.#takeChain(at, line)
      case 'end':
        this.#end = { at, line }
        return
      case 'head':
        return void this.#chainHere(at, line.head.chain)?.heads.push({ at, head: line.head })
      case 'receipt':
        this.#receipts++
        return void this.#chainHere(at, line.chain)?.entries.push({ at, line })
      case 'sealed':
        return void this.#chainHere(at, line.chain)?.entries.push({ at, line })
    }
  }

  /** Which chain a line belongs to; all lines of one chain stand together. */
  #chainHere(at: number, id: string): Chain | null {
    const chain = this.#chains.get(id)
    if (!chain) this.#fault('chain_missing', at, `the chain ${id} was not begun.`, { chain: id })
    else if (id !== this.#open)
      this.#fault('reordered', at, `this belongs to the chain of line ${chain.at}.`, { chain: id })
    return chain ?? null
  }

  #takeHeader(at: number, line: LineOf<'receipts'>): void {
    if (this.#header) return this.#fault('malformed', at, 'the file begins a second time.')
    this.#header = line
    const { networkKey } = this.#parts
    if (networkKey !== undefined && networkKey !== line.network)
      this.#fault(
        'network_other',
        at,
        `these are receipts of the network ${line.network}, not ${networkKey}.`,
      )
  }

  #takeChain(at: number, line: LineOf<'chain'>): void {
    const { chain, facts, after } = line
    this.#open = chain
    if (this.#chains.has(chain))
      return this.#fault('replayed', at, `the chain ${chain} is in the file a second time.`, { chain })
    this.#chains.set(chain, {
      at,
      line,
      entries: [],
      heads: [],
      links: new Map([[after.number, after.hash]]),
    })
    if (facts.network !== this.#header?.network)
      this.#fault('network_other', at, `this chain is of the network ${facts.network}.`, { chain })
    const isBegin = after.number > 0 || after.hash === chain
    if (chainId(this.#parts.digest, facts) !== chain || after.chain !== chain || !isBegin)
      this.#fault('chain_altered', at, 'what the chain begins with is not what its id was made of.', {
        chain,
      })
  }

  /** The same work under two numbers, or in two chains. */
  #checkRepeats(): void {
    const seen = new Map<string, number>()
    for (const { line, entries } of this.#chains.values()) {
      const numbers = new Set<number>()
      for (const entry of entries) {
        if (entry.line.type !== 'receipt' || numbers.has(entry.line.number)) continue
        const { number, body } = entry.line
        numbers.add(number)
        const text = receiptText(body)
        const other = seen.get(text)
        seen.set(text, other ?? entry.at)
        if (other === undefined) continue
        const message = `receipt ${number} is the same as the one in line ${other}.`
        this.#fault('replayed', entry.at, message, { chain: line.chain, number })
      }
    }
  }

  /**
   * Chains of a node name the one before: it must end there or later, where it is in the file. An organisation's file ends with
   * the organisation's last receipt, and the node may have gone on for others: what its file must have, the end says.
   */
  #checkOrigins(): void {
    const isOfOrganisation = this.#header?.of === 'organisation'
    for (const { at, line } of this.#chains.values()) {
      const { previous } = line.facts
      const before = previous && this.#chains.get(previous.chain)
      if (!before) continue
      const known = before.links.get(previous.number)
      const isAfter = previous.number >= before.line.after.number
      if (known === previous.hash || !isAfter) continue
      if (isOfOrganisation && previous.number > newestOf(before)) continue
      const { chain, number } = previous
      const message = `this chain goes on behind receipt ${number} of chain ${chain}, which is not there so.`
      this.#fault(known === undefined ? 'tail_cut' : 'chain_unlinked', at, message, { chain, number })
    }
  }

  #checkEnd(): void {
    const header = this.#header
    if (!header) return
    if (!this.#end) {
      return this.#fault(
        'end_missing',
        null,
        'The file has no end: what is behind its last line was cut off.',
      )
    }
    const { at, line } = this.#end
    if (!this.#parts.verify(header.network, endText(header, line), line.signature))
      this.#fault('signature_forged', at, 'the signature of the network under the end is not by its key.')
    const listed = new Set(line.chains.map(({ chain }) => chain))
    for (const [id, chain] of this.#chains)
      if (!listed.has(id))
        this.#fault('extent_other', chain.at, 'the end knows nothing of this chain.', { chain: id })
    const order = [...this.#chains.keys()].filter((id) => listed.has(id))
    const inOrder = line.chains.map(({ chain }) => chain).filter((id) => this.#chains.has(id))
    const moved = order.find((id, index) => inOrder[index] !== id)
    if (moved !== undefined)
      this.#fault(
        'reordered',
        this.#chains.get(moved)?.at ?? null,
        'this chain stands elsewhere by the end.',
        {
          chain: moved,
        },
      )
    for (const { chain: id, receipts, first, last } of line.chains) {
      const chain = this.#chains.get(id)
      if (!chain) {
        this.#fault('chain_missing', at, `the chain ${id} with ${receipts} receipts is missing.`, {
          chain: id,
        })
        continue
      }
      const { count, oldest, newest } = extentOf(chain)
      if (newest < last) {
        const message = `the chain ${id} ends with receipt ${newest}, and there is one with the number ${last}.`
        this.#fault('tail_cut', at, message, { chain: id, number: newest + 1 })
      } else if (count !== receipts || oldest !== first || newest !== last) {
        const message = `the chain ${id} has ${count} receipts here, ${oldest} to ${newest}; by the network it has ${receipts}, ${first} to ${last}.`
        this.#fault('extent_other', at, message, { chain: id })
      }
    }
  }
}

/** The newest link that is there, sealed ones too. */
function newestOf({ links }: Pick<Chain, 'links'>): number {
  let newest = 0
  for (const number of links.keys()) newest = Math.max(newest, number)
  return newest
}

/** Whether a receipt with its salt is of this text: what a caller was sent, or the part of it that one node delivered. */
export const isOfText = (
  digest: Digest,
  { body, salt }: Pick<LineOf<'receipt'>, 'body' | 'salt'>,
  text: string,
): boolean => salt !== undefined && outputDigest(digest, salt, text) === body.output
