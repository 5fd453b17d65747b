import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toCanonical } from '#kernel/canonical.ts'
import { Scope } from '#protocol/scope.ts'
import {
  allows,
  checkOrganisations,
  decideOrganisations,
  emptyOrganisations,
  evolveOrganisations,
  type OrganisationCommand,
  type OrganisationRefusal,
  type Organisations,
} from './organisations.ts'

const nowMs = 1_800_000_000_000

/** A good command, and what can be wrong with it in order of precedence: an earlier fault hides the later ones. */
const ladder = <C extends OrganisationCommand>(
  good: C,
  faults: readonly [OrganisationRefusal, Partial<C>][],
) => ({
  good,
  faults,
})

const refusals = [
  ladder({ kind: 'create_organisation', organisationId: 'new', name: 'n', nowMs }, [
    ['organisation_exists', { organisationId: 'org' }],
  ]),
  ladder(
    {
      kind: 'create_key',
      keyId: 'new',
      organisationId: 'org',
      name: 'n',
      hash: 'new hash',
      hint: 'h',
      scopes: ['viewer'],
      nowMs,
    },
    [
      ['organisation_unknown', { organisationId: 'nowhere' }],
      ['scopes_empty', { scopes: [] }],
      ['key_exists', { keyId: 'live' }],
    ],
  ),
  ladder({ kind: 'revoke_key', keyId: 'live', organisationId: 'org', nowMs }, [
    ['key_unknown', { keyId: 'nowhere' }],
    ['key_revoked', { keyId: 'revoked' }],
  ]),
]

for (const { good, faults } of refusals) {
  test(`${good.kind}: nothing wrong, nothing refused`, () => {
    const decision = decideOrganisations(setup().state, good)
    assert.ok(Array.isArray(decision) && decision.length === 1, String(decision))
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

test('a key of another organisation is as unknown as one that never was', () => {
  const { apply } = setup()
  assert.equal(apply({ kind: 'revoke_key', keyId: 'live', organisationId: 'other', nowMs }), 'key_unknown')
  assert.equal(apply({ kind: 'revoke_key', keyId: 'revoked', organisationId: 'other', nowMs }), 'key_unknown')
})

test('two keys never share a hash while one of them opens something', () => {
  const { createKey } = setup()
  assert.equal(createKey({ keyId: 'second', hash: 'hash of live' }), 'key_exists')
})

test('a live key is found by its hash, a revoked one is remembered but not found', () => {
  const { state, apply } = setup()
  assert.equal(state.keyIdByHash.get('hash of live'), 'live')
  assert.equal(apply({ kind: 'revoke_key', keyId: 'live', organisationId: 'org', nowMs: nowMs + 5 }), 'done')
  assert.equal(state.keyIdByHash.get('hash of live'), undefined)
  assert.equal(state.keys.get('live')?.revokedAtMs, nowMs + 5)
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

test('the check finds keys of nobody, keys that cannot be found and revoked ones that still can', () => {
  const harms: readonly [RegExp, (state: Organisations) => void][] = [
    [/key live belongs to nobody/, (state) => state.organisations.clear()],
    [/key live cannot be found by its hash/, (state) => state.keyIdByHash.clear()],
    [/a revoked key can still be found/, (state) => state.keyIdByHash.set('hash of revoked', 'revoked')],
  ]
  for (const [message, harm] of harms) {
    const { state } = setup()
    harm(state)
    assert.throws(() => checkOrganisations(state), { message })
  }
})

/** Two organisations; `org` has a live and a revoked key. */
function setup() {
  const state = emptyOrganisations()
  const apply = (command: OrganisationCommand): OrganisationRefusal | 'done' => {
    const decision = decideOrganisations(state, command)
    if (!Array.isArray(decision)) return decision
    for (const event of decision) evolveOrganisations(state, event)
    checkOrganisations(state)
    return 'done'
  }
  const createKey = ({ keyId, hash }: { keyId: string; hash: string }) =>
    apply({
      kind: 'create_key',
      keyId,
      organisationId: 'org',
      name: keyId,
      hash,
      hint: 'h',
      scopes: ['owner'],
      nowMs,
    })
  for (const outcome of [
    apply({ kind: 'create_organisation', organisationId: 'org', name: 'org', nowMs }),
    apply({ kind: 'create_organisation', organisationId: 'other', name: 'other', nowMs }),
    createKey({ keyId: 'live', hash: 'hash of live' }),
    createKey({ keyId: 'revoked', hash: 'hash of revoked' }),
    apply({ kind: 'revoke_key', keyId: 'revoked', organisationId: 'org', nowMs }),
  ]) {
    assert.equal(outcome, 'done')
  }
  return { state, apply, createKey }
}
