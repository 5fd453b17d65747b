import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CoordinatorEvent } from './coordinator-events.ts'
import { emptyState } from './coordinator-state.ts'
import { enrolNode } from './enrol-node.ts'
import { openOrganisation } from './open-organisation.ts'
import { openReference } from './reference.ts'
import { startTurn } from './turn.ts'

test('the operator’s own organisation for checking is opened once, and its nodes are vetted from the start', () => {
  const turn = setup()
  assert.equal(openReference(turn, 'org_1'), 'org_1')
  assert.equal(openReference(turn, 'org_2'), 'org_1')
  assert.equal(turn.state.organisations.organisations.size, 1)
  // One that only calls itself so is another.
  openOrganisation(turn, { organisationId: 'org_3', name: 'reference' })
  const classes = ['org_1', 'org_3'].map((organisationId) => {
    const tokenHash = `token ${organisationId}`
    turn.fleet({ kind: 'issue_token', tokenHash, organisationId, expiresAtMs: 2, nowMs: 1 })
    const nodeId = `node ${organisationId}`
    enrolNode(turn, { nodeId, publicKey: nodeId, name: 'n', tokenHash, askPerGpuHour: 0n })
    return turn.state.fleet.nodes.get(nodeId)?.nodeClass
  })
  assert.deepEqual(classes, ['vetted', 'community'])
})

function setup() {
  const events: CoordinatorEvent[] = []
  return startTurn(emptyState(), 1, events)
}
