import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Node as FleetNode } from '#fleet/fleet.ts'
import type { Capability } from '#protocol/capability.ts'
import { modelOffers } from './model-offers.ts'

test('what parked nodes have is shown as parked, not as offered', () => {
  const offers = modelOffers([
    node('a', { models: ['both', 'open'] }),
    parked('b', { models: ['both', 'shut'] }),
  ])
  assert.deepEqual(
    offers.map(({ model, nodes, parkedNodes }) => [model, nodes, parkedNodes]),
    [
      ['both', 1, 1],
      ['open', 1, 0],
      ['shut', 0, 1],
    ],
  )
})

test('the price is that of nodes that take work; of parked ones only where there is no other', () => {
  const cheap = parked('b', { ask: 1_000_000n })
  const [offer] = modelOffers([cheap, node('a', { ask: 20_000_000n }), node('c', { ask: 40_000_000n })])
  const [only] = modelOffers([node('a', { ask: 20_000_000n })])
  assert.equal(offer?.completionPerMillion.min, only?.completionPerMillion.min)
  assert.ok((offer?.completionPerMillion.max ?? 0n) > (offer?.completionPerMillion.min ?? 0n))
  const [alone] = modelOffers([cheap])
  assert.ok((alone?.completionPerMillion.max ?? 0n) < (only?.completionPerMillion.min ?? 0n))
})

test('nodes that are away, drained or banned offer nothing, parked or not', () => {
  const away = [
    { presence: 'absent' },
    { presence: 'suspect' },
    { isDrained: true },
    { bannedReason: 'x' },
  ] as const
  for (const change of away) {
    assert.deepEqual(modelOffers([{ ...node('a'), ...change }]), [])
    assert.deepEqual(modelOffers([{ ...parked('a'), ...change }]), [])
  }
})

interface Shape {
  readonly models?: readonly string[]
  readonly ask?: bigint
}

const parked = (id: string, shape: Shape = {}): FleetNode => {
  const open = node(id, shape)
  return { ...open, capability: { ...(open.capability as Capability), parkedReason: 'electricity is dear' } }
}

function node(id: string, { models = ['guide'], ask = 20_000_000n }: Shape = {}): FleetNode {
  return {
    id,
    organisationId: 'org',
    publicKey: id,
    name: id,
    enrolledAtMs: 0,
    presence: 'online',
    session: 1,
    gatewayId: 'g',
    presenceSinceMs: 0,
    lossReason: null,
    isDrained: false,
    bannedReason: null,
    nodeClass: 'community',
    askPerGpuHour: ask,
    capability: {
      agentVersion: 'test',
      osName: 'test',
      cpu: { model: 'test', cores: 1 },
      memoryMib: 1,
      diskFreeMib: 1,
      gpus: [],
      powerWatts: null,
      engines: [],
      models: models.map((model) => ({
        id: model,
        fingerprint: 'x',
        tasks: [],
        contextTokens: 1,
        slots: 1,
        prefillTokensPerSecond: 100,
        decodeTokensPerSecond: 10,
        decodeTokensPerSecondSingle: 10,
      })),
      problems: [],
    },
  }
}
