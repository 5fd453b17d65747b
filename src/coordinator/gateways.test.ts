import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SUSPECT_GRACE_MS } from '#fleet/fleet.ts'
import { consumerAccount, HOLD_EXPIRY_GRACE_MS, TRANSFER_MEMORY_MS } from '#ledger/ledger.ts'
import type { NodePresence, PresenceReport } from '#protocol/cell.ts'
import { foundCell, PAYER } from '#sim/test-world.ts'
import { emptyState } from './coordinator-state.ts'
import { createGateways, forgetOld, GATEWAY_SILENCE_MS, keepHouse } from './gateways.ts'
import { SLICE_TTL_MS, takeSlice } from './take-slice.ts'
import { startTurn } from './turn.ts'

const START_MS = 1_800_000_000_000

test('a report brings its nodes online', () => {
  const { report, presences } = setup()
  assert.deepEqual(report({ nodes: [online('a', 1), online('b', 1)] }), { epoch: 7, refused: [] })
  assert.deepEqual(presences(), { a: 'online', b: 'online', c: 'absent' })
})

test('goodbyes, silences and closed links are told apart', () => {
  const { report, presences, state } = setup()
  report({ nodes: [online('a', 1), online('b', 1), online('c', 1)] })
  report({
    nodes: [
      { nodeId: 'a', session: 1, status: 'gone', reason: 'left' },
      { nodeId: 'b', session: 1, status: 'suspect', reason: 'silent' },
      { nodeId: 'c', session: 1, status: 'suspect', reason: 'link_closed' },
    ],
  })
  assert.deepEqual(presences(), { a: 'absent', b: 'suspect', c: 'suspect' })
  assert.deepEqual(
    [...state.fleet.nodes.values()].map((node) => node.lossReason),
    ['left', 'silent', 'link_closed'],
  )
})

test('a report that is older than one that was applied is ignored', () => {
  const { report, presences } = setup()
  const gone: NodePresence = { nodeId: 'a', session: 1, status: 'gone', reason: 'left' }
  report({ incarnation: 2, sequence: 5, nodes: [online('a', 1)] })
  for (const old of [
    { incarnation: 2, sequence: 4 },
    { incarnation: 2, sequence: 5 },
    { incarnation: 1, sequence: 9 },
  ]) {
    report({ ...old, nodes: [gone] })
    assert.equal(presences()['a'], 'online', JSON.stringify(old))
  }
  report({ incarnation: 3, sequence: 1, nodes: [gone] })
  assert.equal(presences()['a'], 'absent')
})

test('a gateway that counts its starts anew is told which incarnation would be heard', () => {
  const { report, presences } = setup()
  report({ incarnation: 5, sequence: 1, nodes: [online('a', 1)] })
  const answer = report({ incarnation: 1, sequence: 1, nodes: [online('b', 1)] })
  assert.deepEqual(answer, { epoch: 7, refused: [], incarnationMin: 6 })
  assert.equal(presences()['b'], 'absent')
  report({ incarnation: 6, sequence: 1, nodes: [online('b', 1)] })
  assert.equal(presences()['b'], 'online')
  // Two starts that count alike, as after a disk was put back, are told apart by their random names.
  const other = report({ incarnation: 6, start: 'other', sequence: 1, nodes: [online('c', 1)] })
  assert.deepEqual(other, { epoch: 7, refused: [], incarnationMin: 7 })
})

test('a gateway that started anew has to tell all its nodes, for some may not come back', () => {
  const { report, gateways, presences } = setup()
  report({ isComplete: true, nodes: [online('a', 1), online('b', 1)] })
  assert.equal(gateways.heard('g', 0), false)
  report({ incarnation: 2, sequence: 1, nodes: [online('a', 2)] })
  assert.equal(gateways.heard('g', 0), true)
  report({ incarnation: 2, sequence: 2, isComplete: true, nodes: [online('a', 2)] })
  assert.deepEqual([gateways.heard('g', 0), presences()], [false, { a: 'online', b: 'suspect', c: 'absent' }])
})

test('a complete report makes suspect what it leaves out, at its own gateway alone', () => {
  const { report, presences, state } = setup()
  report({ nodes: [online('a', 1), online('b', 1)] })
  report({ gatewayId: 'other', nodes: [online('c', 1)] })
  report({ isComplete: true, nodes: [online('b', 1)] })
  assert.deepEqual(presences(), { a: 'suspect', b: 'online', c: 'online' })
  assert.equal(state.fleet.nodes.get('a')?.lossReason, 'gateway_lost')
  // It was only its gateway that had lost it: the same connection may be back.
  report({ nodes: [online('a', 1)] })
  assert.equal(presences()['a'], 'online')
})

test('a report that is not complete says nothing of the nodes it leaves out', () => {
  const { report, presences } = setup()
  report({ nodes: [online('a', 1), online('b', 1)] })
  report({ nodes: [online('b', 1)] })
  assert.equal(presences()['a'], 'online')
})

test('a connection that is not accepted is refused with the session it must exceed', () => {
  const { report } = setup()
  report({ gatewayId: 'other', nodes: [online('a', 5)] })
  const { refused } = report({ nodes: [online('a', 4), online('b', 1), online('nobody', 3)] })
  assert.deepEqual(refused, [
    { nodeId: 'a', session: 4, sessionMin: 6 },
    { nodeId: 'nobody', session: 3, sessionMin: 1 },
  ])
})

test('a report whose answer was lost gets the same answer again', () => {
  const { report } = setup()
  report({ gatewayId: 'other', nodes: [online('a', 5)] })
  const stale = { sequence: 9, nodes: [online('a', 4)] }
  const answer = report(stale)
  assert.equal(answer.refused.length, 1)
  assert.deepEqual(report(stale), answer)
})

test('late news of an older connection does not unseat the newer one', () => {
  const { report, presences } = setup()
  report({ nodes: [online('a', 1)] })
  report({ gatewayId: 'other', nodes: [online('a', 2)] })
  report({ nodes: [{ nodeId: 'a', session: 1, status: 'suspect', reason: 'link_closed' }] })
  report({ isComplete: true, nodes: [] })
  assert.equal(presences()['a'], 'online')
})

test('what another gateway says of a number that was used again does not unseat the node', () => {
  const { report, presences } = setup()
  report({ nodes: [online('a', 7)] })
  report({
    gatewayId: 'other',
    nodes: [{ nodeId: 'a', session: 7, status: 'suspect', reason: 'link_closed' }],
  })
  assert.equal(presences()['a'], 'online')
})

test('the nodes of a gateway that fell silent become suspect, and it must report them anew', () => {
  const { gateways, report, turn, presences } = setup()
  assert.equal(gateways.heard('g', 0), true)
  report({ isComplete: true, nodes: [online('a', 1)] })
  assert.equal(gateways.heard('g', 0), false)
  gateways.giveUpSilent(turn(), GATEWAY_SILENCE_MS - 1)
  assert.equal(presences()['a'], 'online')
  gateways.giveUpSilent(turn(), GATEWAY_SILENCE_MS)
  assert.equal(presences()['a'], 'suspect')
  assert.equal(gateways.heard('g', GATEWAY_SILENCE_MS), true)
  report({ isComplete: true, nodes: [online('a', 1)] })
  gateways.giveUpSilent(turn(), 2 * GATEWAY_SILENCE_MS - 1)
  assert.equal(presences()['a'], 'online')
})

test('a gateway from before a restart that never reports again is given up too', () => {
  const { report, turn, presences } = setup()
  report({ nodes: [online('a', 1)] })
  const restarted = createGateways(1_000)
  restarted.giveUpSilent(turn(), 1_000 + GATEWAY_SILENCE_MS - 1)
  assert.equal(presences()['a'], 'online')
  restarted.giveUpSilent(turn(), 1_000 + GATEWAY_SILENCE_MS)
  assert.equal(presences()['a'], 'suspect')
})

test('keeping house ends the grace of suspects for the reason that made them so', () => {
  const { report, turn, presences, state } = setup()
  report({ nodes: [online('a', 1)] })
  report({ nodes: [{ nodeId: 'a', session: 1, status: 'suspect', reason: 'silent' }] })
  keepHouse(turn(START_MS + SUSPECT_GRACE_MS - 1), { mayExpireHolds: true })
  assert.equal(presences()['a'], 'suspect')
  keepHouse(turn(START_MS + SUSPECT_GRACE_MS), { mayExpireHolds: true })
  assert.equal(presences()['a'], 'absent')
  assert.equal(state.fleet.nodes.get('a')?.lossReason, 'silent')
})

test('keeping house forgets tokens that expired; transfers that are old are forgotten on demand', () => {
  const { turn, state } = setup()
  turn().fleet({
    kind: 'issue_token',
    tokenHash: 't',
    organisationId: PAYER,
    expiresAtMs: START_MS + 5,
    nowMs: START_MS,
  })
  keepHouse(turn(START_MS + 4), { mayExpireHolds: true })
  assert.deepEqual([state.fleet.tokens.size, state.ledger.transfers.size], [1, 1])
  keepHouse(turn(START_MS + TRANSFER_MEMORY_MS + 1), { mayExpireHolds: true })
  assert.deepEqual([state.fleet.tokens.size, state.ledger.transfers.size], [0, 1])
  forgetOld(turn(START_MS + TRANSFER_MEMORY_MS))
  assert.equal(state.ledger.transfers.size, 1)
  forgetOld(turn(START_MS + TRANSFER_MEMORY_MS + 1))
  assert.equal(state.ledger.transfers.size, 0)
})

test('holds that expired go back after their grace, but only once the coordinator may tell', () => {
  const { turn, state } = setup()
  takeSlice(turn(), { gatewayId: 'g', organisationId: PAYER, holdId: 'slice', needed: 1n, wanted: 1n })
  const overMs = START_MS + SLICE_TTL_MS + HOLD_EXPIRY_GRACE_MS
  keepHouse(turn(overMs - 1), { mayExpireHolds: true })
  keepHouse(turn(overMs), { mayExpireHolds: false })
  assert.equal(state.ledger.accounts.get(consumerAccount(PAYER))?.held, 1n)
  keepHouse(turn(overMs), { mayExpireHolds: true })
  assert.equal(state.ledger.accounts.get(consumerAccount(PAYER))?.held, 0n)
})

const online = (nodeId: string, session: number): NodePresence => ({
  nodeId,
  session,
  status: 'online',
  reason: null,
})

/** A cell with the nodes a, b and c, none of them here, and a coordinator of epoch 7 that just started. */
test('a gateway says since when it heard nothing, and one that says nothing of it is taken to hear', () => {
  const gateways = createGateways(0)
  assert.equal(gateways.isDeafSince('one', 1_000), false)
  gateways.heard('one', 10_000)
  assert.equal(gateways.isDeafSince('one', 10_000), false)
  gateways.heard('one', 40_000, 30_000)
  assert.equal(gateways.isDeafSince('one', 10_000), false)
  assert.equal(gateways.isDeafSince('one', 10_001), true)
  gateways.heard('one', 41_000, 0)
  assert.equal(gateways.isDeafSince('one', 41_000), false)
})

function setup() {
  const state = emptyState()
  const gateways = createGateways(0)
  const turn = (nowMs = START_MS) => startTurn(state, nowMs, [])
  foundCell(turn(), { nodes: { a: 'key a', b: 'key b', c: 'key c' } })
  let sequence = 0
  return {
    state,
    gateways,
    turn,
    report: (part: Partial<PresenceReport>) => {
      const report = {
        gatewayId: 'g',
        incarnation: 1,
        sequence: ++sequence,
        isComplete: false,
        nodes: [],
        ...part,
      }
      return gateways.report(turn(), report, 7)
    },
    presences: () =>
      Object.fromEntries([...state.fleet.nodes.values()].map(({ id, presence }) => [id, presence])),
  }
}
