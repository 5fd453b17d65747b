import { evolveFleet } from '#fleet/evolve-fleet.ts'
import { checkFleet, emptyFleet, type Fleet } from '#fleet/fleet.ts'
import { unreachable } from '#kernel/assert.ts'
import { fromCanonical, toCanonical } from '#kernel/canonical.ts'
import { evolveLedger } from '#ledger/evolve-ledger.ts'
import { checkLedger, emptyLedger, type Ledger } from '#ledger/ledger.ts'
import {
  checkOrganisations,
  emptyOrganisations,
  evolveOrganisations,
  type Organisations,
} from '#organisations/organisations.ts'
import type { CoordinatorEvent } from './coordinator-events.ts'

/** Everything that is alive in a cell. Written by `evolve` alone. */
export interface CoordinatorState {
  readonly ledger: Ledger
  readonly fleet: Fleet
  readonly organisations: Organisations
}

export const emptyState = (): CoordinatorState => ({
  ledger: emptyLedger(),
  fleet: emptyFleet(),
  organisations: emptyOrganisations(),
})

type Domain = 'ledger' | 'fleet' | 'organisation' | 'usage'

/** Applies one event to the domain that its type names. */
export function evolve(state: CoordinatorState, event: CoordinatorEvent): void {
  const domain = event.type.slice(0, event.type.indexOf('.')) as Domain
  switch (domain) {
    case 'ledger':
      evolveLedger(state.ledger, event as Parameters<typeof evolveLedger>[1])
      break
    case 'fleet':
      evolveFleet(state.fleet, event as Parameters<typeof evolveFleet>[1])
      break
    case 'organisation':
      evolveOrganisations(state.organisations, event as Parameters<typeof evolveOrganisations>[1])
      break
    case 'usage':
      break // A fact for the read models; it changes nothing that is alive.
    default:
      unreachable(domain)
  }
}

/** Throws unless every domain's invariants hold, and those between them. */
export function checkState(state: CoordinatorState): void {
  checkLedger(state.ledger)
  checkFleet(state.fleet)
  checkOrganisations(state.organisations)
}

/** The state as one text: equal states, and only they, give equal texts. */
export const formatState = (state: CoordinatorState): string => toCanonical(state)

/** Reads what `formatState` wrote; the caller has checked that it is unharmed and of this version. */
export const parseState = (text: string): CoordinatorState => fromCanonical(text) as CoordinatorState
