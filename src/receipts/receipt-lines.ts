/** The lines of a file of receipts: JSON, one a line, with fields in this order and no other form of the same. */
import { z } from 'zod'
import { hexOf } from '#protocol/field.ts'
import {
  ChainFacts,
  ChainPosition,
  ReceiptBody,
  ReceiptDigest,
  ReceiptSignature,
  SignedHead,
} from '#protocol/receipts.ts'
import { disputeText, receiptText } from './receipt-text.ts'

const Count = z.int().nonnegative()

/** How much of a chain the network says that there is. */
export const ChainExtent = z.strictObject({
  chain: ReceiptDigest,
  /** In clear text. */
  receipts: Count,
  first: Count,
  last: Count,
})
export type ChainExtent = z.output<typeof ChainExtent>

export const ReceiptLine = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('receipts'),
    version: z.literal(1),
    /** The network's key. */
    network: hexOf(32),
    of: z.enum(['node', 'organisation']),
    id: z.string().max(200),
  }),
  z.strictObject({
    type: z.literal('chain'),
    chain: ReceiptDigest,
    facts: ChainFacts,
    /** What comes in this file is behind it. */
    after: ChainPosition,
  }),
  z.strictObject({
    type: z.literal('receipt'),
    chain: ReceiptDigest,
    number: z.int().positive(),
    hash: ReceiptDigest,
    body: ReceiptBody,
    /** With which the output's hash was made; for who paid alone. */
    salt: z.string().max(64).optional(),
  }),
  /** A receipt that is none of the reader's business: its hash stands in its place. */
  z.strictObject({
    type: z.literal('sealed'),
    chain: ReceiptDigest,
    number: z.int().positive(),
    hash: ReceiptDigest,
    receipt: ReceiptDigest,
  }),
  z.strictObject({ type: z.literal('head'), head: SignedHead }),
  z.strictObject({
    type: z.literal('end'),
    madeAtMs: z.int(),
    chains: z.array(ChainExtent),
    signature: ReceiptSignature,
  }),
])
export type ReceiptLine = z.output<typeof ReceiptLine>
type LineOf<Type extends ReceiptLine['type']> = Extract<ReceiptLine, { type: Type }>

const positionOf = ({ chain, number, hash }: ChainPosition): ChainPosition => ({ chain, number, hash })

const factsOf = (facts: ChainFacts): ChainFacts => ({
  ...{ of: facts.of, network: facts.network, node: facts.node, nodeKey: facts.nodeKey },
  ...{ gateway: facts.gateway, session: facts.session, nonce: facts.nonce },
  previous: facts.previous && positionOf(facts.previous),
})

export function formatReceiptLine(line: ReceiptLine): string {
  switch (line.type) {
    case 'receipts': {
      const { type, version, network, of, id } = line
      return JSON.stringify({ type, version, network, of, id })
    }
    case 'chain': {
      const { type, chain, facts, after } = line
      return JSON.stringify({ type, chain, facts: factsOf(facts), after: positionOf(after) })
    }
    case 'receipt': {
      const { type, chain, number, hash, body, salt } = line
      const start = JSON.stringify({ type, chain, number, hash })
      const end = salt === undefined ? '' : `,"salt":${JSON.stringify(salt)}`
      return `${start.slice(0, -1)},"body":${receiptText(body)}${end}}`
    }
    case 'sealed': {
      const { type, chain, number, hash, receipt } = line
      return JSON.stringify({ type, chain, number, hash, receipt })
    }
    case 'head': {
      const { networkSignature, nodeSignature, disputes } = line.head
      const start = JSON.stringify({ ...positionOf(line.head), networkSignature, nodeSignature })
      return `{"type":"head","head":${start.slice(0, -1)},"disputes":[${disputes.map(disputeText).join(',')}]}}`
    }
    case 'end': {
      const { type, madeAtMs, chains, signature } = line
      return JSON.stringify({ type, madeAtMs, chains: chains.map(extentOf), signature })
    }
  }
}

const extentOf = ({ chain, receipts, first, last }: ChainExtent): ChainExtent => ({
  ...{ chain, receipts, first, last },
})

/** What the network signs for the end of a file: whose receipts these are, and that there were no others then. */
export const endText = (
  { of, id }: Pick<LineOf<'receipts'>, 'of' | 'id'>,
  { madeAtMs, chains }: Pick<LineOf<'end'>, 'madeAtMs' | 'chains'>,
): string =>
  `shoal receipts end 1\n${of}\n${JSON.stringify(id)}\n${madeAtMs}\n${JSON.stringify(chains.map(extentOf))}`

/** Null for what is no line of such a file, or is written otherwise than they are. */
export function readReceiptLine(text: string): ReceiptLine | null {
  let wire: unknown
  try {
    wire = JSON.parse(text)
  } catch {
    return null
  }
  const parsed = ReceiptLine.safeParse(wire)
  return parsed.success && formatReceiptLine(parsed.data) === text ? parsed.data : null
}
