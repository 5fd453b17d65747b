/** A file of receipts as a network writes it, with the keys of a network and a node. */
import { nodeCrypto } from '#host/node/node-crypto.ts'
import type { Random } from '#kernel/random.ts'
import type { ChainFacts, ReceiptBody, ReceiptDispute, SignedHead } from '#protocol/receipts.ts'
import type { VerifyParts } from './check-chain.ts'
import { endText, formatReceiptLine, type ReceiptLine } from './receipt-lines.ts'
import {
  chainId,
  type Digest,
  linksOf,
  networkHeadText,
  nodeHeadText,
  outputDigest,
  receiptText,
} from './receipt-text.ts'

export const digest: Digest = (data) => Buffer.from(nodeCrypto.sha256(data)).toString('base64url')
const toBytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const keysOf = (fill: number) => nodeCrypto.keyPair(new Uint8Array(32).fill(fill))
export const keys = { network: keysOf(1), node: keysOf(2), stranger: keysOf(3) }
export const signature = (key: { privateKeyHex: string }, text: string): string =>
  Buffer.from(nodeCrypto.sign(key.privateKeyHex, toBytes(text))).toString('hex')

export const verifyParts: VerifyParts = {
  digest,
  verify: (key, text, signed) => nodeCrypto.verify(key, toBytes(text), Buffer.from(signed, 'hex')),
}

export const partOf = (request: string, change: Partial<Extract<ReceiptBody, { kind: 'part' }>> = {}) =>
  ({
    ...{ kind: 'part', node: 'node_1', request, model: 'guide', call: 'chat', promptTokens: 12 },
    ...{ completionTokens: 34, promptPerMillion: 100_000n, completionPerMillion: 400_000n, stream: 1 },
    ...{ input: digest(request), output: outputDigest(digest, 'salt', 'hello'), outputBytes: 5 },
    ...{ payer: 'somebody', atMs: 1_800_000_000_000, ...change },
  }) satisfies ReceiptBody

export interface MadeChain {
  readonly id: string
  readonly facts: ChainFacts
  readonly bodies: readonly ReceiptBody[]
  readonly links: readonly string[]
}

export function madeChain(bodies: readonly ReceiptBody[], change: Partial<ChainFacts> = {}): MadeChain {
  const facts: ChainFacts = {
    ...{
      of: 'requests',
      network: keys.network.publicKeyHex,
      node: 'node_1',
      nodeKey: keys.node.publicKeyHex,
    },
    ...{ gateway: 'gateway-1', session: 7, nonce: '0'.repeat(32), previous: null, ...change },
  }
  const id = chainId(digest, facts)
  const links = linksOf(digest, { chain: id, from: 1, before: id, texts: bodies.map(receiptText) })
  return { id, facts, bodies, links }
}

export function headOf(
  { id: chain, links }: MadeChain,
  number: number,
  by: { network?: typeof keys.network; node?: typeof keys.node; disputes?: ReceiptDispute[] } = {},
): SignedHead {
  const position = { chain, number, hash: links[number - 1] ?? chain }
  const { network = keys.network, node = keys.node, disputes = [] } = by
  return {
    ...position,
    networkSignature: signature(network, networkHeadText(position)),
    nodeSignature: signature(node, nodeHeadText(position, disputes)),
    disputes,
  }
}

/** All lines of one chain, with one head over it. */
export function linesOf(made: MadeChain): ReceiptLine[] {
  const { id: chain, facts, bodies, links } = made
  return [
    { type: 'chain', chain, facts, after: { chain, number: 0, hash: chain } },
    ...bodies.map(
      (body, index): ReceiptLine => ({
        ...{ type: 'receipt', chain, number: index + 1, hash: links[index] ?? '', body },
      }),
    ),
    { type: 'head', head: headOf(made, bodies.length) },
  ]
}

export function fileOf(
  chains: readonly MadeChain[],
  lines = chains.flatMap(linesOf),
  whose: { of: 'node' | 'organisation'; id: string } = { of: 'node', id: 'node_1' },
): string {
  const header: ReceiptLine = {
    ...{ type: 'receipts', version: 1, network: keys.network.publicKeyHex, ...whose },
  }
  const told = {
    madeAtMs: 1_800_000_001_000,
    chains: chains.map(({ id: chain, bodies: { length } }) => ({
      chain,
      receipts: length,
      first: 1,
      last: length,
    })),
  }
  const end: ReceiptLine = {
    ...{ type: 'end', ...told, signature: signature(keys.network, endText(header, told)) },
  }
  return [header, ...lines, end].map((line) => `${formatReceiptLine(line)}\n`).join('')
}

export const swap = (lines: string[], a: number, b: number): string[] =>
  lines.with(a, lines[b] ?? '').with(b, lines[a] ?? '')

/** One of the ways in which a file is harmed: by a byte, by a line, by a piece of it. */
export function harm(text: string, random: Random): string {
  const at = random.int(text.length)
  const lines = text.split('\n').slice(0, -1)
  if (lines.length === 0) return text.slice(0, at)
  const [a, b] = [random.int(lines.length), random.int(lines.length)]
  const joined = (all: readonly string[]): string => all.map((line) => `${line}\n`).join('')
  switch (random.int(7)) {
    case 0:
      return text.slice(0, at) + String.fromCharCode(32 + random.int(95)) + text.slice(at + 1)
    case 1:
      return text.slice(0, at) + text.slice(at + 1 + random.int(3))
    case 2:
      return text.slice(0, at) + text[at] + text.slice(at)
    case 3:
      return text.slice(0, at)
    case 4:
      return joined(swap(lines, a, b))
    case 5:
      return joined(lines.toSpliced(a, 1))
    default:
      return joined(lines.toSpliced(a, 0, lines[b] ?? ''))
  }
}
