import { type Audit, checkAudit, emptyAudit, evolveAudit } from '#audit/audit.ts'
import { evolveFleet } from '#fleet/evolve-fleet.ts'
import { checkFleet, emptyFleet, type Fleet } from '#fleet/fleet.ts'
import { evolveReputation, observeFleet, observeUsage } from '#fleet/reputation/evolve-reputation.ts'
import { checkReputation, emptyReputation, type Reputation } from '#fleet/reputation/reputation.ts'
import { unreachable } from '#kernel/assert.ts'
import { fromCanonical, toCanonical } from '#kernel/canonical.ts'
import { evolveLedger } from '#ledger/evolve-ledger.ts'
import { checkLedger, emptyLedger, type Ledger } from '#ledger/ledger.ts'
import { evolveModels } from '#models/evolve-models.ts'
import { checkModels, emptyModels, type Models } from '#models/models.ts'
import { countUse, evolveOrganisations } from '#organisations/evolve-organisations.ts'
import { checkOrganisations, emptyOrganisations, type Organisations } from '#organisations/organisations.ts'
import type { ReceiptEvent } from '#receipts/receipt-events.ts'
import {
  checkReceipts,
  emptyReceipts,
  evolveReceipts,
  evolveReceiptsOfUsage,
  type Receipts,
} from '#receipts/receipts.ts'
import { countRecord } from '#sla/count-request.ts'
import { closeRequest, evolveSla } from '#sla/evolve-sla.ts'
import { checkSla, emptySla, type Sla } from '#sla/sla.ts'
import { evolveVerify } from '#verify/evolve-verify.ts'
import { evolveHardware } from '#verify/hardware/evolve-hardware.ts'
import { checkHardware, emptyHardware, type Hardware } from '#verify/hardware/hardware.ts'
import { checkVerify, emptyVerify, type Verify } from '#verify/verify.ts'
import { checkWork } from '#work/check-work.ts'
import { evolveWork } from '#work/evolve-work.ts'
import { emptyWork, type Work } from '#work/work.ts'
import { checkAnswerPay } from './answers/check-answer-pay.ts'
import type { CoordinatorEvent, UsageEvent } from './coordinator-events.ts'
import { countedUsage } from './reputation/counted-usage.ts'
import { evolveJobPromises } from './sla/job-promises.ts'
import { checkHeldPay } from './work/check-held-pay.ts'
import { evolveKeySpend } from './work/job-spend.ts'
import { checkJobsPaid, evolveJobsPaid, type JobsPaid } from './work/jobs-paid.ts'

/** Everything that is alive in a cell. Written by `evolve` alone. */
export interface CoordinatorState {
  readonly ledger: Ledger
  readonly fleet: Fleet
  readonly reputation: Reputation
  readonly organisations: Organisations
  readonly audit: Audit
  readonly models: Models
  readonly work: Work
  readonly verify: Verify
  readonly hardware: Hardware
  readonly sla: Sla
  readonly receipts: Receipts
  readonly jobsPaid: JobsPaid
}

export const emptyState = (): CoordinatorState => ({
  ledger: emptyLedger(),
  fleet: emptyFleet(),
  reputation: emptyReputation(),
  organisations: emptyOrganisations(),
  audit: emptyAudit(),
  models: emptyModels(),
  work: emptyWork(),
  verify: emptyVerify(),
  hardware: emptyHardware(),
  sla: emptySla(),
  receipts: emptyReceipts(),
  jobsPaid: new Map(),
})

type Domain =
  | 'ledger'
  | 'fleet'
  | 'reputation'
  | 'organisation'
  | 'audit'
  | 'model'
  | 'work'
  | 'verify'
  | 'hardware'
  | 'sla'
  | 'receipts'
  | 'usage'

/** Applies one event to the domain that its type names. */
export function evolve(state: CoordinatorState, event: CoordinatorEvent): void {
  const domain = event.type.slice(0, event.type.indexOf('.')) as Domain
  switch (domain) {
    case 'ledger':
      evolveLedger(state.ledger, event as Parameters<typeof evolveLedger>[1])
      evolveJobsPaid(state.jobsPaid, event)
      evolveKeySpend(state, event)
      evolveJobPromises(state, event)
      break
    case 'fleet':
      evolveFleet(state.fleet, event as Parameters<typeof evolveFleet>[1])
      observeFleet(state.reputation, event as Parameters<typeof observeFleet>[1], state.hardware.joins)
      break
    case 'reputation':
      evolveReputation(state.reputation, event as Parameters<typeof evolveReputation>[1])
      break
    case 'organisation':
      evolveOrganisations(state.organisations, event as Parameters<typeof evolveOrganisations>[1])
      break
    case 'audit':
      evolveAudit(state.audit, event as Parameters<typeof evolveAudit>[1])
      break
    case 'model':
      evolveModels(state.models, event as Parameters<typeof evolveModels>[1])
      break
    case 'work':
      evolveWork(state.work, event as Parameters<typeof evolveWork>[1])
      evolveJobsPaid(state.jobsPaid, event)
      evolveJobPromises(state, event)
      break
    case 'verify':
      evolveVerify(state.verify, event as Parameters<typeof evolveVerify>[1])
      break
    case 'hardware':
      evolveHardware(state.hardware, event as Parameters<typeof evolveHardware>[1])
      break
    case 'sla':
      evolveSla(state.sla, event as Parameters<typeof evolveSla>[1])
      break
    case 'receipts':
      evolveReceipts(state.receipts, event as ReceiptEvent)
      break
    case 'usage':
      evolveUsage(state, event as UsageEvent)
      break
    default:
      unreachable(domain)
  }
}

/** How `spoolOfChain` begins. */
const CLAIMS = 'receipts:'

/** A fact for the read models; what is alive is only how much of its key's limits is used. */
function evolveUsage(
  state: CoordinatorState,
  { spoolId, record, cost, paidBefore = 0n, slaCharge, wasLost, atMs }: UsageEvent,
): void {
  if (atMs === undefined) return
  const { organisations, receipts, reputation, sla } = state
  observeUsage(reputation, countedUsage(state, record), atMs)
  // What a node's copy tells of a lost gateway is what is owed to the node, not that the caller was served.
  // Its reading may yet come, and is what counts; without one, what was under way counts as lost.
  if (!spoolId.startsWith(CLAIMS)) {
    closeRequest(sla, record.requestId)
    countRecord(sla, { record, cost: cost + paidBefore, charge: slaCharge, wasLost, atMs })
  }
  evolveReceiptsOfUsage(receipts, record, atMs, spoolId.startsWith(CLAIMS))
  let tokens = 0
  for (const part of record.parts) tokens += part.promptTokens + part.completionTokens
  countUse(organisations, { keyId: record.keyId, tokens, cost, atMs })
}

/** Throws unless every domain's invariants hold, and those between them. */
export function checkState(state: CoordinatorState): void {
  checkLedger(state.ledger)
  checkFleet(state.fleet)
  checkReputation(state.reputation)
  checkOrganisations(state.organisations)
  checkAudit(state.audit)
  checkModels(state.models)
  checkWork(state.work)
  checkVerify(state.verify)
  checkHardware(state.hardware)
  checkReceipts(state.receipts)
  checkSla(state.sla)
  checkHeldPay(state)
  checkAnswerPay(state)
  checkJobsPaid(state)
}

/** The state as one text: equal states, and only they, give equal texts. */
export const formatState = (state: CoordinatorState): string => toCanonical(state)

/** Reads what `formatState` wrote; the caller has checked that it is unharmed and of this version. */
export const parseState = (text: string): CoordinatorState => fromCanonical(text) as CoordinatorState
