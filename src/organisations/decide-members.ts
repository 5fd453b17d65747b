import { assert, unreachable } from '#kernel/assert.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { Scope } from '#protocol/scope.ts'
import { mayGrant, revokeHeld } from './grants.ts'
import type { OrganisationEvent } from './organisation-events.ts'
import type { Acting, OrganisationRefusal } from './organisation-refusal.ts'
import type { Organisations } from './organisations.ts'

export type MemberCommand =
  | (Acting & {
      kind: 'invite_member'
      memberId: string
      organisationId: string
      name: string
      email: string
      scopes: readonly Scope[]
      invitationHash: string
      expiresAtMs: TimestampMs
      nowMs: TimestampMs
    })
  | {
      kind: 'accept_invitation'
      invitationHash: string
      /** The member's first key. */
      keyId: string
      hash: string
      hint: string
      nowMs: TimestampMs
    }
  | (Acting & {
      kind: 'scope_member'
      memberId: string
      organisationId: string
      scopes: readonly Scope[]
      nowMs: TimestampMs
    })
  | (Acting & { kind: 'remove_member'; memberId: string; organisationId: string; nowMs: TimestampMs })

export function decideMembers(
  state: Organisations,
  command: MemberCommand,
): OrganisationRefusal | OrganisationEvent[] {
  switch (command.kind) {
    case 'invite_member': {
      const { kind: _, actorKeyId: __, nowMs, scopes, ...invited } = command
      if (state.members.has(command.memberId)) return 'member_exists'
      if (state.memberIdByInvitation.has(command.invitationHash)) return 'member_exists'
      if (scopes.length === 0) return 'scopes_empty'
      if (command.expiresAtMs <= nowMs) return 'expiry_past'
      if (!mayGrant(state, command, scopes)) return 'scope_escalation'
      return [{ type: 'organisation.member_invited', ...invited, scopes: [...scopes], atMs: nowMs }]
    }
    case 'accept_invitation':
      return decideAccept(state, command)
    case 'scope_member': {
      const { memberId, organisationId, scopes, nowMs } = command
      const member = state.members.get(memberId)
      if (member?.organisationId !== organisationId) return 'member_unknown'
      if (member.status === 'removed') return 'member_removed'
      if (scopes.length === 0) return 'scopes_empty'
      if (!mayGrant(state, command, [...member.scopes, ...scopes])) return 'scope_escalation'
      const revoked = revokeHeld(state, { kind: 'member', id: memberId }, nowMs, scopes)
      if (revoked === 'last_owner') return revoked
      return [...revoked, { type: 'organisation.member_scoped', memberId, scopes: [...scopes], atMs: nowMs }]
    }
    case 'remove_member': {
      const { memberId, organisationId, nowMs } = command
      const member = state.members.get(memberId)
      if (member?.organisationId !== organisationId) return 'member_unknown'
      if (member.status === 'removed') return []
      if (!mayGrant(state, command, member.scopes)) return 'scope_escalation'
      const revoked = revokeHeld(state, { kind: 'member', id: memberId }, nowMs)
      if (revoked === 'last_owner') return revoked
      return [...revoked, { type: 'organisation.member_removed', memberId, atMs: nowMs }]
    }
    default:
      return unreachable(command)
  }
}

/** An invitation opens once: its member gets a key with all that the invitation gave. */
function decideAccept(
  state: Organisations,
  command: MemberCommand & { kind: 'accept_invitation' },
): OrganisationRefusal | OrganisationEvent[] {
  const { invitationHash, keyId, hash, hint, nowMs } = command
  const memberId = state.memberIdByInvitation.get(invitationHash)
  if (memberId === undefined) return 'invitation_unknown'
  const member = state.members.get(memberId)
  assert(member, 'an invitation leads to a member')
  if (nowMs >= member.invitationExpiresAtMs) return 'invitation_expired'
  if (state.keys.has(keyId) || state.keyIdByHash.has(hash)) return 'key_exists'
  const { organisationId, name, scopes } = member
  const holder = { kind: 'member', id: memberId } as const
  const key = { keyId, organisationId, name, hash, hint, scopes: [...scopes], holder }
  return [
    { type: 'organisation.member_accepted', memberId, atMs: nowMs },
    { type: 'organisation.key_created', ...key, atMs: nowMs },
  ]
}
