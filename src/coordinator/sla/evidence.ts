/** The evidence of a month, a page at a time; the last one has the network's signature over all of them. */
import type { Crypto, KeyPair } from '#host/host.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { PAGE_LIMIT_MAX } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import type { SlaEvidence } from '#protocol/sla-api.ts'
import type { BundleSeal } from '#protocol/sla-evidence.ts'
import { spanOfMonth } from '#sla/bins.ts'
import { hashOfFact, NO_HASH, sealedText } from '#sla/bundle.ts'
import { countKey, outagesOf, type Sla } from '#sla/sla.ts'
import type { Coordinator } from '../coordinator.ts'
import type { CoordinatorState } from '../coordinator-state.ts'
import type { PageRequest, ReadModelQueries } from '../read-models/queries.ts'
import type { FactFilter } from '../read-models/sla-rows.ts'

export interface EvidenceParts {
  readonly coordinator: Pick<Coordinator, 'state' | 'nowMs'>
  readonly queries: Pick<ReadModelQueries, 'slaFacts'>
  readonly crypto: Pick<Crypto, 'sha256' | 'sign'>
  readonly network: { readonly keys: KeyPair }
}

export type EvidencePlace = FactFilter & Pick<BundleSeal, 'slaClass'>

/** Of a month that goes on, facts may come between two reads. */
const TRIES = 5

export async function readEvidence(
  parts: EvidenceParts,
  place: EvidencePlace,
  page: PageRequest,
): Promise<Omit<SlaEvidence, 'lagEntries'>> {
  const { queries, crypto, network } = parts
  for (let tries = 0; tries < TRIES; tries++) {
    const { items, next, asOfSequence } = await queries.slaFacts(place, page)
    if (next !== null) return { items, next, seal: null, signature: null }
    const chain = await chainOf(parts, place)
    const { state, nowMs } = parts.coordinator
    const known = { state, nowMs: nowMs(), network }
    const seal = sealOf(known, place, chain)
    if (seal.statement === null && chain.asOfSequence !== asOfSequence) continue
    const text = new TextEncoder().encode(sealedText(seal))
    const signature = Buffer.from(crypto.sign(network.keys.privateKeyHex, text)).toString('hex')
    return { items, next, seal, signature }
  }
  throw new Problem(
    'unavailable',
    'This month goes on, and requests came faster than they were read. Try again, or wait for its end.',
  )
}

interface SealParts extends Pick<EvidenceParts, 'network'> {
  readonly state: Pick<CoordinatorState, 'sla'>
  readonly nowMs: TimestampMs
}

interface Chain {
  readonly facts: number
  readonly head: string
  readonly asOfSequence: number
}

async function chainOf({ queries, crypto }: EvidenceParts, place: EvidencePlace): Promise<Chain> {
  const sha256 = (text: string): string => Buffer.from(crypto.sha256(text)).toString('hex')
  let facts = 0
  let head = NO_HASH
  for (let before: string | null = null; ; ) {
    const page = await queries.slaFacts(place, { limit: PAGE_LIMIT_MAX, before })
    for (const fact of page.items) head = hashOfFact({ sequence: ++facts, previousHash: head, fact }, sha256)
    if (page.next === null) return { facts, head, asOfSequence: page.asOfSequence }
    before = page.next
  }
}

/** What the network says of the month, to be signed. */
export function sealOf(
  { state, nowMs, network }: SealParts,
  { organisationId, slaClass, month }: EvidencePlace,
  { facts, head }: Pick<Chain, 'facts' | 'head'>,
): BundleSeal {
  const { sla } = state
  const { fromMs, toMs } = spanOfMonth(month)
  const isOfMonth = (span: { readonly fromMs: number; readonly toMs: number }): boolean =>
    span.fromMs < toMs && span.toMs > fromMs
  const found = sla.statements.get(countKey({ organisationId, slaClass, month }))
  let statement: BundleSeal['statement'] = null
  if (found) {
    const { atMs: _, ...told } = found
    statement = told
  }
  return {
    version: 1,
    networkKey: network.keys.publicKeyHex,
    organisationId,
    slaClass,
    month,
    facts,
    head,
    maintenance: maintenanceIn(sla).filter(isOfMonth),
    outages: outagesOf(sla, nowMs).filter(isOfMonth),
    statement,
    sealedAtMs: nowMs,
  }
}

const maintenanceIn = ({ maintenance }: Sla): BundleSeal['maintenance'] =>
  [...maintenance.values()]
    .filter(({ cancelledAtMs }) => cancelledAtMs === null)
    .map(({ fromMs, toMs, announcedAtMs }) => ({ fromMs, toMs, announcedAtMs }))
