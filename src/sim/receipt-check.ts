/** Receipts at the end of a run: worked out anew from the journal, by other code than wrote them. */
import { createHash } from 'node:crypto'
import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import type { CoordinatorState } from '#coordinator/coordinator-state.ts'
import { assert } from '#kernel/assert.ts'
import type { SignedHead } from '#protocol/receipts.ts'
import { simCrypto } from './sim-host.ts'

type Recorded = Extract<CoordinatorEvent, { type: 'usage.recorded' }>
type Part = Recorded['record']['parts'][number]

export interface ReceiptFigures {
  /** Parts that were billed with a receipt, and heads that both sides signed. */
  readonly receipts: number
  readonly heads: number
  /** What nodes hold against them, by what it is. */
  readonly disputes: Readonly<Record<string, number>>
  /** Billed by nodes' own copies. */
  readonly claimed: number
}

const sha = (text: string): string => createHash('sha256').update(text).digest('base64url')

/** Reads the journal's events, in order; `end` then checks what came of it. */
export class ReceiptCheck {
  readonly #links = new Map<string, Map<number, string>>()
  readonly #nodeOf = new Map<string, string>()
  readonly #heads = new Map<string, SignedHead[]>()
  readonly #disputes: Record<string, number> = {}
  readonly #networkKey: string
  #receipts = 0
  #unreceipted = 0
  #claimed = 0

  constructor(networkKey: string) {
    this.#networkKey = networkKey
  }

  read(event: CoordinatorEvent): void {
    if (event.type === 'usage.recorded') {
      if (event.spoolId.startsWith('receipts:')) this.#claimed++
      for (const part of event.record.parts) this.#readPart('part', event, part)
      for (const part of event.record.losers ?? []) this.#readPart('race', event, part)
    } else if (event.type === 'receipts.signed') {
      const { head, nodeId } = event
      this.#heads.set(head.chain, [...(this.#heads.get(head.chain) ?? []), head])
      assert((this.#nodeOf.get(head.chain) ?? nodeId) === nodeId, `chain ${head.chain} is of one node`)
      this.#nodeOf.set(head.chain, nodeId)
      for (const { why } of head.disputes) this.#disputes[why] = (this.#disputes[why] ?? 0) + 1
    }
  }

  #readPart(kind: 'part' | 'race', { record }: Recorded, part: Part): void {
    const { receipt } = part
    if (!receipt) return void this.#unreceipted++
    this.#receipts++
    const { chain, number, hash } = receipt
    const links = this.#links.get(chain) ?? new Map<number, string>()
    this.#links.set(chain, links)
    assert(!links.has(number), `receipt ${number} of chain ${chain} is billed twice`)
    const fields: [string, unknown][] = [
      ['kind', kind],
      ['node', part.nodeId],
      ['request', record.requestId],
      ['model', record.model],
      ['call', record.kind],
      ['promptTokens', part.promptTokens],
      ['cachedPromptTokens', part.cachedPromptTokens],
      ['completionTokens', part.completionTokens],
      ['promptPerMillion', String(part.promptPerMillion)],
      ['cachedPerMillion', part.cachedPerMillion === undefined ? undefined : String(part.cachedPerMillion)],
      ['completionPerMillion', String(part.completionPerMillion)],
      ...(['stream', 'input', 'output', 'outputBytes', 'payer', 'atMs'] as const).map(
        (name): [string, unknown] => [name, receipt[name]],
      ),
    ]
    const text = JSON.stringify(Object.fromEntries(fields.filter(([, value]) => value !== undefined)))
    const before = number === 1 ? chain : links.get(number - 1)
    assert(before !== undefined, `receipt ${number} of chain ${chain} is billed, and not the one before it`)
    const link = sha(`shoal receipt 1\n${chain}\n${number}\n${before}\n${sha(text)}`)
    assert(link === hash, `the link of receipt ${number} of chain ${chain} is of what was billed`)
    links.set(number, link)
    assert((this.#nodeOf.get(chain) ?? part.nodeId) === part.nodeId, `chain ${chain} is of one node`)
    this.#nodeOf.set(chain, part.nodeId)
  }

  /** What is still to be signed, for whoever waits for it; null when nothing is. */
  static unsigned({ receipts }: CoordinatorState): string | null {
    let open = 0
    for (const chain of receipts.chains.values()) open += chain.open.length
    return open === 0 ? null : `${open} receipts are not signed by their nodes`
  }

  end(state: CoordinatorState, { allSign }: { allSign: boolean }): ReceiptFigures {
    let heads = 0
    for (const [chain, links] of this.#links) {
      const signed = this.#heads.get(chain) ?? []
      const newest = Math.max(0, ...signed.map(({ number }) => number))
      for (const number of links.keys())
        assert(number <= newest, `receipt ${number} of chain ${chain} is billed, and both never signed it`)
      for (const head of signed) this.#checkHead(head, links, state)
      heads += signed.length
    }
    assert(!allSign || this.#unreceipted === 0, `${this.#unreceipted} parts are billed without a receipt`)
    for (const why of Object.keys(this.#disputes))
      assert(why === 'unknown', `an honest node disputes ${why} of an honest gateway`)
    return { receipts: this.#receipts, heads, disputes: this.#disputes, claimed: this.#claimed }
  }

  #checkHead(head: SignedHead, links: ReadonlyMap<number, string>, state: CoordinatorState): void {
    const { chain, number, hash, networkSignature, nodeSignature, disputes } = head
    assert(links.get(number) === hash, `head ${number} of chain ${chain} is of what was billed`)
    const nodeKey = state.fleet.nodes.get(this.#nodeOf.get(chain) ?? '')?.publicKey ?? ''
    const signs = (key: string, text: string, signature: string): boolean =>
      simCrypto.verify(key, new TextEncoder().encode(text), Buffer.from(signature, 'hex'))
    const said = disputes.map(({ number: at, why, expected }) =>
      JSON.stringify({ number: at, why, expected }),
    )
    const texts = [
      `shoal receipts head 1\n${chain}\n${number}\n${hash}`,
      `shoal receipts node 1\n${chain}\n${number}\n${hash}\n${said.join('\n')}`,
    ] as const
    assert(
      signs(this.#networkKey, texts[0], networkSignature),
      `the network signed head ${number} of ${chain}`,
    )
    assert(signs(nodeKey, texts[1], nodeSignature), `its node signed head ${number} of ${chain}`)
  }
}
