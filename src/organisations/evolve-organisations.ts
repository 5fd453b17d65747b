import { assert, unreachable } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { noteReached } from './budget-alerts.ts'
import { useAt } from './key-use.ts'
import type { OrganisationEvent } from './organisation-events.ts'
import {
  type ApiKey,
  defaultProject,
  isStandingOwner,
  type Member,
  type Organisations,
} from './organisations.ts'

/** Applies an event that `decideOrganisations` returned for this same state. */
export function evolveOrganisations(state: Organisations, event: OrganisationEvent): void {
  switch (event.type) {
    case 'organisation.created': {
      const { organisationId: id, name, atMs } = event
      state.organisations.set(id, { id, name, createdAtMs: atMs, hasOwner: false })
      const projectId = defaultProject(id)
      addProject(state, { projectId, organisationId: id, name: 'default', atMs })
      break
    }
    case 'organisation.key_created':
      addKey(state, event)
      break
    case 'organisation.key_revoked': {
      const key = keyOf(state, event.keyId)
      key.revokedAtMs = event.atMs
      state.keyIdByHash.delete(key.hash)
      if (event.reason === undefined) forgetOwnership(state, key)
      break
    }
    case 'organisation.key_rotated': {
      const key = keyOf(state, event.keyId)
      key.rotatedToKeyId = event.newKeyId
      key.expiresAtMs = event.endsAtMs
      break
    }
    case 'organisation.key_expired': {
      const key = keyOf(state, event.keyId)
      key.expiredAtMs = event.atMs
      state.keyIdByHash.delete(key.hash)
      break
    }
    case 'organisation.keys_forgotten':
      forgetKeys(state, event.keyIds)
      break
    case 'organisation.key_secret_noted':
      state.keySecretCheck = event.check
      break
    case 'organisation.key_limited':
      keyOf(state, event.keyId).limits = event.limits
      break
    case 'organisation.budget_reached':
      noteReached(state, event)
      break
    case 'organisation.project_created':
      addProject(state, event)
      break
    case 'organisation.project_archived': {
      const project = state.projects.get(event.projectId)
      assert(project, 'decide checked that the project exists')
      project.archivedAtMs = event.atMs
      break
    }
    case 'organisation.service_account_created': {
      const { serviceAccountId: id, organisationId, name, scopes, atMs } = event
      state.serviceAccounts.set(id, {
        id,
        organisationId,
        name,
        scopes,
        createdAtMs: atMs,
        removedAtMs: null,
      })
      break
    }
    case 'organisation.service_account_removed': {
      const account = state.serviceAccounts.get(event.serviceAccountId)
      assert(account, 'decide checked that the service account exists')
      account.removedAtMs = event.atMs
      break
    }
    case 'organisation.member_invited':
    case 'organisation.member_accepted':
    case 'organisation.member_scoped':
    case 'organisation.member_removed':
      evolveMember(state, event)
      break
    default:
      unreachable(event)
  }
}

type MemberEvent = OrganisationEvent & { type: `organisation.member_${string}` }

function evolveMember(state: Organisations, event: MemberEvent): void {
  if (event.type === 'organisation.member_invited') {
    const { memberId: id, organisationId, name, email, scopes, invitationHash, expiresAtMs, atMs } = event
    state.members.set(id, {
      id,
      organisationId,
      name,
      email,
      scopes,
      status: 'invited',
      invitationHash,
      invitationExpiresAtMs: expiresAtMs,
      invitedAtMs: atMs,
      acceptedAtMs: null,
      removedAtMs: null,
    })
    state.memberIdByInvitation.set(invitationHash, id)
    return
  }
  const member = state.members.get(event.memberId)
  assert(member, 'decide checked that the member exists')
  switch (event.type) {
    case 'organisation.member_accepted':
      endInvitation(state, member)
      member.status = 'accepted'
      member.acceptedAtMs = event.atMs
      break
    case 'organisation.member_scoped':
      member.scopes = event.scopes
      break
    case 'organisation.member_removed':
      endInvitation(state, member)
      member.status = 'removed'
      member.removedAtMs = event.atMs
      break
    default:
      unreachable(event)
  }
}

/** Counts what `keyId` used, as it was billed at `atMs`. A key that is not known any more has nothing to be counted for. */
export function countUse(
  state: Organisations,
  used: { keyId: string; tokens: number; cost: NanoUsd; atMs: TimestampMs },
): void {
  const key = state.keys.get(used.keyId)
  if (!key || (used.tokens === 0 && used.cost === 0n)) return
  const {
    day,
    tokens,
    requests = 0,
    spend,
    month,
    monthSpend,
  } = useAt(state.use.get(key.budgetId), used.atMs)
  state.use.set(key.budgetId, {
    day,
    tokens: tokens + used.tokens,
    requests: requests + 1,
    spend: spend + used.cost,
    month,
    monthSpend: monthSpend + used.cost,
  })
}

function addKey(state: Organisations, event: OrganisationEvent & { type: 'organisation.key_created' }): void {
  const { keyId: id, organisationId, name, hash, hint, scopes, atMs, holder, rotatedFromKeyId } = event
  const predecessor = rotatedFromKeyId === undefined ? undefined : state.keys.get(rotatedFromKeyId)
  const key: ApiKey = {
    id,
    organisationId,
    projectId: event.projectId ?? defaultProject(organisationId),
    holder: holder ?? null,
    name,
    hash,
    hint,
    scopes,
    limits: event.limits ?? {},
    slaClass: event.slaClass ?? null,
    budgetId: predecessor?.budgetId ?? id,
    rotatedFromKeyId: rotatedFromKeyId ?? null,
    rotatedToKeyId: null,
    createdAtMs: atMs,
    expiresAtMs: event.expiresAtMs ?? null,
    expiredAtMs: null,
    revokedAtMs: null,
  }
  state.keys.set(id, key)
  state.keyIdByHash.set(hash, id)
  const organisation = state.organisations.get(organisationId)
  if (organisation && isStandingOwner(key)) organisation.hasOwner = true
}

/** What was used of a budget is known as long as one of its keys. */
function forgetKeys(state: Organisations, keyIds: readonly string[]): void {
  const budgetIds = new Set(keyIds.map((keyId) => keyOf(state, keyId).budgetId))
  for (const keyId of keyIds) state.keys.delete(keyId)
  for (const { budgetId } of state.keys.values()) budgetIds.delete(budgetId)
  for (const budgetId of budgetIds) {
    state.use.delete(budgetId)
    state.told.delete(budgetId)
  }
}

function addProject(
  state: Organisations,
  {
    projectId: id,
    organisationId,
    name,
    atMs,
  }: { projectId: string; organisationId: string; name: string; atMs: number },
): void {
  state.projects.set(id, { id, organisationId, name, createdAtMs: atMs, archivedAtMs: null })
}

/** The first release let an organisation revoke its last owner's key; from there on it has none to keep. */
function forgetOwnership(state: Organisations, { organisationId }: ApiKey): void {
  const organisation = state.organisations.get(organisationId)
  if (!organisation) return
  organisation.hasOwner = [...state.keys.values()].some(
    (key) => key.organisationId === organisationId && isStandingOwner(key),
  )
}

function endInvitation(state: Organisations, member: Member): void {
  if (member.status === 'invited') state.memberIdByInvitation.delete(member.invitationHash)
}

function keyOf(state: Organisations, keyId: string): ApiKey {
  const key = state.keys.get(keyId)
  assert(key, 'decide checked that the key exists')
  return key
}
