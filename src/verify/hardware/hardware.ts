/**
 * Whether nodes have the hardware that they say they have, as a decider. For each device of a node:
 *
 *   claimed ─→ proven ─→ (a doubt: late, silent) ─→ proven          each pass takes all doubts away
 *           ─→ refuted ─→ proven                                    it is asked again and again, ever more rarely
 *   three forgeries in a row, or a card that two owners claim ─→ quarantined ─→ released
 *
 * A node whose devices are not all proven gets no work and so earns nothing. That a node is here earns nothing either way.
 */
import { assert } from '#kernel/assert.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { ClassTimes } from './class-times.ts'
import type { AnswerRefusal, ProofFault, QuarantineReason } from './hardware-events.ts'

export interface Hardware {
  isRequired: boolean
  /** When this network first asked for proofs: what enrolled before has a grace. `null` where it never did. */
  requiredSinceMs: TimestampMs | null
  isGraceOver: boolean
  readonly nodes: Map<string, ProofRecord>
  /** Owners by node, by the card that they claim. */
  readonly cards: Map<string, Map<string, string>>
  readonly classes: Map<string, ClassTimes>
  /** Of the last day, by node, oldest first. */
  readonly joins: Map<string, Join>
}

export interface ProofRecord {
  readonly organisationId: string
  devices: Map<string, DeviceRecord>
  cardIds: readonly string[]
  /** When all its devices were first proven. */
  firstProvenAtMs: TimestampMs | null
  quarantine: Quarantine | null
  /** Forgeries for devices that it names no more: another name is no new beginning. Only a release ends them. */
  pastForgeries: number
  /** When each refusal was last noted. */
  readonly refused: Map<AnswerRefusal, TimestampMs>
}

export interface DeviceRecord {
  readonly deviceClass: string
  isProven: boolean
  provenAtMs: TimestampMs | null
  /** Of the newest proof. */
  computeMs: number | null
  /** Since the last proof. */
  failures: number
  /** Of these, what no honest node says. */
  forgeries: number
  failure: { readonly fault: ProofFault; readonly detail: string; readonly atMs: TimestampMs } | null
}

export interface Quarantine {
  readonly reason: QuarantineReason
  readonly deviceId: string | null
  readonly detail: string
  readonly atMs: TimestampMs
}

export interface Join {
  readonly organisationId: string
  readonly network: string | null
  readonly atMs: TimestampMs
}

/** Nodes that were here before the network asked for proofs may serve so long on an agent that cannot give any. */
export const GRACE_MS = 7 * 24 * 3_600_000
/** So many answers of a node that no honest one gives, none of them made good by a proof of that device. */
export const FORGERIES_MAX = 3
/** So many doubts in a row. */
export const DOUBTS_MAX = 3

export const emptyHardware = (): Hardware => ({
  isRequired: false,
  requiredSinceMs: null,
  isGraceOver: false,
  nodes: new Map(),
  cards: new Map(),
  classes: new Map(),
  joins: new Map(),
})

/** An answer that no honest node gives, however busy it is. */
export const isForgery = (fault: ProofFault): boolean =>
  fault === 'row_wrong' ||
  fault === 'path_wrong' ||
  fault === 'answer_truncated' ||
  fault === 'answer_reordered'

/**
 * Whether a bar for this device stays when its node names it no more, as long as it still has that card: it showed what no
 * honest node shows, or was proven and is refuted. Who says himself that he cannot prove it is like one who never could.
 */
export const owesProof = ({ forgeries, isProven, provenAtMs, failure }: DeviceRecord): boolean =>
  forgeries > 0 ||
  (provenAtMs !== null &&
    !isProven &&
    failure !== null &&
    failure.fault !== 'memory_short' &&
    failure.fault !== 'prover_failed')

/**
 * Whether no other card has this id. Integrated graphics have none: by what stands in for it (the number of a card's place; of
 * agents of before, bare) all machines of a kind would be one.
 */
export const isOfOneCard = (cardId: string): boolean => !/^(?:(?:amd|nvidia)-)?\d{1,5}$/.test(cardId)

/** All that it can prove is proven, and there is something. */
export const isProven = (record: ProofRecord | undefined): boolean =>
  record !== undefined && record.devices.size > 0 && [...record.devices.values()].every((one) => one.isProven)

/** Throws unless the state makes sense. */
export function checkHardware(hardware: Hardware): void {
  for (const [nodeId, record] of hardware.nodes) {
    for (const cardId of record.cardIds)
      assert(hardware.cards.get(cardId)?.has(nodeId), `${nodeId} is found by its card ${cardId}`)
    for (const device of record.devices.values()) {
      assert(!device.isProven || device.provenAtMs !== null, `${nodeId} is proven since some time`)
      assert(device.forgeries <= device.failures, `${nodeId} forged no more often than it failed`)
      assert(device.failures === 0 || device.failure !== null, `${nodeId} failed for a reason`)
    }
    assert(!isProven(record) || record.firstProvenAtMs !== null, `${nodeId} was proven once`)
  }
  for (const [cardId, owners] of hardware.cards) {
    assert(owners.size > 0, `somebody claims the card ${cardId}`)
    for (const nodeId of owners.keys())
      assert(hardware.nodes.get(nodeId)?.cardIds.includes(cardId), `${nodeId} claims the card ${cardId}`)
  }
}
