import type { OrganisationRefusal } from '#organisations/organisation-refusal.ts'
import { openOrganisation } from './open-organisation.ts'
import type { Turn } from './turn.ts'
import { verifyIn } from './work/holdback.ts'

/**
 * The operator's own organisation whose nodes check what others render: opened the first time, with `organisationId`. It is known
 * by the network's own record and by no name: nobody else can be it.
 */
export function openReference(turn: Turn, organisationId: string): string | OrganisationRefusal {
  const { referenceId } = turn.state.verify
  if (referenceId !== null) return referenceId
  const refusal = openOrganisation(turn, { organisationId, name: 'reference' })
  if (refusal) return refusal
  verifyIn(turn, { kind: 'name_reference', organisationId, nowMs: turn.nowMs })
  return organisationId
}
