import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Scope } from '#protocol/scope.ts'
import { countUse, evolveOrganisations } from './evolve-organisations.ts'
import { OrganisationEvent } from './organisation-events.ts'
import {
  allows,
  checkOrganisations,
  emptyOrganisations,
  isLive,
  KEY_MEMORY_MS,
  type Organisations,
} from './organisations.ts'
import { drawn, nowMs, setUpOrganisations as setup } from './test-organisation.ts'

test('what belongs to another organisation is as unknown as what never was', () => {
  const { apply } = setup()
  const foreign = { organisationId: 'other', nowMs } as const
  assert.equal(apply({ kind: 'revoke_key', keyId: 'live', ...foreign }), 'key_unknown')
  assert.equal(apply({ kind: 'revoke_key', keyId: 'revoked', ...foreign }), 'key_unknown')
  assert.equal(apply({ kind: 'remove_member', memberId: 'ada', ...foreign }), 'member_unknown')
  assert.equal(apply({ kind: 'archive_project', projectId: 'project', ...foreign }), 'project_unknown')
  const program = { serviceAccountId: 'program', ...foreign }
  assert.equal(apply({ kind: 'remove_service_account', ...program }), 'service_account_unknown')
})

test('no key acts in another organisation than its own, but an operator’s', () => {
  const { apply } = setup()
  const wanted = { kind: 'create_project', name: 'n', organisationId: 'org', nowMs } as const
  assert.equal(apply({ ...wanted, projectId: 'p1', actorKeyId: 'key of other' }), 'organisation_unknown')
  assert.equal(apply({ ...wanted, projectId: 'p1', actorKeyId: 'operator of other' }), 'done')
})

test('an owner never gets hold of a key that may do more: not by rotation, nor by taking it away', () => {
  const { apply } = setup()
  const owner = { organisationId: 'org', actorKeyId: 'live', nowMs } as const
  assert.equal(
    apply({ kind: 'rotate_key', keyId: 'operator', newKeyId: 'n', ...drawn, overlapMs: 0, ...owner }),
    'scope_escalation',
  )
  assert.equal(apply({ kind: 'revoke_key', keyId: 'operator', ...owner }), 'scope_escalation')
  assert.equal(apply({ kind: 'limit_key', keyId: 'operator', limits: {}, ...owner }), 'scope_escalation')
})

test('a key that has ended grants nothing, though its end was not noted yet', () => {
  const { apply } = setup()
  const key = { kind: 'create_key', keyId: 'n', organisationId: 'org', name: 'n', ...drawn, nowMs } as const
  for (const actorKeyId of ['expired', 'revoked', 'nobody']) {
    const refusal = apply({ ...key, scopes: ['viewer'], actorKeyId })
    assert.ok(refusal === 'scope_escalation' || refusal === 'organisation_unknown', actorKeyId)
  }
})

test('a key that ended is known for thirty days, and from then on as unknown as one that never was', () => {
  const { state, apply } = setup()
  const [first, org] = ['revoked', { organisationId: 'org' }] as const
  const over = nowMs + KEY_MEMORY_MS
  assert.ok(state.keys.has(first))
  assert.equal(apply({ kind: 'forget_keys', nowMs: over - 1 }), 'done')
  assert.ok(state.keys.has(first), 'a millisecond early')
  const live = [...state.keys.values()].filter((key) => isLive(key, over)).map(({ id }) => id)
  assert.equal(apply({ kind: 'forget_keys', nowMs: over }), 'done')
  assert.equal(state.keys.has(first), false)
  assert.deepEqual(
    live.filter((id) => !state.keys.has(id)),
    [],
  )
  assert.equal(apply({ kind: 'revoke_key', keyId: first, ...org, nowMs: over }), 'key_unknown')
  assert.equal(apply({ kind: 'expire_key', keyId: first, nowMs: over }), 'key_unknown')
  const rotation = { newKeyId: 'n', ...drawn, overlapMs: 0, nowMs: over }
  assert.equal(apply({ kind: 'rotate_key', keyId: first, ...org, ...rotation }), 'key_unknown')
})

test('what was used of a budget outlives its first key, and not its last', () => {
  const { state, apply } = setup()
  const org = { organisationId: 'org' } as const
  const rotation = { newKeyId: 'second', ...drawn, overlapMs: 0, nowMs }
  assert.equal(apply({ kind: 'rotate_key', keyId: 'live', ...org, ...rotation }), 'done')
  countUse(state, { keyId: 'second', tokens: 7, cost: 1n, atMs: nowMs })
  const later = nowMs + KEY_MEMORY_MS
  assert.equal(apply({ kind: 'forget_keys', nowMs: later }), 'done')
  assert.deepEqual([state.keys.has('live'), state.use.get('live')?.tokens], [false, 7])
  countUse(state, { keyId: 'live', tokens: 7, cost: 1n, atMs: later })
  assert.equal(state.use.get('live')?.tokens, 7, 'a key that is forgotten uses nothing')
  assert.equal(apply({ kind: 'revoke_key', keyId: 'second', ...org, nowMs: later }), 'done')
  assert.equal(apply({ kind: 'forget_keys', nowMs: later + KEY_MEMORY_MS }), 'done')
  assert.equal(state.use.has('live'), false)
})

test('keys are hashed under one secret, until that is lost', () => {
  const { state, apply } = setup()
  const noted = { kind: 'note_key_secret', isNew: false, nowMs } as const
  assert.equal(apply({ ...noted, check: 'one' }), 'done')
  assert.equal(apply({ ...noted, check: 'one' }), 'done')
  assert.equal(apply({ ...noted, check: 'two' }), 'key_secret_differs')
  assert.equal(apply({ ...noted, check: 'two', isNew: true }), 'done')
  assert.equal(state.keySecretCheck, 'two')
})

test('the last owner stays: revoked, rotated to one that ends, or removed with its holder', () => {
  const { apply } = setup()
  const org = { organisationId: 'org', nowMs } as const
  for (const keyId of ['spare', 'operator', 'rotated']) {
    assert.equal(apply({ kind: 'revoke_key', keyId, ...org }), 'done', keyId)
  }
  assert.equal(apply({ kind: 'revoke_key', keyId: 'live', ...org }), 'last_owner')
  const rotation = {
    kind: 'rotate_key',
    keyId: 'live',
    newKeyId: 'n',
    ...drawn,
    overlapMs: 0,
    ...org,
  } as const
  assert.equal(apply({ ...rotation, expiresAtMs: nowMs + 1_000 }), 'last_owner')
  assert.equal(apply(rotation), 'done')
  const owner = { keyId: 'of eve', name: 'n', hash: 'h3', hint: 'h', scopes: ['owner'] as const }
  const holder = { kind: 'member', id: 'eve' } as const
  assert.equal(apply({ kind: 'create_key', ...owner, holder, ...org }), 'done')
  assert.equal(apply({ kind: 'revoke_key', keyId: 'n', ...org }), 'done')
  assert.equal(apply({ kind: 'remove_member', memberId: 'eve', ...org }), 'last_owner')
  const scopes = ['viewer'] as const
  assert.equal(apply({ kind: 'scope_member', memberId: 'eve', scopes, ...org }), 'last_owner')
})

test('a member who leaves, or may do less, loses the keys that may do more, at once', () => {
  const { state, apply } = setup()
  const org = { organisationId: 'org', nowMs } as const
  const stateOf = (keyId: string) => state.keys.get(keyId)?.revokedAtMs
  assert.equal(apply({ kind: 'scope_member', memberId: 'ada', scopes: ['viewer'], ...org }), 'done')
  assert.deepEqual([stateOf('ada develops'), stateOf('ada looks')], [nowMs, null])
  assert.equal(apply({ kind: 'remove_member', memberId: 'ada', ...org }), 'done')
  assert.equal(stateOf('ada looks'), nowMs)
  assert.equal(apply({ kind: 'remove_service_account', serviceAccountId: 'program', ...org }), 'done')
  assert.equal(stateOf('of program'), nowMs)
})

test('an invitation opens once, to a key with what it gave', () => {
  const { state, apply } = setup()
  const accept = { kind: 'accept_invitation', invitationHash: 'invitation of bob', ...drawn, nowMs } as const
  assert.equal(apply({ ...accept, keyId: 'new' }), 'done')
  const { scopes, holder } = state.keys.get('new') ?? assert.fail()
  assert.deepEqual([scopes, holder], [['viewer'], { kind: 'member', id: 'bob' }])
  assert.equal(apply({ ...accept, keyId: 'second', hash: 'second' }), 'invitation_unknown')
})

test('a rotated key and its successor are both good until the overlap ends, and count as one', () => {
  const { state, apply } = setup()
  const rotation = { organisationId: 'org', newKeyId: 'new', ...drawn, overlapMs: 60_000, nowMs }
  assert.equal(apply({ kind: 'rotate_key', keyId: 'limited', ...rotation }), 'done')
  const old = state.keys.get('limited') ?? assert.fail()
  const successor = state.keys.get('new') ?? assert.fail()
  assert.deepEqual(
    [old.rotatedToKeyId, successor.rotatedFromKeyId, successor.budgetId, successor.limits],
    ['new', 'limited', 'limited', { tokensPerDay: 5 }],
  )
  assert.deepEqual(
    [nowMs + 59_999, nowMs + 60_000].map((atMs) => [isLive(old, atMs), isLive(successor, atMs)]),
    [
      [true, true],
      [false, true],
    ],
  )
})

test('without an overlap the old key ends at once', () => {
  const { state, apply } = setup()
  const rotation = { organisationId: 'org', newKeyId: 'new', ...drawn, overlapMs: 0, nowMs }
  assert.equal(apply({ kind: 'rotate_key', keyId: 'live', ...rotation }), 'done')
  assert.equal(state.keyIdByHash.get('hash of live'), undefined)
})

test('a key that ends lives as long again when it is rotated', () => {
  const { state, apply } = setup()
  const rotation = { organisationId: 'org', newKeyId: 'new', ...drawn, overlapMs: 60_000, nowMs: nowMs + 500 }
  assert.equal(apply({ kind: 'rotate_key', keyId: 'short', ...rotation }), 'done')
  assert.equal(state.keys.get('new')?.expiresAtMs, nowMs + 500 + 1_000)
  assert.equal(state.keys.get('short')?.expiresAtMs, nowMs + 1_000, 'the overlap prolongs nothing')
})

test('a live key is found by its hash, a revoked or expired one is remembered but not found', () => {
  const { state, apply } = setup()
  assert.equal(state.keyIdByHash.get('hash of live'), 'live')
  const revoked = { kind: 'revoke_key', keyId: 'live', organisationId: 'org', nowMs: nowMs + 5 } as const
  assert.equal(apply(revoked), 'done')
  assert.equal(apply({ kind: 'expire_key', keyId: 'expired', nowMs }), 'done')
  assert.deepEqual(
    ['live', 'expired'].map((id) => state.keyIdByHash.get(`hash of ${id}`)),
    [undefined, undefined],
  )
  assert.equal(state.keys.get('live')?.revokedAtMs, nowMs + 5)
})

test('a journal of the first release, which has no projects, holders or reasons, replays', () => {
  const state = emptyOrganisations()
  const key = { organisationId: 'o', name: 'k', hint: 'h', scopes: ['owner'], atMs: 1 }
  const old = [
    { type: 'organisation.created', organisationId: 'o', name: 'O', atMs: 1 },
    { type: 'organisation.key_created', keyId: 'k', hash: 'h', ...key },
    { type: 'organisation.key_revoked', keyId: 'k', atMs: 2 },
  ]
  for (const event of old) evolveOrganisations(state, OrganisationEvent.parse(event))
  checkOrganisations(state)
  const { projectId, holder, limits, expiresAtMs, budgetId } = state.keys.get('k') ?? assert.fail()
  assert.deepEqual([projectId, holder, limits, expiresAtMs, budgetId], ['default:o', null, {}, null, 'k'])
})

/** Rows: the key's scope; columns: what is needed, in the order of the heading. */
const matrix = `
            owner billing developer viewer provider operator
  operator  yes   yes     yes       yes    yes      yes
  owner     yes   yes     yes       yes    yes      no
  billing   no    yes     no        yes    no       no
  developer no    no      yes       yes    no       no
  provider  no    no      no        yes    yes      no
  viewer    no    no      no        yes    no       no
`

test('each scope allows what the matrix says', () => {
  const [needed = [], ...rows] = matrix
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  assert.deepEqual(rows.map(([scope]) => scope).toSorted(), Scope.options.toSorted())
  assert.deepEqual(needed.toSorted(), Scope.options.toSorted())
  for (const [scope, ...answers] of rows) {
    for (const [index, answer] of answers.entries()) {
      const isAllowed = allows([Scope.parse(scope)], Scope.parse(needed[index]))
      assert.equal(isAllowed ? 'yes' : 'no', answer, `${scope} for ${needed[index]}`)
    }
  }
})

test('several scopes allow what any of them does, none allows nothing', () => {
  assert.equal(allows(['billing', 'developer'], 'developer'), true)
  assert.equal(allows(['billing', 'developer'], 'provider'), false)
  assert.equal(allows([], 'viewer'), false)
})

test('the check finds what must never be', () => {
  const keyOf = (state: Organisations, id: string) => state.keys.get(id) ?? assert.fail(id)
  const harms: readonly [RegExp, (state: Organisations) => void][] = [
    [/key first of ada belongs to nobody/, (state) => state.organisations.clear()],
    [/cannot be found by its hash/, (state) => state.keyIdByHash.clear()],
    [/a revoked key can still be found/, (state) => state.keyIdByHash.set('hash of revoked', 'revoked')],
    [/is in a project of another/, (state) => Object.assign(keyOf(state, 'live'), { projectId: 'nowhere' })],
    [/is in an archived project/, (state) => Object.assign(keyOf(state, 'live'), { projectId: 'archived' })],
    [
      /may do more than who holds it/,
      (state) => Object.assign(keyOf(state, 'ada looks'), { scopes: ['owner'] }),
    ],
    [
      /is held by nobody any more/,
      (state) => Object.assign(state.members.get('ada') ?? {}, { status: 'removed' }),
    ],
    [/cannot be found by the invitation/, (state) => state.memberIdByInvitation.clear()],
    [
      /has lost its last owner/,
      (state) => {
        for (const key of state.keys.values()) if (key.organisationId === 'org') key.expiresAtMs = nowMs
      },
    ],
    [
      /is nobody's/,
      (state) => state.use.set('nowhere', { day: 0, tokens: 1, spend: 0n, month: 0, monthSpend: 0n }),
    ],
  ]
  for (const [message, harm] of harms) {
    const { state } = setup()
    harm(state)
    assert.throws(() => checkOrganisations(state), { message })
  }
})
