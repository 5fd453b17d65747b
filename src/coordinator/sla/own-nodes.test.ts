import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SlaTally } from '#protocol/sla.ts'
import { emptyState } from '../coordinator-state.ts'
import { tallyFor } from './own-nodes.ts'

test('what only its own nodes offer is exempt for everybody but the operator, whose nodes are the network', () => {
  const state = emptyState()
  for (const [id, createdAtMs] of [
    ['operator', 1],
    ['acme', 2],
  ] as const)
    state.organisations.organisations.set(id, { id, createdAtMs } as never)
  const { refused } = tallyFor(state, tally)
  assert.deepEqual(
    refused.map(({ organisationId, exempt }) => [organisationId, exempt]),
    [
      ['operator', undefined],
      ['operator', 'batch'],
      ['acme', 'own_node'],
    ],
  )
})

const refusal = { slaClass: 'business', binStartMs: 0, problem: 'no_node_available', count: 1 } as const
const tally: SlaTally = {
  gatewayId: 'gateway',
  run: '1',
  open: [],
  refused: [
    { ...refusal, organisationId: 'operator', exempt: 'own_node' },
    { ...refusal, organisationId: 'operator', exempt: 'batch' },
    { ...refusal, organisationId: 'acme', exempt: 'own_node' },
  ],
}
