/** Every refusal, in the order of precedence. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toCanonical } from '#kernel/canonical.ts'
import { decideOrganisations, type OrganisationCommand } from './decide-organisations.ts'
import type { OrganisationRefusal } from './organisation-refusal.ts'
import { KEY_MEMORY_MS } from './organisations.ts'
import { drawn, nowMs, setUpOrganisations as setup } from './test-organisation.ts'

/** A good command, and what can be wrong with it in order of precedence: an earlier fault hides the later ones. */
const ladder = <Kind extends OrganisationCommand['kind']>(
  good: OrganisationCommand & { kind: Kind },
  faults: readonly [OrganisationRefusal, Partial<OrganisationCommand & { kind: Kind }>][],
) => ({
  good,
  faults,
})

const refusals = [
  ladder({ kind: 'create_organisation', organisationId: 'new', name: 'n', nowMs }, [
    ['organisation_exists', { organisationId: 'org' }],
  ]),
  ladder({ kind: 'create_project', projectId: 'new', organisationId: 'org', name: 'n', nowMs }, [
    ['organisation_unknown', { organisationId: 'nowhere' }],
    ['project_exists', { projectId: 'project' }],
  ]),
  ladder({ kind: 'archive_project', projectId: 'project', organisationId: 'org', nowMs }, [
    ['organisation_unknown', { organisationId: 'nowhere' }],
    ['project_unknown', { projectId: 'project of other' }],
    ['project_is_default', { projectId: 'default:org' }],
    ['project_in_use', { projectId: 'project in use' }],
  ]),
  ladder(
    {
      kind: 'create_service_account',
      serviceAccountId: 'new',
      organisationId: 'org',
      name: 'n',
      scopes: ['developer'],
      actorKeyId: 'live',
      nowMs,
    },
    [
      ['organisation_unknown', { actorKeyId: 'key of other' }],
      ['service_account_exists', { serviceAccountId: 'program' }],
      ['scopes_empty', { scopes: [] }],
      ['scope_escalation', { scopes: ['operator'] }],
    ],
  ),
  ladder(
    {
      kind: 'remove_service_account',
      serviceAccountId: 'program',
      organisationId: 'org',
      actorKeyId: 'live',
      nowMs,
    },
    [
      ['organisation_unknown', { organisationId: 'other' }],
      ['service_account_unknown', { serviceAccountId: 'nobody' }],
      ['scope_escalation', { actorKeyId: 'billing' }],
    ],
  ),
  ladder(
    {
      kind: 'invite_member',
      memberId: 'new',
      organisationId: 'org',
      name: 'n',
      email: 'e@x',
      scopes: ['owner'],
      invitationHash: 'new invitation',
      expiresAtMs: nowMs + 1,
      actorKeyId: 'live',
      nowMs,
    },
    [
      ['organisation_unknown', { organisationId: 'other' }],
      ['member_exists', { memberId: 'ada' }],
      ['scopes_empty', { scopes: [] }],
      ['expiry_past', { expiresAtMs: nowMs }],
      ['scope_escalation', { actorKeyId: 'billing' }],
    ],
  ),
  ladder({ kind: 'accept_invitation', invitationHash: 'invitation of bob', keyId: 'new', ...drawn, nowMs }, [
    ['invitation_unknown', { invitationHash: 'invitation of ada' }],
    ['invitation_expired', { nowMs: nowMs + 1_000 }],
    ['key_exists', { keyId: 'live' }],
  ]),
  ladder(
    {
      kind: 'scope_member',
      memberId: 'ada',
      organisationId: 'org',
      scopes: ['developer'],
      actorKeyId: 'live',
      nowMs,
    },
    [
      ['organisation_unknown', { organisationId: 'other' }],
      ['member_unknown', { memberId: 'nobody' }],
      ['member_removed', { memberId: 'gone' }],
      ['scopes_empty', { scopes: [] }],
      ['scope_escalation', { actorKeyId: 'billing' }],
    ],
  ),
  ladder({ kind: 'remove_member', memberId: 'ada', organisationId: 'org', actorKeyId: 'live', nowMs }, [
    ['organisation_unknown', { organisationId: 'other' }],
    ['member_unknown', { memberId: 'nobody' }],
    ['scope_escalation', { actorKeyId: 'billing' }],
  ]),
  ladder(
    {
      kind: 'create_key',
      keyId: 'new',
      organisationId: 'org',
      name: 'n',
      ...drawn,
      scopes: ['viewer'],
      holder: { kind: 'member', id: 'ada' },
      projectId: 'project',
      expiresAtMs: nowMs + 1,
      actorKeyId: 'live',
      nowMs,
    },
    [
      ['organisation_unknown', { organisationId: 'nowhere' }],
      ['project_unknown', { projectId: 'project of other' }],
      ['project_archived', { projectId: 'archived' }],
      ['member_unknown', { holder: { kind: 'member', id: 'nobody' } }],
      ['member_not_accepted', { holder: { kind: 'member', id: 'bob' } }],
      ['scopes_empty', { scopes: [] }],
      ['expiry_past', { expiresAtMs: nowMs }],
      ['key_exists', { keyId: 'live' }],
      ['scope_escalation', { actorKeyId: 'billing', scopes: ['developer'] }],
      ['holder_lacks_scope', { scopes: ['billing'] }],
    ],
  ),
  ladder({ kind: 'revoke_key', keyId: 'live', organisationId: 'org', actorKeyId: 'spare', nowMs }, [
    ['organisation_unknown', { organisationId: 'other' }],
    ['key_unknown', { keyId: 'nowhere' }],
    ['key_revoked', { keyId: 'revoked' }],
    ['key_expired', { keyId: 'noted' }],
    ['scope_escalation', { actorKeyId: 'billing' }],
  ]),
  ladder(
    {
      kind: 'rotate_key',
      keyId: 'live',
      organisationId: 'org',
      newKeyId: 'new',
      ...drawn,
      overlapMs: 60_000,
      actorKeyId: 'live',
      nowMs,
    },
    [
      ['organisation_unknown', { organisationId: 'other' }],
      ['key_unknown', { keyId: 'nowhere' }],
      ['key_revoked', { keyId: 'revoked' }],
      ['key_expired', { keyId: 'expired' }],
      ['expiry_past', { expiresAtMs: nowMs }],
      ['key_exists', { newKeyId: 'live' }],
      ['key_rotated', { keyId: 'rotated' }],
      ['scope_escalation', { actorKeyId: 'billing' }],
    ],
  ),
  ladder({ kind: 'limit_key', keyId: 'live', organisationId: 'org', limits: {}, actorKeyId: 'live', nowMs }, [
    ['organisation_unknown', { organisationId: 'other' }],
    ['key_unknown', { keyId: 'nowhere' }],
    ['key_revoked', { keyId: 'revoked' }],
    ['key_expired', { keyId: 'expired' }],
    ['scope_escalation', { actorKeyId: 'billing' }],
  ]),
  ladder({ kind: 'expire_key', keyId: 'expired', nowMs }, [
    ['key_unknown', { keyId: 'nowhere' }],
    ['key_revoked', { keyId: 'revoked' }],
    ['key_not_expired', { keyId: 'live' }],
  ]),
  ladder({ kind: 'forget_keys', nowMs: nowMs + KEY_MEMORY_MS }, []),
  ladder({ kind: 'note_key_secret', check: 'c', isNew: false, nowMs }, []),
]

for (const { good, faults } of refusals) {
  test(`${good.kind}: nothing wrong, nothing refused`, () => {
    const decision = decideOrganisations(setup().state, good)
    assert.ok(Array.isArray(decision) && decision.length > 0, String(decision))
  })
  for (const [index, [refusal]] of faults.entries()) {
    test(`${good.kind}: ${refusal} is told before any later fault, and nothing changes`, () => {
      const { state } = setup()
      const before = toCanonical(state)
      const later = faults.slice(index).map(([, fault]) => fault)
      const command = Object.assign({}, good, ...later.toReversed()) as OrganisationCommand
      assert.equal(decideOrganisations(state, command), refusal)
      assert.equal(toCanonical(state), before)
    })
  }
}
