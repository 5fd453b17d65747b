import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromCanonical } from '#kernel/canonical.ts'
import { type CoordinatorState, emptyState, formatState } from './coordinator-state.ts'
import { foundNetwork } from './found-network.ts'
import { openOrganisation } from './open-organisation.ts'
import { startTurn } from './turn.ts'

const NOW = 1_800_000_000_000
const founding = { organisationId: 'org_b', name: 'Net', testBalance: 5n }

test('a network that starts from a snapshot has the founder that it had, whatever ids were made later', () => {
  const state = emptyState()
  assert.equal(foundNetwork(startTurn(state, NOW, []), founding), 'org_b')
  assert.equal(openOrganisation(startTurn(state, NOW + 1, []), { organisationId: 'org_a', name: 'A' }), null)
  const kept = fromCanonical(formatState(state)) as CoordinatorState
  const events: unknown[] = []
  const again = { ...founding, organisationId: 'org_c' }
  assert.equal(foundNetwork(startTurn(kept, NOW + 2, events as never[]), again), 'org_b')
  assert.deepEqual(events, [])
})
