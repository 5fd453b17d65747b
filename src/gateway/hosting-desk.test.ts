import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeFrames, decodeJson, FrameType } from '#protocol/frame.ts'
import type { FollowedModel, WantedModel } from '#protocol/model-catalogue.ts'
import type { NodeClass } from '#protocol/node-class.ts'
import { createDirectory } from './directory.ts'
import { createHostingDesk, type HostingNode } from './hosting-desk.ts'

test('a node hears of its models once, and again when they change', () => {
  const { desk, node, follow } = setup()
  follow({ wanted: [order('a')] })
  desk.tell(node)
  desk.tell(node)
  follow({ wanted: [order('b')] })
  desk.tell(node)
  assert.deepEqual(node.told(), [['a'], ['b']])
  assert.deepEqual(node.withdrawn(), ['a'])
})

test('an agent of an older protocol hears nothing, nor one that never offered to serve what it is told', () => {
  const { desk, node, old, follow } = setup()
  follow({ wanted: [order('a')] })
  desk.tell(old)
  follow({})
  desk.tell(node)
  assert.deepEqual([old.told(), node.told()], [[], []])
})

const asked = { promptPerMillion: 10n, completionPerMillion: 20n }
const price = (input: bigint, output: bigint) => ({ input, cached: input, output })

test('an offer is used at what the node asks, unless that is above the quoted maximum', () => {
  for (const [priceMax, expected] of [
    [null, asked],
    [price(10n, 20n), asked],
    [price(9n, 20n), null],
    [price(10n, 19n), null],
  ] as const) {
    const { desk, follow } = setup()
    follow({ models: [model({ price: priceMax, priceMax })] })
    assert.deepEqual(desk.quote('n', 'm', asked), expected)
    assert.deepEqual(desk.quote('n', 'another', asked), asked)
  }
})

test('what a node has read before costs no more there than callers are quoted for it', () => {
  for (const [priceMax, cachedPerMillion] of [
    [{ input: 10n, cached: 4n, output: 20n }, 4n],
    [{ input: 10n, cached: 0n, output: 20n }, 0n],
    [{ input: 90n, cached: 50n, output: 20n }, undefined],
  ] as const) {
    const { desk, follow } = setup()
    follow({ models: [model({ price: priceMax, priceMax })] })
    assert.equal(desk.quote('n', 'm', asked)?.cachedPerMillion, cachedPerMillion)
  }
  const { desk, follow } = setup()
  const dear = { input: 10n, cached: 4n, output: 20n }
  follow({ models: [model({ price: dear, priceMax: dear })] })
  assert.equal(desk.quote('n', 'm', { ...asked, cachedPerMillion: 3n })?.cachedPerMillion, 3n)
})

test('what another server computes costs its price at a node that was told to pass it on', () => {
  const { desk, follow } = setup()
  follow({
    models: [model({ isUpstream: true, price: price(3n, 4n), priceMax: price(3n, 4n) })],
    wanted: [order('m')],
  })
  assert.deepEqual(desk.quote('n', 'm', asked), { promptPerMillion: 3n, completionPerMillion: 4n })
  assert.equal(desk.quote('own', 'm', asked), null)
})

test('a node below the class of a model does not serve it', () => {
  for (const [nodeClass, expected] of [
    ['community', null],
    ['vetted', asked],
  ] as const) {
    const { desk, follow } = setup()
    follow({ models: [model({ minClass: 'vetted' })], nodeClass })
    assert.deepEqual(desk.quote('n', 'm', asked), expected)
  }
})

test('requests are counted by model, those that are refused among them, and reported with what is under way', () => {
  const { desk, follow } = setup()
  follow({ models: [model({})], loading: [{ model: 'm', etaMs: 90_000, why: null }] })
  assert.equal(desk.ask('unknown', { isServed: false, waitMs: 1 }), 'not_ours')
  assert.equal(desk.ask('m', { isServed: true, waitMs: 1 }), null)
  const refused = desk.ask('m', { isServed: false, waitMs: 30_000 })
  assert.ok(refused instanceof Error && refused.code === 'model_loading')
  const open = [
    { model: 'm', isWaiting: true },
    { model: 'm', isWaiting: false },
    { model: 'unknown', isWaiting: false },
  ]
  assert.deepEqual(desk.news([], open), { demand: [{ model: 'm', requests: 2, running: 1, queued: 1 }] })
  follow({ models: [] })
  assert.deepEqual(desk.news([], open), {})
})

const order = (name: string): WantedModel => ({
  model: name,
  key: '0'.repeat(40),
  source: { kind: 'url', url: 'https://models.example/m.gguf' },
  contextTokens: 1,
  slots: 1,
})
const model = (part: Partial<FollowedModel>): FollowedModel => ({
  model: 'm',
  price: null,
  priceMax: null,
  minClass: 'community',
  contextTokens: 1,
  isUpstream: false,
  ...part,
})

interface News {
  readonly models?: FollowedModel[]
  readonly wanted?: WantedModel[]
  readonly nodeClass?: NodeClass
  readonly loading?: { model: string; etaMs: number | null; why: string | null }[]
}

function setup() {
  const directory = createDirectory()
  const desk = createHostingDesk({ elapsedMs: () => 0 }, directory)
  let version = 0
  const nodeOf = (protocol: number) => {
    const told: string[][] = []
    let withdrawn: string[] = []
    const node: HostingNode = {
      nodeId: 'n',
      protocol,
      hosted: [],
      send(message) {
        const [frame] = decodeFrames(message)
        assert.equal(frame?.type, FrameType.wantedModels)
        const { models } = decodeJson(frame.payload) as { models: { model: string }[] }
        told.push(models.map((each) => each.model))
      },
      withdraw(models) {
        withdrawn = [...models]
      },
    }
    return { ...node, told: () => told, withdrawn: () => withdrawn }
  }
  return {
    desk,
    node: nodeOf(3),
    old: nodeOf(2),
    follow({ models, wanted, nodeClass, loading }: News) {
      const node = {
        id: 'n',
        organisationId: 'o',
        publicKey: '',
        session: 1,
        isDrained: false,
        isBanned: false,
      }
      directory.apply({
        epoch: 1,
        version: ++version,
        isComplete: true,
        wantsPresence: false,
        nodes: [{ ...node, models: [], ...(wanted && { wanted }), ...(nodeClass && { nodeClass }) }],
        keys: [],
        ...(models && { models }),
        ...(loading && { loading }),
      })
    },
  }
}
