/**
 * What the journal must say of time, holds and presence, by rules written down here once more: the deciders' own
 * constants and conditions are not used.
 */
import type { CoordinatorEvent } from '#coordinator/coordinator-events.ts'
import { assert } from '#kernel/assert.ts'

type Of<Type extends CoordinatorEvent['type']> = Extract<CoordinatorEvent, { type: Type }>

/** The promises of docs/concepts: how long a slice lives, and what comes after. */
const SLICE_MS = 180_000
const LENT_AGAIN_AFTER_MS = 60_000
const SUSPECT_MS = 15_000
const TRANSFER_IDS_MS = 7 * 24 * 3_600_000

interface OpenHold {
  readonly accountId: string
  left: bigint
  expiresAtMs: number
}
interface SeenNode {
  presence: 'absent' | 'online' | 'suspect'
  session: number
  gatewayId: string
  sinceMs: number
  reason: string
}

/** Reads a journal entry by entry, in order; throws at the first that breaks a rule. */
export class JournalRules {
  #atMs = 0
  readonly #holds = new Map<string, OpenHold>()
  /** How each hold that is gone went. */
  readonly #gone = new Map<string, 'released' | 'expired'>()
  /** Opened again after they were given back. */
  readonly #unspent = new Set<string>()
  readonly #nodes = new Map<string, SeenNode>()

  read(atMs: number, events: readonly CoordinatorEvent[]): void {
    assert(atMs >= this.#atMs, `an entry of ${atMs} follows one of ${this.#atMs}: time went back`)
    this.#atMs = atMs
    for (const event of events) this.#readEvent(event)
  }

  #readEvent(event: CoordinatorEvent): void {
    switch (event.type) {
      case 'ledger.hold_opened':
        this.#readOpening(event)
        break
      case 'ledger.hold_raised':
        this.#hold(event.holdId).left += event.amount
        break
      case 'ledger.hold_extended':
        this.#checkLife(event.holdId, event.expiresAtMs)
        this.#hold(event.holdId).expiresAtMs = event.expiresAtMs
        break
      case 'ledger.hold_released':
      case 'ledger.hold_expired':
        this.#readEnd(event)
        break
      case 'ledger.captured':
        this.#readCapture(event)
        break
      case 'ledger.transfers_forgotten':
        assert(event.beforeMs <= this.#atMs - TRANSFER_IDS_MS, 'transfer ids are remembered for 7 days')
        break
      case 'fleet.node_online':
        this.#readOnline(event)
        break
      case 'fleet.node_suspect':
      case 'fleet.node_lost':
        this.#readAbsence(event)
        break
    }
  }

  #readOpening({ holdId, accountId, ownerId, amount, expiresAtMs }: Of<'ledger.hold_opened'>): void {
    assert(!this.#holds.has(holdId), `hold ${holdId} is opened twice`)
    // Money on its way out ends by a decision, not by time.
    if (ownerId !== 'payout' && ownerId !== 'holdback') this.#checkLife(holdId, expiresAtMs)
    this.#holds.set(holdId, { accountId, left: amount, expiresAtMs })
    // A gateway that never heard that it has a slice may ask for the same once it expired. One that it gave back can only
    // be opened by a late copy of its question, and nobody spends that.
    if (this.#gone.get(holdId) === 'released') this.#unspent.add(holdId)
    else this.#gone.delete(holdId)
  }

  #checkLife(holdId: string, expiresAtMs: number): void {
    const lifeMs = expiresAtMs - this.#atMs
    assert(lifeMs === SLICE_MS, `slice ${holdId} is lent for ${lifeMs} ms, not for ${SLICE_MS}`)
  }

  #hold(holdId: string): OpenHold {
    const hold = this.#holds.get(holdId)
    assert(hold, `hold ${holdId} is open`)
    return hold
  }

  #readEnd(event: Of<'ledger.hold_released' | 'ledger.hold_expired'>): void {
    const { holdId, amount } = event
    const { left, expiresAtMs } = this.#hold(holdId)
    assert(amount === left, `hold ${holdId} gives back ${amount} of the ${left} that are left`)
    const isExpired = event.type === 'ledger.hold_expired'
    const lentAgainAtMs = expiresAtMs + LENT_AGAIN_AFTER_MS
    assert(
      !isExpired || this.#atMs >= lentAgainAtMs,
      `slice ${holdId} is lent again ${lentAgainAtMs - this.#atMs} ms too early`,
    )
    this.#holds.delete(holdId)
    this.#gone.set(holdId, isExpired ? 'expired' : 'released')
  }

  /** The gateway reserved all of it on the slice: other money is touched only when the slice expired meanwhile. */
  #readCapture(event: Of<'ledger.captured'>): void {
    const { holdId, fromHold, fromAvailable, fromLosses, transferId } = event
    // What auditors get, judged nodes lose and broken promises cost was reserved by nobody: `AnswerRules` and `SlaRules` have more of it.
    if (/^(audit|answers-forfeited|sla):/.test(transferId)) return
    const hold = this.#holds.get(holdId)
    if (hold) {
      assert(!this.#unspent.has(holdId), `${transferId} spends hold ${holdId}, which was given back`)
      hold.left -= fromHold
      assert(
        hold.left >= 0n && hold.accountId === event.accountId,
        `${transferId} takes what hold ${holdId} lacks`,
      )
    }
    const isOther = fromAvailable + fromLosses > 0n
    const why = this.#gone.get(holdId) ?? (hold ? 'open' : 'unknown')
    assert(!isOther || why === 'expired', `${transferId} takes other money, although its hold is ${why}`)
  }

  /** A node's newer connection always wins; the same one comes back only out of a silence, where it was. */
  #readOnline({ nodeId, session, gatewayId }: Of<'fleet.node_online'>): void {
    const node = this.#nodes.get(nodeId)
    const isBack =
      node !== undefined &&
      node.presence !== 'online' &&
      session === node.session &&
      gatewayId === node.gatewayId &&
      node.reason !== 'link_closed' &&
      node.reason !== 'left'
    assert(
      !node || session > node.session || isBack,
      `${nodeId} is online by session ${session}, after ${node?.session}, when it was ${node?.presence}`,
    )
    this.#nodes.set(nodeId, { presence: 'online', session, gatewayId, sinceMs: this.#atMs, reason: '' })
  }

  #readAbsence(event: Of<'fleet.node_suspect' | 'fleet.node_lost'>): void {
    const { nodeId, reason } = event
    const node = this.#nodes.get(nodeId)
    assert(node && node.presence !== 'absent', `${nodeId} was here before it went`)
    if (event.type === 'fleet.node_suspect') {
      assert(node.presence === 'online', `${nodeId} is suspected once`)
      node.presence = 'suspect'
    } else {
      const suspectMs = node.presence === 'suspect' ? this.#atMs - node.sinceMs : 0
      assert(
        reason === 'left' || suspectMs >= SUSPECT_MS,
        `${nodeId} is lost after ${suspectMs} ms of suspicion`,
      )
      node.presence = 'absent'
    }
    node.sinceMs = this.#atMs
    node.reason = reason
  }
}
