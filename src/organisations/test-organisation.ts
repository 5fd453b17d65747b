/** For tests: two organisations with everything that one can have, in each of its states. */
import assert from 'node:assert/strict'
import type { Scope } from '#protocol/scope.ts'
import { decideOrganisations, type OrganisationCommand } from './decide-organisations.ts'
import { evolveOrganisations } from './evolve-organisations.ts'
import { OrganisationEvent } from './organisation-events.ts'
import type { OrganisationRefusal } from './organisation-refusal.ts'
import { checkOrganisations, emptyOrganisations } from './organisations.ts'

export const nowMs = 1_800_000_000_000
/** Of a key that is nobody's yet. */
export const drawn = { hash: 'new hash', hint: 'h' }

/** In `org` there is one of everything; `other` has a project and two keys. */
export function setUpOrganisations() {
  const state = emptyOrganisations()
  const apply = (command: OrganisationCommand): OrganisationRefusal | 'done' => {
    const decision = decideOrganisations(state, command)
    if (!Array.isArray(decision)) return decision
    for (const event of decision) evolveOrganisations(state, OrganisationEvent.parse(event))
    checkOrganisations(state)
    return 'done'
  }
  const must = (command: OrganisationCommand): void => assert.equal(apply(command), 'done', command.kind)
  const createKey = (keyId: string, more: Partial<OrganisationCommand & { kind: 'create_key' }> = {}): void =>
    must({
      kind: 'create_key',
      keyId,
      organisationId: 'org',
      name: keyId,
      hash: `hash of ${keyId}`,
      hint: 'h',
      scopes: ['owner'],
      nowMs,
      ...more,
    })
  const org = { organisationId: 'org', nowMs } as const
  for (const organisationId of ['org', 'other']) {
    must({ kind: 'create_organisation', organisationId, name: organisationId, nowMs })
  }
  for (const projectId of ['project', 'project in use', 'archived']) {
    must({ kind: 'create_project', projectId, name: projectId, ...org })
  }
  must({ kind: 'archive_project', projectId: 'archived', ...org })
  must({ kind: 'create_project', projectId: 'project of other', organisationId: 'other', name: 'p', nowMs })
  const invite = (memberId: string, scopes: readonly Scope[]): void =>
    must({
      kind: 'invite_member',
      memberId,
      name: memberId,
      email: 'e@x',
      scopes,
      invitationHash: `invitation of ${memberId}`,
      expiresAtMs: nowMs + 1_000,
      ...org,
    })
  for (const [memberId, scope] of [
    ['ada', 'developer'],
    ['bob', 'viewer'],
    ['eve', 'owner'],
    ['gone', 'viewer'],
  ] as const) {
    invite(memberId, [scope])
    if (memberId === 'bob') continue
    const key = { keyId: `first of ${memberId}`, hash: `first hash of ${memberId}`, hint: 'h' }
    must({ kind: 'accept_invitation', invitationHash: `invitation of ${memberId}`, ...key, nowMs })
  }
  createKey('live')
  createKey('spare')
  must({ kind: 'revoke_key', keyId: 'first of eve', ...org })
  must({ kind: 'remove_member', memberId: 'gone', ...org })
  must({
    kind: 'create_service_account',
    serviceAccountId: 'program',
    name: 'p',
    scopes: ['developer'],
    ...org,
  })
  createKey('revoked')
  must({ kind: 'revoke_key', keyId: 'revoked', ...org })
  createKey('expired', { expiresAtMs: nowMs, nowMs: nowMs - 1_000 })
  createKey('noted', { expiresAtMs: nowMs, nowMs: nowMs - 1_000 })
  must({ kind: 'expire_key', keyId: 'noted', nowMs })
  createKey('short', { expiresAtMs: nowMs + 1_000, scopes: ['viewer'] })
  createKey('operator', { scopes: ['operator'] })
  createKey('billing', { scopes: ['billing'] })
  createKey('in use', { scopes: ['viewer'], projectId: 'project in use' })
  createKey('limited', { scopes: ['developer'], limits: { tokensPerDay: 5 } })
  createKey('ada develops', { scopes: ['developer'], holder: { kind: 'member', id: 'ada' } })
  createKey('ada looks', { scopes: ['viewer'], holder: { kind: 'member', id: 'ada' } })
  createKey('of program', { scopes: ['developer'], holder: { kind: 'service_account', id: 'program' } })
  createKey('rotated before', {})
  createKey('rotated', {})
  const rotation = { newKeyId: 'successor', hash: 'hash of successor', hint: 'h', overlapMs: 60_000 }
  must({ kind: 'rotate_key', keyId: 'rotated', ...rotation, ...org })
  for (const keyId of ['rotated before', 'successor']) must({ kind: 'revoke_key', keyId, ...org })
  createKey('key of other', { organisationId: 'other' })
  createKey('operator of other', { organisationId: 'other', scopes: ['operator'] })
  return { state, apply }
}
