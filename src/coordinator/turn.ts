import { type AuditCommand, decideAudit } from '#audit/audit.ts'
import { decideFleet, type FleetCommand, type FleetRefusal } from '#fleet/decide-fleet.ts'
import {
  decideReputation,
  type ReputationCommand,
  type ReputationRefusal,
} from '#fleet/reputation/decide-reputation.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { decideLedger, type LedgerCommand } from '#ledger/decide-ledger.ts'
import type { LedgerRefusal } from '#ledger/ledger-refusal.ts'
import { decideModels, type ModelCommand, type ModelRefusal } from '#models/decide-models.ts'
import { decideOrganisations, type OrganisationCommand } from '#organisations/decide-organisations.ts'
import type { OrganisationRefusal } from '#organisations/organisation-refusal.ts'
import { decideSigned, type ReceiptRefusal } from '#receipts/receipts.ts'
import {
  decideHardware,
  type HardwareCommand,
  type HardwareRefusal,
} from '#verify/hardware/decide-hardware.ts'
import type { CoordinatorEvent, UsageEvent } from './coordinator-events.ts'
import { type CoordinatorState, evolve } from './coordinator-state.ts'

/**
 * One step of the coordinator. A use case calls the deciders through it, as many as it needs; each accepted command
 * takes effect in memory at once, and all events of the turn become one atomic journal entry. A refusal changes
 * nothing, but does not undo what the turn did before it: a use case asks what may refuse first.
 */
export interface Turn {
  readonly nowMs: TimestampMs
  readonly state: CoordinatorState
  /** True once it has an event. */
  hasChanged(): boolean
  ledger(command: LedgerCommand): LedgerRefusal | null
  fleet(command: FleetCommand): FleetRefusal | null
  reputation(command: ReputationCommand): ReputationRefusal | null
  organisations(command: OrganisationCommand): OrganisationRefusal | null
  models(command: ModelCommand): ModelRefusal | null
  hardware(command: HardwareCommand): HardwareRefusal | null
  /** Notes what both sides signed. */
  signReceipts(signed: Parameters<typeof decideSigned>[1]): ReceiptRefusal | null
  /** Adds a line to an organisation's audit log. */
  audit(command: AuditCommand): void
  recordUsage(event: UsageEvent): void
  /** Adds what a decider that the turn does not know returned for this very state; `evolve` applies it at once. */
  record(events: readonly CoordinatorEvent[]): void
  /** Runs once all that this turn saw and did is durable, in the order of the turns and before its reply leaves. */
  after(run: () => void): void
}

/** A turn on `state` that collects its events in `events`, and in `effects` what is to run once they are durable. */
export function startTurn(
  state: CoordinatorState,
  nowMs: TimestampMs,
  events: CoordinatorEvent[],
  effects: (() => void)[] = [],
): Turn {
  const apply = (event: CoordinatorEvent): void => {
    evolve(state, event)
    events.push(event)
  }
  const accept = <Refusal>(decision: Refusal | CoordinatorEvent[]): Refusal | null => {
    if (!Array.isArray(decision)) return decision
    for (const event of decision) apply(event)
    return null
  }
  return {
    nowMs,
    state,
    hasChanged: () => events.length > 0,
    ledger: (command) => accept<LedgerRefusal>(decideLedger(state.ledger, command)),
    fleet: (command) => accept<FleetRefusal>(decideFleet(state.fleet, command)),
    reputation: (command) => accept<ReputationRefusal>(decideReputation(state.reputation, command)),
    organisations: (command) =>
      accept<OrganisationRefusal>(decideOrganisations(state.organisations, command)),
    models: (command) => accept<ModelRefusal>(decideModels(state.models, command)),
    hardware: (command) => accept<HardwareRefusal>(decideHardware(state.hardware, command)),
    signReceipts: (signed) => accept<ReceiptRefusal>(decideSigned(state.receipts, signed)),
    audit: (command) => void accept(decideAudit(state.audit, command)),
    recordUsage: apply,
    record(added) {
      for (const event of added) apply(event)
    },
    after: (run) => void effects.push(run),
  }
}
