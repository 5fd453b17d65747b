import assert from 'node:assert/strict'
import { test } from 'node:test'
import { consumerAccount, providerAccount } from '#ledger/ledger.ts'
import type { CoordinatorEvent } from './coordinator-events.ts'
import { emptyState } from './coordinator-state.ts'
import { openOrganisation } from './open-organisation.ts'
import { startTurn } from './turn.ts'

test('an organisation opens with an account to spend from and one to earn on', () => {
  const { turn, state } = setup()
  assert.equal(openOrganisation(turn, { organisationId: 'o', name: 'Org' }), null)
  const kinds = [consumerAccount('o'), providerAccount('o')].map((id) => state.ledger.accounts.get(id)?.kind)
  assert.deepEqual(kinds, ['consumer', 'provider'])
})

test('an organisation that is there already is refused and changes nothing', () => {
  const { turn, events } = setup()
  openOrganisation(turn, { organisationId: 'o', name: 'Org' })
  const before = events.length
  assert.equal(openOrganisation(turn, { organisationId: 'o', name: 'Other' }), 'organisation_exists')
  assert.equal(events.length, before)
})

function setup() {
  const state = emptyState()
  const events: CoordinatorEvent[] = []
  return { state, events, turn: startTurn(state, 1_800_000_000_000, events) }
}
