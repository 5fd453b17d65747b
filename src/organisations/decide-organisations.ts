import { unreachable } from '#kernel/assert.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { Scope } from '#protocol/scope.ts'
import { decideKeys, type KeyCommand } from './decide-keys.ts'
import { decideMembers, type MemberCommand } from './decide-members.ts'
import { mayGrant, revokeHeld } from './grants.ts'
import type { OrganisationEvent } from './organisation-events.ts'
import type { Acting, OrganisationRefusal } from './organisation-refusal.ts'
import { defaultProject, isOpen, type Organisations } from './organisations.ts'

export type OrganisationCommand =
  | { kind: 'create_organisation'; organisationId: string; name: string; nowMs: TimestampMs }
  | (Acting & {
      kind: 'create_project'
      projectId: string
      organisationId: string
      name: string
      nowMs: TimestampMs
    })
  | (Acting & { kind: 'archive_project'; projectId: string; organisationId: string; nowMs: TimestampMs })
  | (Acting & {
      kind: 'create_service_account'
      serviceAccountId: string
      organisationId: string
      name: string
      scopes: readonly Scope[]
      nowMs: TimestampMs
    })
  | (Acting & {
      kind: 'remove_service_account'
      serviceAccountId: string
      organisationId: string
      nowMs: TimestampMs
    })
  | MemberCommand
  | KeyCommand

/** The events that `command` causes (none for what is already so), or why it is refused. Changes nothing. */
export function decideOrganisations(
  state: Organisations,
  command: OrganisationCommand,
): OrganisationRefusal | OrganisationEvent[] {
  switch (command.kind) {
    case 'create_organisation': {
      const { organisationId, name, nowMs } = command
      if (state.organisations.has(organisationId)) return 'organisation_exists'
      return [{ type: 'organisation.created', organisationId, name, atMs: nowMs }]
    }
    case 'create_project':
    case 'archive_project':
    case 'create_service_account':
    case 'remove_service_account':
      return mayReach(state, command) ? decideParts(state, command) : 'organisation_unknown'
    case 'accept_invitation':
      return decideMembers(state, command)
    case 'invite_member':
    case 'scope_member':
    case 'remove_member':
      return mayReach(state, command) ? decideMembers(state, command) : 'organisation_unknown'
    case 'expire_key':
    case 'reach_budget':
    case 'forget_keys':
    case 'note_key_secret':
      return decideKeys(state, command)
    case 'create_key':
    case 'revoke_key':
    case 'rotate_key':
    case 'limit_key':
      return mayReach(state, command) ? decideKeys(state, command) : 'organisation_unknown'
    default:
      return unreachable(command)
  }
}

/** The organisation is there, and the acting key is its own or an operator's. */
function mayReach(state: Organisations, command: Acting & { organisationId: string }): boolean {
  if (!state.organisations.has(command.organisationId)) return false
  const { actorKeyId } = command
  if (actorKeyId === undefined || actorKeyId === null) return true
  const actor = state.keys.get(actorKeyId)
  if (!actor) return false
  return actor.organisationId === command.organisationId || actor.scopes.includes('operator')
}

type PartCommand = Extract<
  OrganisationCommand,
  { kind: 'create_project' | 'archive_project' | 'create_service_account' | 'remove_service_account' }
>

function decideParts(state: Organisations, command: PartCommand): OrganisationRefusal | OrganisationEvent[] {
  const { organisationId, nowMs } = command
  switch (command.kind) {
    case 'create_project': {
      const { projectId, name } = command
      if (state.projects.has(projectId)) return 'project_exists'
      return [{ type: 'organisation.project_created', projectId, organisationId, name, atMs: nowMs }]
    }
    case 'archive_project': {
      const project = state.projects.get(command.projectId)
      if (project?.organisationId !== organisationId) return 'project_unknown'
      if (project.archivedAtMs !== null) return []
      if (project.id === defaultProject(organisationId)) return 'project_is_default'
      for (const key of state.keys.values()) {
        if (key.projectId === project.id && isOpen(key)) return 'project_in_use'
      }
      return [{ type: 'organisation.project_archived', projectId: project.id, atMs: nowMs }]
    }
    case 'create_service_account': {
      const { serviceAccountId, name, scopes } = command
      if (state.serviceAccounts.has(serviceAccountId)) return 'service_account_exists'
      if (scopes.length === 0) return 'scopes_empty'
      if (!mayGrant(state, command, scopes)) return 'scope_escalation'
      const created = { serviceAccountId, organisationId, name, scopes: [...scopes], atMs: nowMs }
      return [{ type: 'organisation.service_account_created', ...created }]
    }
    case 'remove_service_account': {
      const account = state.serviceAccounts.get(command.serviceAccountId)
      if (account?.organisationId !== organisationId) return 'service_account_unknown'
      if (account.removedAtMs !== null) return []
      if (!mayGrant(state, command, account.scopes)) return 'scope_escalation'
      const { id: serviceAccountId } = account
      const revoked = revokeHeld(state, { kind: 'service_account', id: serviceAccountId }, nowMs)
      if (revoked === 'last_owner') return revoked
      return [...revoked, { type: 'organisation.service_account_removed', serviceAccountId, atMs: nowMs }]
    }
    default:
      return unreachable(command)
  }
}
