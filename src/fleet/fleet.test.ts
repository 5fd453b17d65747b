/** Presence as a state machine, under news that is late, repeated and out of order. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decideFleet, type FleetCommand, type FleetRefusal } from './decide-fleet.ts'
import { evolveFleet } from './evolve-fleet.ts'
import { checkFleet, emptyFleet, type Fleet, type Node, SUSPECT_GRACE_MS } from './fleet.ts'
import type { LossReason } from './fleet-events.ts'

const START_MS = 1_800_000_000_000

test('a node that fell silent may come back in the same session, within its grace and after', () => {
  for (const silenceMs of [1, 10 * SUSPECT_GRACE_MS]) {
    const { online, suspect, node } = setup()
    assert.equal(online(5), 'done')
    assert.equal(suspect(5, 'silent'), 'done')
    assert.equal(online(5, { nowMs: START_MS + silenceMs }), 'done')
    assert.deepEqual(
      [node.presence, node.lossReason, node.presenceSinceMs],
      ['online', null, START_MS + silenceMs],
    )
  }
})

test('a node that was given up while its gateway was cut off is back in the same session: its answers are under way', () => {
  for (const reason of ['gateway_lost', 'silent'] as const) {
    const { online, suspect, lose, node } = setup()
    online(5)
    suspect(5, reason)
    assert.equal(lose(5, reason, START_MS + SUSPECT_GRACE_MS), 'done')
    assert.equal(online(5, { gatewayId: 'other' }), 'session_stale')
    assert.equal(online(5), 'done')
    assert.deepEqual([node.presence, node.lossReason], ['online', null])
    lose(5, 'left', START_MS)
    assert.equal(online(5), 'session_stale')
  }
})

test('the same session never returns through another gateway, nor once its link is closed, nor from the dead', () => {
  const { online, suspect, lose, node } = setup()
  online(5)
  suspect(5, 'silent')
  assert.equal(online(5, { gatewayId: 'other' }), 'session_stale')
  online(5)
  suspect(5, 'link_closed')
  assert.equal(online(5), 'session_stale')
  lose(5, 'link_closed', START_MS + SUSPECT_GRACE_MS)
  assert.equal(online(5), 'session_stale')
  assert.deepEqual([node.presence, node.session], ['absent', 5])
})

test('a newer session comes through any gateway, from any presence', () => {
  const { online, suspect, lose, node } = setup()
  assert.equal(online(1), 'done')
  assert.equal(online(2, { gatewayId: 'other' }), 'done')
  suspect(2, 'link_closed')
  assert.equal(online(3), 'done')
  lose(3, 'left', START_MS)
  assert.equal(online(4, { gatewayId: 'third' }), 'done')
  assert.deepEqual([node.presence, node.session, node.gatewayId], ['online', 4, 'third'])
})

test('late news of an older session cannot unseat a newer one', () => {
  const { online, suspect, lose, node } = setup()
  online(5)
  online(6)
  assert.equal(suspect(5, 'silent'), 'session_stale')
  assert.equal(lose(5, 'left', START_MS + SUSPECT_GRACE_MS), 'session_stale')
  assert.equal(online(5), 'session_stale')
  assert.deepEqual([node.presence, node.session], ['online', 6])
})

test('a node that says goodbye is gone at once, one that fell silent only after its grace', () => {
  const { online, suspect, lose, node } = setup()
  online(5)
  assert.equal(lose(5, 'silent', START_MS), 'grace_not_over')
  suspect(5, 'silent')
  assert.equal(lose(5, 'silent', START_MS + SUSPECT_GRACE_MS - 1), 'grace_not_over')
  assert.equal(lose(5, 'silent', START_MS + SUSPECT_GRACE_MS), 'done')
  assert.equal(node.presence, 'absent')
  online(6)
  assert.equal(lose(6, 'left', START_MS), 'done')
  assert.equal(node.presence, 'absent')
})

test('a banned node does not come online; unbanned, it does', () => {
  const { apply, online } = setup()
  const about = { nodeId: 'node', nowMs: START_MS }
  assert.equal(apply({ kind: 'ban', reason: 'bad', ...about }), 'done')
  assert.equal(online(5), 'node_banned')
  assert.equal(apply({ kind: 'unban', ...about }), 'done')
  assert.equal(online(5), 'done')
})

test('whatever the order of the news, sessions only grow and presence moves along its arrows', () => {
  const arrows = new Set([
    'absent online',
    'online online',
    'online suspect',
    'suspect online',
    'suspect absent',
    'online absent',
  ])
  fc.assert(
    fc.property(fc.array(news(), { maxLength: 50, size: 'max' }), (steps) => {
      const { fleet, apply, node } = setup()
      const over = new Set<number>()
      for (const [index, makeCommand] of steps.entries()) {
        const before = { ...node }
        const outcome = apply(makeCommand(START_MS + index * 4_000))
        checkFleet(fleet)
        assert.ok(node.session >= before.session, 'a session never goes back')
        if (outcome !== 'done') {
          assert.deepEqual(node, before)
          continue
        }
        assert.ok(arrows.has(`${before.presence} ${node.presence}`), `${before.presence} → ${node.presence}`)
        if (node.lossReason === 'left' || node.lossReason === 'link_closed') over.add(node.session)
        if (node.presence === 'online') assert.ok(!over.has(node.session), 'what is over stays over')
        if (before.presence === 'online' && node.presence === 'absent') assert.equal(node.lossReason, 'left')
      }
    }),
    { numRuns: 200 },
  )
})

test('the check finds a lost key, a presence at no gateway and a presence without a session', () => {
  const harms: readonly [RegExp, (fleet: Fleet, node: Node) => void][] = [
    [/has lost its key/, (fleet) => fleet.nodeIdByPublicKey.set('key', 'other')],
    [/a key names a node that is not there/, (fleet) => fleet.nodeIdByPublicKey.set('spare', 'other')],
    [/is present at no gateway/, (_fleet, node) => Object.assign(node, { gatewayId: null })],
    [/is present without a session/, (_fleet, node) => Object.assign(node, { session: 0 })],
  ]
  for (const [message, harm] of harms) {
    const { fleet, node, online } = setup()
    online(5)
    checkFleet(fleet)
    harm(fleet, node)
    assert.throws(() => checkFleet(fleet), { message })
  }
})

/** News of one node through two gateways, about few sessions. */
function news(): fc.Arbitrary<(nowMs: number) => FleetCommand> {
  const session = fc.nat(4)
  const gatewayId = fc.constantFrom('g', 'other')
  const reason = fc.constantFrom('left', 'link_closed', 'silent', 'gateway_lost')
  return fc.oneof(
    fc
      .record({ kind: fc.constant('come_online'), session, gatewayId })
      .map((it) => (nowMs: number) => ({ ...it, nodeId: 'node', nowMs })),
    fc
      .record({ kind: fc.constantFrom('suspect', 'lose'), session, reason })
      .map((it) => (nowMs: number) => ({ ...it, nodeId: 'node', nowMs })),
  )
}

/** One node, enrolled and never yet here. */
function setup() {
  const fleet = emptyFleet()
  const apply = (command: FleetCommand): FleetRefusal | 'done' | 'repeat' => {
    const decision = decideFleet(fleet, command)
    if (!Array.isArray(decision)) return decision
    for (const event of decision) evolveFleet(fleet, event)
    return decision.length === 0 ? 'repeat' : 'done'
  }
  evolveFleet(fleet, {
    type: 'fleet.node_enrolled',
    nodeId: 'node',
    organisationId: 'o',
    publicKey: 'key',
    name: 'node',
    tokenHash: 't',
    askPerGpuHour: 1n,
    atMs: START_MS,
  })
  const about = { nodeId: 'node', nowMs: START_MS }
  const node = fleet.nodes.get('node') ?? assert.fail('the node is enrolled')
  return {
    fleet,
    apply,
    node,
    online: (session: number, part: { gatewayId?: string; nowMs?: number } = {}) =>
      apply({ kind: 'come_online', gatewayId: 'g', ...about, ...part, session }),
    suspect: (session: number, reason: LossReason) => apply({ kind: 'suspect', ...about, session, reason }),
    lose: (session: number, reason: LossReason, nowMs: number) =>
      apply({ kind: 'lose', ...about, session, reason, nowMs }),
  }
}
