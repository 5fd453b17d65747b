import { type Audit, checkAudit, emptyAudit, evolveAudit } from '#audit/audit.ts'
import { evolveFleet } from '#fleet/evolve-fleet.ts'
import { checkFleet, emptyFleet, type Fleet } from '#fleet/fleet.ts'
import { unreachable } from '#kernel/assert.ts'
import { fromCanonical, toCanonical } from '#kernel/canonical.ts'
import { evolveLedger } from '#ledger/evolve-ledger.ts'
import { checkLedger, emptyLedger, type Ledger } from '#ledger/ledger.ts'
import { evolveModels } from '#models/evolve-models.ts'
import { checkModels, emptyModels, type Models } from '#models/models.ts'
import { countUse, evolveOrganisations } from '#organisations/evolve-organisations.ts'
import { checkOrganisations, emptyOrganisations, type Organisations } from '#organisations/organisations.ts'
import { evolveVerify } from '#verify/evolve-verify.ts'
import { checkVerify, emptyVerify, type Verify } from '#verify/verify.ts'
import { checkWork } from '#work/check-work.ts'
import { evolveWork } from '#work/evolve-work.ts'
import { emptyWork, type Work } from '#work/work.ts'
import type { CoordinatorEvent, UsageEvent } from './coordinator-events.ts'
import { checkHeldPay } from './work/check-held-pay.ts'
import { evolveKeySpend } from './work/job-spend.ts'
import { checkJobsPaid, evolveJobsPaid, type JobsPaid } from './work/jobs-paid.ts'

/** Everything that is alive in a cell. Written by `evolve` alone. */
export interface CoordinatorState {
  readonly ledger: Ledger
  readonly fleet: Fleet
  readonly organisations: Organisations
  readonly audit: Audit
  readonly models: Models
  readonly work: Work
  readonly verify: Verify
  readonly jobsPaid: JobsPaid
}

export const emptyState = (): CoordinatorState => ({
  ledger: emptyLedger(),
  fleet: emptyFleet(),
  organisations: emptyOrganisations(),
  audit: emptyAudit(),
  models: emptyModels(),
  work: emptyWork(),
  verify: emptyVerify(),
  jobsPaid: new Map(),
})

type Domain = 'ledger' | 'fleet' | 'organisation' | 'audit' | 'model' | 'work' | 'verify' | 'usage'

/** Applies one event to the domain that its type names. */
export function evolve(state: CoordinatorState, event: CoordinatorEvent): void {
  const domain = event.type.slice(0, event.type.indexOf('.')) as Domain
  switch (domain) {
    case 'ledger':
      evolveLedger(state.ledger, event as Parameters<typeof evolveLedger>[1])
      evolveJobsPaid(state.jobsPaid, event)
      evolveKeySpend(state, event)
      break
    case 'fleet':
      evolveFleet(state.fleet, event as Parameters<typeof evolveFleet>[1])
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
      break
    case 'verify':
      evolveVerify(state.verify, event as Parameters<typeof evolveVerify>[1])
      break
    case 'usage':
      evolveUsage(state, event as UsageEvent)
      break
    default:
      unreachable(domain)
  }
}

/** A fact for the read models; what is alive is only how much of its key's limits is used. */
function evolveUsage({ organisations }: CoordinatorState, { record, cost, atMs }: UsageEvent): void {
  if (atMs === undefined) return
  let tokens = 0
  for (const part of record.parts) tokens += part.promptTokens + part.completionTokens
  countUse(organisations, { keyId: record.keyId, tokens, cost, atMs })
}

/** Throws unless every domain's invariants hold, and those between them. */
export function checkState(state: CoordinatorState): void {
  checkLedger(state.ledger)
  checkFleet(state.fleet)
  checkOrganisations(state.organisations)
  checkAudit(state.audit)
  checkModels(state.models)
  checkWork(state.work)
  checkVerify(state.verify)
  checkHeldPay(state)
  checkJobsPaid(state)
}

/** The state as one text: equal states, and only they, give equal texts. */
export const formatState = (state: CoordinatorState): string => toCanonical(state)

/** Reads what `formatState` wrote; the caller has checked that it is unharmed and of this version. */
export const parseState = (text: string): CoordinatorState => fromCanonical(text) as CoordinatorState
