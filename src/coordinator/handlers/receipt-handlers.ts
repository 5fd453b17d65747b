import type { z } from 'zod'
import { digestOf } from '#host/digest-of.ts'
import type { ReceiptChains } from '#protocol/receipt-routes.ts'
import { ReceiptBody, SignedHead } from '#protocol/receipts.ts'
import type { Caller, Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { endText, formatReceiptLine, type ReceiptLine } from '#receipts/receipt-lines.ts'
import { chainSecret, type Mac } from '#receipts/receipt-secrets.ts'
import { type Digest, saltOf } from '#receipts/receipt-text.ts'
import type { KeptReceipt, ReceiptFilter } from '../read-models/receipt-rows.ts'
import { freshly, type HandlerParts, maySee, notFound, organisationFor } from './handler-parts.ts'

type Names = 'getNodeReceipts' | 'getOrganisationReceipts' | 'readReceipts'

const LIMIT_DEFAULT = 500

export function receiptHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, Names> {
  const { coordinator, crypto, keySecret, projector, queries } = parts
  const digest: Digest = digestOf(crypto)
  const mac: Mac = (data) => Buffer.from(crypto.hmacSha256(keySecret, data)).toString('base64url')

  /** Whose receipts are asked for: those of a node of the caller's own, or those of its own work. */
  function filterOf(
    caller: Caller,
    asked: { nodeId?: string | undefined; organisationId?: string | undefined },
  ): ReceiptFilter {
    const { nodeId } = asked
    if (nodeId === undefined) return { organisationId: organisationFor(parts, caller, asked.organisationId) }
    const node = coordinator.state.fleet.nodes.get(nodeId)
    if (!node || !maySee(caller, node.organisationId)) throw notFound('node', nodeId)
    return { nodeId }
  }

  /** In clear text what is theirs, and sealed what is not; the salts for who paid alone. */
  function lineOf(chain: string, kept: KeptReceipt, filter: ReceiptFilter): ReceiptLine {
    if (kept.part === 'head') return { type: 'head', head: SignedHead.parse(JSON.parse(kept.text)) }
    const { number, hash, text } = kept
    const isPayers = 'organisationId' in filter && kept.organisationId === filter.organisationId
    const isNodes = 'nodeId' in filter && kept.nodeId === filter.nodeId
    if (!isPayers && !isNodes) return { type: 'sealed', chain, number, hash, receipt: digest(text) }
    const body = ReceiptBody.parse(JSON.parse(text))
    const salt =
      isPayers && body.kind !== 'task' ? saltOf(digest, chainSecret(mac, chain), body.stream) : undefined
    return { type: 'receipt', chain, number, hash, body, ...(salt !== undefined && { salt }) }
  }

  async function chainsOf(filter: ReceiptFilter): Promise<z.output<typeof ReceiptChains>> {
    await freshly(parts)
    const { chains, asOfSequence } = await queries.receiptChains(filter)
    const whose =
      'nodeId' in filter
        ? ({ of: 'node', id: filter.nodeId } as const)
        : ({ of: 'organisation', id: filter.organisationId } as const)
    const madeAtMs = coordinator.nowMs()
    const text = endText(whose, { madeAtMs, chains })
    const { publicKeyHex: network, privateKeyHex } = parts.network.keys
    const signature = Buffer.from(crypto.sign(privateKeyHex, new TextEncoder().encode(text))).toString('hex')
    return { network, ...whose, madeAtMs, chains, signature, asOfSequence, lagEntries: projector.lag() }
  }

  return {
    getNodeReceipts: async ({ params }, caller) => chainsOf(filterOf(caller, params)),
    getOrganisationReceipts: async ({ params }, caller) => chainsOf(filterOf(caller, params)),

    async readReceipts({ query }, caller) {
      const filter = filterOf(caller, query)
      const { chain, after = 0, to = Number.MAX_SAFE_INTEGER, limit = LIMIT_DEFAULT } = query
      const upTo = Math.min(to, after + limit)
      const { chains } = await queries.receiptChains(filter, chain)
      const [known] = chains
      // What lies between is sealed, and only between receipts of theirs.
      if (!known) return { lines: [], next: null }
      const end = Math.min(known.to, upTo)
      const { rows } = await queries.receipts({ chain, after: Math.max(after, known.after.number), to: end })
      const lines = rows.map((kept) => formatReceiptLine(lineOf(chain, kept, filter)))
      return { lines, next: end < Math.min(known.to, to) ? end : null }
    },
  }
}
