/** Proofs of hardware from end to end: a real coordinator, a real gateway, and nodes that answer as a test says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { FrameType } from '#protocol/frame.ts'
import {
  type OpenedRow,
  type ProofBegin,
  type ProofOrder,
  proofNewsSubject,
  proofOrdersTo,
} from '#protocol/hardware-proof.ts'
import type { ScriptedAgent } from '#sim/scripted-agent.ts'
import { simCrypto } from '#sim/sim-host.ts'
import { simNodeProofs } from '#sim/sim-prover.ts'
import { createTestNetwork, type TestNetwork } from '#sim/test-network.ts'
import { solveProof } from '#verify/hardware/solve-proof.ts'
import { checkState } from '../coordinator-state.ts'
import { barOf } from '../node-bars.ts'

test('a node gets work once it has proven its hardware, and not before', async () => {
  const { network, agent, ready, bar } = await setup()
  assert.deepEqual(ready(), [])
  assert.equal(bar(), 'unproven')
  network.ask()
  await network.run(SECOND_MS)
  assert.equal(agent.requests().length, 0)
  await prove(network, agent)
  assert.deepEqual(ready(), ['a'])
  assert.equal(bar(), null)
  assert.equal(agent.requests().length, 1, 'what waited is given to it')
})

test('a model that only a node has which proves its hardware is not unknown: its caller is told when to come back', async () => {
  const network = await createTestNetwork({ nodeProofs: simNodeProofs })
  const agent = await network.connect('a', [])
  say(agent, { kind: 'able', devices: [processor] })
  await network.run(SECOND_MS)
  agent.report([{}])
  await network.run(10)
  const call = network.ask()
  assert.deepEqual(call.heard, ['refused model_loading'])
  assert.match(call.problem().message, /has just joined and is proving its hardware/)
  assert.deepEqual([call.problem().status, call.problem().details['retryAfterMs']], [503, 5 * SECOND_MS])
})

test('a false row bars the node with the reason, and it is asked again by itself', async () => {
  const { network, agent, ready, record } = await setup()
  await prove(network, agent, (chains) => {
    const [first] = chains[0] ?? []
    if (first) first.bytes = Buffer.alloc(8, 1).toString('base64')
  })
  assert.deepEqual(ready(), [])
  assert.equal(record()?.failure?.fault, 'path_wrong')
  assert.match(barText(network), /did not hold: Row \d+ of round 1 is not what was committed to/)
  await network.run(10 * SECOND_MS)
  await prove(network, agent)
  assert.deepEqual(ready(), ['a'])
})

test('rows that were committed to and not computed bar the node', async () => {
  const { network, agent, record } = await setup()
  await prove(network, agent, () => undefined, 'ab'.repeat(32))
  assert.equal(record()?.isProven, false)
  assert.ok(['row_wrong', 'answer_reordered'].includes(record()?.failure?.fault ?? ''))
})

test('what nobody asked for, what comes twice and what comes early is refused, each with its reason on record', async () => {
  const { network, agent, ready, refusals } = await setup()
  const begin = begun(agent)
  const { roots, open } = solution(begin)
  const [challengeId, kind] = [begin.challengeId, 'commit']
  say(agent, { kind: 'opened', challengeId, chains: open([1]) })
  say(agent, { kind, challengeId: 'made-up', roots })
  say(agent, { kind, challengeId, roots })
  say(agent, { kind, challengeId, roots: roots.toReversed() })
  await network.run(SECOND_MS)
  assert.deepEqual(refusals(), ['answer_early', 'answer_repeated', 'challenge_unknown'])
  await show(network, agent, begin)
  assert.deepEqual(ready(), ['a'], 'what it said in its turn counts')
  const entries = network.service.coordinator.sequence()
  await show(network, agent, begin)
  assert.equal(
    network.service.coordinator.sequence(),
    entries,
    'a replay changes nothing, and fills no journal',
  )
})

test('an answer from before a new connection is an answer to nothing', async () => {
  const { network, agent, ready, refusals } = await setup()
  const old = begun(agent)
  const next = await network.connect('a')
  say(next, { kind: 'able', devices: [processor] })
  await network.run(SECOND_MS)
  say(next, { kind: 'commit', challengeId: old.challengeId, roots: solution(old).roots })
  await network.run(SECOND_MS)
  assert.deepEqual(refusals(), ['challenge_unknown'])
  await prove(network, next)
  assert.deepEqual(ready(), ['a'])
})

test('a frame that is no proof costs the connection, and one of a version without proofs too', async () => {
  for (const garbage of [
    { kind: 'commit' },
    { kind: 'opened', challengeId: 'x', chains: [[{ row: -1 }]] },
    7,
  ]) {
    const { network, agent } = await setup()
    agent.sendJson(FrameType.prove, 0, garbage)
    await network.run(SECOND_MS)
    assert.equal(agent.closed()?.reason, 'malformed frame')
  }
})

test('who never answers is told so after a minute, and stays barred', async () => {
  const { network, ready, record } = await setup()
  await network.run(MINUTE_MS + 5 * SECOND_MS)
  assert.equal(record()?.failure?.fault, 'answer_missing')
  assert.deepEqual(ready(), [])
})

test('an agent that can prove nothing gets no work, and its owner is told to update it', async () => {
  const network = await createTestNetwork({ nodeProofs: simNodeProofs })
  await network.connect('a')
  await network.run(5 * MINUTE_MS)
  assert.deepEqual([...network.gateway.nodes.ready()], [])
  assert.match(barText(network), /its agent gives no proofs yet. Update it/)
})

test('a proven node is asked again without notice, as often as the network says', async () => {
  const { network, agent } = await setup({ everyMs: 5 * SECOND_MS })
  await prove(network, agent)
  let times = 0
  for (let second = 0; second < 60; second++) {
    await network.run(SECOND_MS)
    const asked = orders(agent).filter(({ kind }) => kind === 'begin').length
    if (asked - 1 === times) continue
    times = asked - 1
    await prove(network, agent)
  }
  assert.ok(times >= 4 && times <= 25, `${times} times in a minute and more`)
})

test('every node of a message that tells of several is asked', async () => {
  const network = await createTestNetwork({ nodeProofs: simNodeProofs })
  const { world } = network
  const { fleet } = network.service.coordinator.state
  await network.connect('a')
  await network.connect('b')
  await network.run(SECOND_MS)
  const [first, ...more] = ['a', 'b'].map((nodeId) => {
    const session = fleet.nodes.get(nodeId)?.session ?? 0
    return { nodeId, session, say: { kind: 'able', devices: [processor] } }
  })
  const gatewayId = fleet.nodes.get('a')?.gatewayId ?? ''
  const { bus } = world.machine('other').host
  const ordered: string[] = []
  bus.subscribe(proofOrdersTo(gatewayId), (text) => ordered.push(text))
  const message = JSON.stringify({ gatewayId, ...first, more })
  const replies: string[] = []
  bus.request({ subject: proofNewsSubject, message, timeoutMs: SECOND_MS }, (_problem, reply) =>
    replies.push(reply),
  )
  await network.run(5 * SECOND_MS)
  assert.deepEqual(replies, ['{"heard":2}'])
  for (const nodeId of ['a', 'b'])
    assert.ok(
      ordered.some((text) => text.includes(`"nodeId":"${nodeId}"`) && text.includes('"begin"')),
      nodeId,
    )
})

const processor = { deviceId: 'cpu', kind: 'cpu', name: 'test', memoryMib: 0 } as const

const say = (agent: ScriptedAgent, said: unknown): void => agent.sendJson(FrameType.prove, 0, said)
const orders = (agent: ScriptedAgent): ProofOrder[] => agent.payloads(FrameType.prove) as ProofOrder[]

function begun(agent: ScriptedAgent): ProofBegin {
  const begin = orders(agent).findLast(({ kind }) => kind === 'begin')
  assert.ok(begin?.kind === 'begin', 'it was asked')
  return begin
}

const solution = ({ seed, size }: ProofBegin, madeUp = seed) =>
  solveProof({ seed: Buffer.from(madeUp, 'hex'), size }, simCrypto.sha256)

/** Answers the newest challenge; `change` has its way with what is shown. */
async function prove(
  network: TestNetwork,
  agent: ScriptedAgent,
  change: (chains: OpenedRow[][]) => void = () => undefined,
  seed?: string,
): Promise<void> {
  const begin = begun(agent)
  const { challengeId } = begin
  say(agent, { kind: 'begun', challengeId })
  say(agent, { kind: 'commit', challengeId, roots: solution(begin, seed).roots })
  await network.run(SECOND_MS)
  await show(network, agent, begin, change, seed)
}

async function show(
  network: TestNetwork,
  agent: ScriptedAgent,
  begin: ProofBegin,
  change: (chains: OpenedRow[][]) => void = () => undefined,
  seed?: string,
): Promise<void> {
  const { challengeId } = begin
  const open = orders(agent).findLast((order) => order.kind === 'open' && order.challengeId === challengeId)
  assert.ok(open?.kind === 'open', 'it is asked to show rows')
  const chains = solution(begin, seed).open(open.rows)
  change(chains)
  say(agent, { kind: 'opened', challengeId, chains })
  await network.run(2 * SECOND_MS)
  checkState(network.service.coordinator.state)
}

const barText = ({ service: { coordinator } }: TestNetwork): string =>
  barOf(coordinator.state, 'a', coordinator.nowMs())?.message ?? ''

async function setup({ everyMs }: { everyMs?: number } = {}) {
  const nodeProofs = { ...simNodeProofs, ...(everyMs !== undefined && { everyMs }) }
  const network = await createTestNetwork({ nodeProofs })
  const { state } = network.service.coordinator
  const agent = await network.connect('a')
  say(agent, { kind: 'able', devices: [processor] })
  await network.run(SECOND_MS)
  return {
    network,
    agent,
    ready: () => [...network.gateway.nodes.ready()].map(({ nodeId }) => nodeId),
    bar: () => barOf(state, 'a', network.service.coordinator.nowMs())?.code ?? null,
    record: () => state.hardware.nodes.get('a')?.devices.get('cpu'),
    refusals: () => [...(state.hardware.nodes.get('a')?.refused.keys() ?? [])],
  }
}
