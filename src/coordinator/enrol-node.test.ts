import assert from 'node:assert/strict'
import { test } from 'node:test'
import { foundCell, PROVIDER } from '#sim/test-world.ts'
import type { CoordinatorEvent } from './coordinator-events.ts'
import { emptyState } from './coordinator-state.ts'
import { enrolNode } from './enrol-node.ts'
import { startTurn } from './turn.ts'

const nowMs = 1_800_000_000_000
const enrolment = { nodeId: 'n', publicKey: 'k', name: 'n', tokenHash: 't', askPerGpuHour: 7n }

test('a node that enrols belongs to the organisation that issued its token', () => {
  const { turn, state } = setup()
  assert.deepEqual(enrolNode(turn, enrolment), { nodeId: 'n' })
  assert.equal(state.fleet.nodes.get('n')?.organisationId, PROVIDER)
})

test('a key that asks again, with its spent token, gets the node it has', () => {
  const { turn, events } = setup()
  enrolNode(turn, enrolment)
  const before = events.length
  assert.deepEqual(enrolNode(turn, { ...enrolment, nodeId: 'another' }), { nodeId: 'n' })
  assert.equal(events.length, before)
})

test('another key with the spent token, or with none, is refused', () => {
  const { turn } = setup()
  enrolNode(turn, enrolment)
  assert.equal(enrolNode(turn, { ...enrolment, nodeId: 'm', publicKey: 'other' }), 'token_unknown')
  assert.equal(
    enrolNode(turn, { ...enrolment, nodeId: 'm', publicKey: 'x', tokenHash: 'y' }),
    'token_unknown',
  )
})

/** A cell with the token `t`. */
function setup() {
  const state = emptyState()
  const events: CoordinatorEvent[] = []
  const turn = startTurn(state, nowMs, events)
  foundCell(turn)
  const token = { tokenHash: 't', organisationId: PROVIDER, expiresAtMs: nowMs + 1, nowMs }
  assert.equal(turn.fleet({ kind: 'issue_token', ...token }), null)
  return { turn, state, events }
}
