import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toCanonical } from '#kernel/canonical.ts'
import type { Capability } from '#protocol/capability.ts'
import { decideFleet, type FleetCommand, type FleetRefusal } from './decide-fleet.ts'
import { evolveFleet } from './evolve-fleet.ts'
import { checkFleet, emptyFleet, SUSPECT_GRACE_MS } from './fleet.ts'
import type { LossReason } from './fleet-events.ts'

const NOW_MS = 1_800_000_000_000
const TOKEN_TTL_MS = 60_000

/** A good command, and what can be wrong with it in order of precedence: an earlier fault hides the later ones. */
const ladder = <C extends FleetCommand>(good: C, faults: readonly [FleetRefusal, Partial<C>][]) => ({
  good,
  faults,
})

const absence: { nodeId: string; session: number; reason: LossReason; nowMs: number } = {
  nodeId: 'suspect',
  session: 5,
  reason: 'silent',
  nowMs: NOW_MS + SUSPECT_GRACE_MS,
}

const refusals = [
  ladder(
    { kind: 'issue_token', tokenHash: 'new', organisationId: 'o', expiresAtMs: NOW_MS + 1, nowMs: NOW_MS },
    [
      ['token_exists', { tokenHash: 'token' }],
      ['token_expired', { expiresAtMs: NOW_MS }],
    ],
  ),
  ladder({ kind: 'expire_token', tokenHash: 'token', nowMs: NOW_MS + TOKEN_TTL_MS }, [
    ['token_unknown', { tokenHash: 'nowhere' }],
    ['token_not_expired', { nowMs: NOW_MS + TOKEN_TTL_MS - 1 }],
  ]),
  ladder(
    {
      kind: 'enrol',
      nodeId: 'new',
      publicKey: 'new key',
      name: 'n',
      tokenHash: 'token',
      askPerGpuHour: 1n,
      nowMs: NOW_MS + TOKEN_TTL_MS - 1,
    },
    [
      ['key_enrolled', { publicKey: 'key of online' }],
      ['token_unknown', { tokenHash: 'nowhere' }],
      ['token_expired', { nowMs: NOW_MS + TOKEN_TTL_MS }],
      ['node_exists', { nodeId: 'online' }],
    ],
  ),
  ladder({ kind: 'report', nodeId: 'online', capability: machine(), askPerGpuHour: 1n, nowMs: NOW_MS }, [
    ['node_unknown', { nodeId: 'nowhere' }],
  ]),
  ladder({ kind: 'come_online', nodeId: 'online', gatewayId: 'g', session: 6, nowMs: NOW_MS }, [
    ['node_unknown', { nodeId: 'nowhere' }],
    ['node_banned', { nodeId: 'banned' }],
    ['session_stale', { session: 4 }],
  ]),
  ladder({ ...absence, kind: 'suspect', nodeId: 'online' }, [
    ['node_unknown', { nodeId: 'nowhere' }],
    ['session_stale', { session: 4 }],
    ['presence_unchanged', { nodeId: 'suspect' }],
  ]),
  ladder({ ...absence, kind: 'lose' }, [
    ['node_unknown', { nodeId: 'nowhere' }],
    ['session_stale', { session: 4 }],
    ['presence_unchanged', { nodeId: 'absent' }],
    ['grace_not_over', { nowMs: NOW_MS + SUSPECT_GRACE_MS - 1 }],
  ]),
  ladder({ kind: 'drain', nodeId: 'online', nowMs: NOW_MS }, [['node_unknown', { nodeId: 'nowhere' }]]),
  ladder({ kind: 'undrain', nodeId: 'drained', nowMs: NOW_MS }, [['node_unknown', { nodeId: 'nowhere' }]]),
  ladder({ kind: 'ban', nodeId: 'online', reason: 'r', nowMs: NOW_MS }, [
    ['node_unknown', { nodeId: 'nowhere' }],
  ]),
  ladder({ kind: 'unban', nodeId: 'banned', nowMs: NOW_MS }, [['node_unknown', { nodeId: 'nowhere' }]]),
]

for (const { good, faults } of refusals) {
  test(`${good.kind}: nothing wrong, nothing refused`, () => {
    const decision = decideFleet(setup().fleet, good)
    assert.ok(Array.isArray(decision) && decision.length === 1, String(decision))
  })
  for (const [index, [refusal]] of faults.entries()) {
    test(`${good.kind}: ${refusal} is told before any later fault, and nothing changes`, () => {
      const { fleet } = setup()
      const before = toCanonical(fleet)
      const later = faults.slice(index).map(([, fault]) => fault)
      const command = Object.assign({}, good, ...later.toReversed()) as FleetCommand
      assert.equal(decideFleet(fleet, command), refusal)
      assert.equal(toCanonical(fleet), before)
    })
  }
}

test('asking for what already is changes nothing', () => {
  const { apply } = setup()
  const reported = {
    kind: 'report',
    nodeId: 'online',
    capability: machine(),
    askPerGpuHour: 7n,
    nowMs: NOW_MS,
  } as const
  const same: readonly FleetCommand[] = [
    { kind: 'come_online', nodeId: 'online', gatewayId: 'g', session: 5, nowMs: NOW_MS },
    { kind: 'drain', nodeId: 'drained', nowMs: NOW_MS },
    { kind: 'undrain', nodeId: 'online', nowMs: NOW_MS },
    { kind: 'ban', nodeId: 'banned', reason: 'another', nowMs: NOW_MS },
    { kind: 'unban', nodeId: 'online', nowMs: NOW_MS },
    reported,
  ]
  assert.equal(apply(reported), 'done')
  for (const command of same) assert.equal(apply(command), 'repeat', command.kind)
  assert.equal(apply({ ...reported, askPerGpuHour: 8n }), 'done')
  assert.equal(apply({ ...reported, askPerGpuHour: 8n, capability: { ...machine(), memoryMib: 2 } }), 'done')
})

test('a token enrols one node, once', () => {
  const { apply, fleet } = setup()
  const enrol = { kind: 'enrol', name: 'n', tokenHash: 'token', askPerGpuHour: 1n, nowMs: NOW_MS } as const
  assert.equal(apply({ ...enrol, nodeId: 'first', publicKey: 'first key' }), 'done')
  assert.equal(apply({ ...enrol, nodeId: 'second', publicKey: 'second key' }), 'token_unknown')
  const node = fleet.nodes.get('first')
  assert.deepEqual(
    [node?.organisationId, node?.presence, node?.session, node?.gatewayId],
    ['o', 'absent', 0, null],
  )
})

test('an expired token is forgotten and enrols nobody', () => {
  const { apply } = setup()
  const nowMs = NOW_MS + TOKEN_TTL_MS
  const enrol = {
    kind: 'enrol',
    nodeId: 'n',
    publicKey: 'k',
    name: 'n',
    tokenHash: 'token',
    askPerGpuHour: 1n,
  } as const
  assert.equal(apply({ ...enrol, nowMs }), 'token_expired')
  assert.equal(apply({ kind: 'expire_token', tokenHash: 'token', nowMs }), 'done')
  assert.equal(apply({ ...enrol, nowMs }), 'token_unknown')
})

function machine(): Capability {
  return {
    agentVersion: 'test',
    osName: 'test',
    cpu: { model: 'test', cores: 1 },
    memoryMib: 1,
    diskFreeMib: 1,
    gpus: [],
    powerWatts: null,
    engines: [],
    models: [],
    problems: [],
  }
}

/** Nodes named for what they are, each in session 5 at gateway `g`, and the token `token`. */
function setup() {
  const fleet = emptyFleet()
  const apply = (command: FleetCommand): FleetRefusal | 'done' | 'repeat' => {
    const decision = decideFleet(fleet, command)
    if (!Array.isArray(decision)) return decision
    for (const event of decision) evolveFleet(fleet, event)
    checkFleet(fleet)
    return decision.length === 0 ? 'repeat' : 'done'
  }
  const issue = (tokenHash: string): FleetCommand => ({
    kind: 'issue_token',
    tokenHash,
    organisationId: 'o',
    expiresAtMs: NOW_MS + TOKEN_TTL_MS,
    nowMs: NOW_MS,
  })
  const names = ['online', 'suspect', 'absent', 'drained', 'banned']
  const commands = names.flatMap((nodeId): FleetCommand[] => [
    issue(`token of ${nodeId}`),
    {
      kind: 'enrol',
      nodeId,
      publicKey: `key of ${nodeId}`,
      name: nodeId,
      tokenHash: `token of ${nodeId}`,
      askPerGpuHour: 7n,
      nowMs: NOW_MS,
    },
    { kind: 'come_online', nodeId, gatewayId: 'g', session: 5, nowMs: NOW_MS },
  ])
  commands.push(
    issue('token'),
    { kind: 'suspect', nodeId: 'suspect', session: 5, reason: 'silent', nowMs: NOW_MS },
    { kind: 'lose', nodeId: 'absent', session: 5, reason: 'left', nowMs: NOW_MS },
    { kind: 'drain', nodeId: 'drained', nowMs: NOW_MS },
    { kind: 'ban', nodeId: 'banned', reason: 'bad', nowMs: NOW_MS },
  )
  for (const command of commands) assert.equal(apply(command), 'done')
  return { fleet, apply }
}
