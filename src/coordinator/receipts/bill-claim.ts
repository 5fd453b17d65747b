/**
 * The second way into the ledger. What both sides signed and no meter reading brought, for a gateway was lost with its disk, is
 * billed by the node's own copy: each receipt once, whether the copy or the reading comes first.
 */
import { MINUTE_MS } from '#kernel/time.ts'
import { ReceiptBody, type ReceiptMark, type ReceiptsClaim } from '#protocol/receipts.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { type Mac, payerMark } from '#receipts/receipt-secrets.ts'
import type { Digest } from '#receipts/receipt-text.ts'
import { linksOf } from '#receipts/receipt-text.ts'
import { CLAIM_WITHIN_MS } from '#receipts/receipts.ts'
import { billRecord } from '../apply-usage.ts'
import type { Turn } from '../turn.ts'

/** So long the gateway itself is waited for. */
export const CLAIM_AFTER_MS = 10 * MINUTE_MS
/** As the spool of readings that a chain's copies brought. */
export const spoolOfChain = (chain: string): string => `receipts:${chain}`

export interface ClaimParts {
  readonly digest: Digest
  readonly mac: Mac
  readonly feeBps: number
}
export type ClaimOutcome =
  | 'settled'
  /** Its reading may yet come, or the copies before it. */
  | 'early'
  /** Nobody can say any more whether it was billed. */
  | 'too_old'

/** Bills what the ledger lacks of `claim`, of which the caller has checked links and signatures. */
export function billClaim(
  turn: Turn,
  { nodeId, claim }: { nodeId: string; claim: ReceiptsClaim },
  parts: ClaimParts,
): ClaimOutcome {
  const { chain, from, receipts: texts, head, facts } = claim
  const { state, nowMs } = turn
  const links = linksOf(parts.digest, { chain, from, before: claim.before, texts })
  const through = state.receipts.chains.get(chain)?.through ?? 0
  if (head.number > through) {
    const bodies = texts.map((text) => ReceiptBody.parse(JSON.parse(text)))
    const newestMs = Math.max(...bodies.map(({ atMs }) => atMs))
    if (nowMs - newestMs > CLAIM_WITHIN_MS) return 'too_old'
    if (from > through + 1 || nowMs - newestMs < CLAIM_AFTER_MS) return 'early'
    for (const [index, body] of bodies.entries()) {
      const number = from + index
      if (number <= through || body.kind !== 'part') continue
      // It may have been billed before the memory of its chain ended: then nobody can say any more whether it was.
      if (nowMs - body.atMs > CLAIM_WITHIN_MS) continue
      billBody(turn, { body, chain, number, hash: links[index] ?? '' }, parts)
    }
  }
  const extra = texts.map((text, index) => ({ number: from + index, hash: links[index] ?? '', text }))
  turn.signReceipts({
    ...{ nodeId, head, ...(facts && { facts }), atMs: nowMs },
    ...(head.number > through && { extra: extra.filter(({ number }) => number > through) }),
  })
  return 'settled'
}

type PartBody = Extract<ReceiptBody, { kind: 'part' }>

function billBody(
  turn: Turn,
  at: { body: PartBody; chain: string; number: number; hash: string },
  { mac, feeBps }: ClaimParts,
): void {
  const { body, chain, number, hash } = at
  const key = [...turn.state.organisations.keys.values()].find(
    ({ id: keyId }) => payerMark(mac, { chain, keyId }) === body.payer,
  )
  // The key is long gone, and with it who would pay.
  if (!key) return
  const { stream, input, output, outputBytes, payer, atMs } = body
  const receipt: ReceiptMark = { chain, number, hash, stream, input, output, outputBytes, payer, atMs }
  const { promptTokens, completionTokens, cachedPromptTokens } = body
  const { promptPerMillion, completionPerMillion, cachedPerMillion } = body
  const record: UsageRecord = {
    ...{ requestId: body.request, organisationId: key.organisationId, keyId: key.id, holdId: '' },
    ...{ model: body.model, kind: body.call, outcome: 'completed' },
    parts: [
      {
        ...{ nodeId: body.node, promptTokens, completionTokens, promptPerMillion, completionPerMillion },
        ...(cachedPromptTokens !== undefined && { cachedPromptTokens }),
        ...(cachedPerMillion !== undefined && { cachedPerMillion }),
        receipt,
      },
    ],
    ...{ startedAtMs: atMs, firstTokenMs: null, totalMs: 0 },
  }
  const captureId = `receipt:${chain}:${number}`
  billRecord(turn, {
    ...{ record, spoolId: spoolOfChain(chain), sequence: number, feeBps, captureId },
    earned: new Map(),
  })
}
