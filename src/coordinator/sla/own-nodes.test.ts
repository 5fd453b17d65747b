import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SlaTally } from '#protocol/sla.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { emptyState } from '../coordinator-state.ts'
import { countedFor, tallyFor } from './own-nodes.ts'

test('a first token that is overdue at its own node is no failure of the network', () => {
  const state = emptyState()
  for (const [id, organisationId] of [
    ['own', 'acme'],
    ['other', 'provider'],
  ] as const)
    state.fleet.nodes.set(id, { id, organisationId } as never)
  const exemptOf = (told: Partial<UsageRecord>) =>
    countedFor(state, { ...overdue, ...told }, 0n).record.exempt
  const stalled = (nodeId: string) => ({ nodeId, how: 'stalled' }) as const
  const rows: readonly (readonly [Partial<UsageRecord>, UsageRecord['exempt']])[] = [
    [{ parts: [asked('own')] }, 'own_node'],
    [{ parts: [asked('other')] }, undefined],
    [{ parts: [] }, undefined],
    // What its own node took of the time is not made good by another that was asked later.
    [{ failed: [stalled('own')], parts: [asked('other')] }, 'own_node'],
    [{ failed: [stalled('own')], parts: [] }, 'own_node'],
    [{ failed: [stalled('other')], parts: [] }, undefined],
    // Given up in time it is an abort, whoever was asked: aborts stay below the line.
    [{ parts: [asked('own')], totalMs: 29_999 }, undefined],
    [{ parts: [asked('own')], firstTokenMs: 5 }, undefined],
    [{ parts: [asked('own')], exempt: 'batch' }, 'batch'],
    // Of a failure it is the node that it ended on.
    [{ outcome: 'failed', problem: 'node_failed', failed: [stalled('other'), stalled('own')] }, 'own_node'],
    [{ outcome: 'failed', problem: 'node_failed', failed: [stalled('own'), stalled('other')] }, undefined],
  ]
  for (const [told, expected] of rows)
    assert.equal(exemptOf(told), expected, JSON.stringify(told, bigintAsText))
})

test('what nothing is promised for is no charge that a credit is a part of', () => {
  const state = emptyState()
  const chargeOf = (told: Partial<UsageRecord>) =>
    countedFor(state, { ...overdue, outcome: 'completed', firstTokenMs: 5, ...told }, 1_000n).slaCharge
  assert.equal(chargeOf({}), undefined)
  assert.equal(chargeOf({ exempt: 'restricted' }), 0n)
  assert.equal(chargeOf({ exempt: 'batch' }), 0n)
  assert.equal(chargeOf({ exempt: 'unoffered' }), undefined)
})

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

const bigintAsText = (_: string, value: unknown) => (typeof value === 'bigint' ? `${value}` : value)

const asked = (nodeId: string) => ({
  ...{ nodeId, promptTokens: 0, completionTokens: 0, promptPerMillion: 1n, completionPerMillion: 1n },
})

const overdue: UsageRecord = {
  requestId: 'a',
  organisationId: 'acme',
  keyId: 'key',
  holdId: '',
  model: 'tiny',
  kind: 'chat',
  outcome: 'cancelled',
  parts: [],
  startedAtMs: 0,
  firstTokenMs: null,
  firstTokenDueMs: 30_000,
  totalMs: 30_000,
  slaClass: 'business',
}

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
