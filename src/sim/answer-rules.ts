/**
 * What the journal must say of answers that were looked at and of the pay that stands in for them, by rules written down here
 * once more: the deciders' own code is not used.
 */
import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import { assert } from '#kernel/assert.ts'

type Of<Type extends CoordinatorEvent['type']> = Extract<CoordinatorEvent, { type: Type }>

const PASSES_BEFORE_PAY = 10
const PROOFS_BEFORE_VERDICT = 2
const DOUBT_MILLI = 1_000
const DAY_MS = 24 * 3_600_000

interface Seen {
  passes: number
  passedAtMs: number
  /** Answers that others found false since the last verdict. */
  against: number
  faults: number
  suspendedUntilMs: number | null
  /** Of open windows: what is held back, and when the last of it was earned. */
  readonly windows: Map<number, { amount: bigint; untilMs: number }>
}

export class AnswerRules {
  readonly #nodes = new Map<string, Seen>()
  readonly #owners = new Map<string, string>()
  readonly #reports = new Map<string, number>()
  readonly #checked = new Set<string>()

  read(atMs: number, events: readonly CoordinatorEvent[]): void {
    for (const event of events) this.#readOne(atMs, event)
    this.#checkMoney(events)
  }

  #readOne(atMs: number, event: CoordinatorEvent): void {
    switch (event.type) {
      case 'fleet.node_enrolled':
        this.#owners.set(event.nodeId, event.organisationId)
        break
      case 'verify.answers_heard': {
        const key = `${event.gatewayId} ${event.start}`
        assert((this.#reports.get(key) ?? 0) < event.sequence, `a report of ${key} counts twice`)
        this.#reports.set(key, event.sequence)
        break
      }
      case 'verify.answer_checked':
        this.#readCheck(event)
        break
      case 'verify.answer_faulted':
        this.#of(event.nodeId).passes = 0
        this.#of(event.nodeId).faults++
        break
      case 'verify.node_judged':
        this.#readVerdict(atMs, event)
        break
      case 'verify.suspension_ended': {
        const node = this.#of(event.nodeId)
        assert(atMs >= (node.suspendedUntilMs ?? atMs + 1), `${event.nodeId} works again before its time`)
        node.suspendedUntilMs = null
        break
      }
      case 'verify.answer_pay_held': {
        const { windows } = this.#of(event.nodeId)
        const amount = (windows.get(event.windowId)?.amount ?? 0n) + event.amount
        windows.set(event.windowId, { amount, untilMs: atMs })
        break
      }
      case 'verify.answer_pay_freed':
        this.#readFreed(atMs, event)
        break
    }
  }

  #readCheck(event: Of<'verify.answer_checked'>): void {
    const { auditId, nodeId, outcome, opinions, evidenceMilli } = event
    assert(!this.#checked.has(auditId), `${auditId} is looked at twice`)
    this.#checked.add(auditId)
    const owners = opinions.map((opinion) => this.#owners.get(opinion.nodeId))
    assert(!owners.includes(this.#owners.get(nodeId)), `the owner of ${nodeId} judges what is his own`)
    assert(new Set(owners).size === owners.length, `one owner speaks twice on ${auditId}`)
    const bad = opinions.filter((opinion) => opinion.evidenceMilli >= DOUBT_MILLI)
    const isProven = bad.length >= 2 || bad.some(({ isReference }) => isReference)
    assert(outcome !== 'against' || isProven, `one stranger's word counts against ${nodeId}`)
    assert(
      outcome === 'against' || evidenceMilli <= 0,
      `an answer of ${nodeId} that ${outcome} speaks against it`,
    )
    const node = this.#of(nodeId)
    if (outcome === 'passed') {
      node.passes++
      node.passedAtMs = event.atMs
    }
    if (evidenceMilli > 0) node.against++
  }

  #readVerdict(atMs: number, { nodeId, untilMs, penalty }: Of<'verify.node_judged'>): void {
    const node = this.#of(nodeId)
    const isProven = node.against >= PROOFS_BEFORE_VERDICT || node.faults >= PASSES_BEFORE_PAY
    assert(isProven, `${nodeId} is judged for ${node.against} answers`)
    assert(node.suspendedUntilMs === null, `${nodeId} is judged while it is suspended`)
    assert(
      (untilMs === null) === (penalty === 'banned'),
      `a penalty of ${nodeId} ends, or an operator ends it`,
    )
    assert(untilMs === null || untilMs > atMs, `a suspension of ${nodeId} takes time`)
    Object.assign(node, { passes: 0, against: 0, faults: 0, suspendedUntilMs: untilMs })
  }

  #readFreed(atMs: number, { nodeId, windowId, amount, why }: Of<'verify.answer_pay_freed'>): void {
    const node = this.#of(nodeId)
    const window = node.windows.get(windowId)
    assert(window?.amount === amount, `window ${windowId} of ${nodeId} frees what it has`)
    node.windows.delete(windowId)
    if (why === 'aged') {
      assert(node.passes >= PASSES_BEFORE_PAY, `${nodeId} is paid out after ${node.passes} passes`)
      assert(window.untilMs < node.passedAtMs, `${nodeId} is paid out for what nobody looked behind`)
    }
    if (why === 'expired') assert(atMs - window.untilMs >= DAY_MS, `pay of ${nodeId} is freed within a day`)
  }

  /** What is lost is taken in the same entry, all of it; what auditors get is never more than the answer cost. */
  #checkMoney(events: readonly CoordinatorEvent[]): void {
    let lost = 0n
    for (const event of events) {
      if (event.type === 'verify.answer_pay_freed' && event.why === 'forfeited') lost += event.amount
      if (event.type !== 'ledger.captured') continue
      if (event.transferId.startsWith('answers-forfeited:')) {
        assert(event.fromLosses === 0n, `the network pays for ${event.transferId}`)
        lost -= event.fromHold + event.fromAvailable
      }
      if (event.transferId.startsWith('audit:')) {
        assert(event.accountId === 'network:fees', `${event.transferId} is paid by ${event.accountId}`)
        assert(event.fromLosses === 0n, `the network has not what it pays for ${event.transferId}`)
      }
    }
    assert(lost === 0n, `${lost} of pay was lost and not taken`)
  }

  #of(nodeId: string): Seen {
    const found = this.#nodes.get(nodeId)
    if (found) return found
    const seen: Seen = {
      passes: 0,
      passedAtMs: 0,
      against: 0,
      faults: 0,
      suspendedUntilMs: null,
      windows: new Map(),
    }
    this.#nodes.set(nodeId, seen)
    return seen
  }
}
