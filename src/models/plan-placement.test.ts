import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { HostingStage } from '#protocol/model-catalogue.ts'
import type { NodeClass } from '#protocol/node-class.ts'
import { decideModels } from './decide-models.ts'
import { evolveModels } from './evolve-models.ts'
import type { ModelSettings } from './model-events.ts'
import { emptyModels, type Models } from './models.ts'
import type { Hosting, NodeView } from './node-view.ts'
import { GONE_MS, planPlacement, REPLACE_AFTER_MS, SILENT_MS } from './plan-placement.ts'

const MIB = 2 ** 20
const NOW_MS = 10 ** 9

test('of nodes that could take it, one of another owner comes first, then the quicker, then one with the file', () => {
  const models = catalogue({ a: 300 })
  place(models, 'a', 'first')
  const first = node('first', { serves: ['a'], ownerId: 'ann' })
  const sameOwner = node('x-quick', { ownerId: 'ann', bytesPerSecond: 64e9 })
  const slow = node('y-slow', { ownerId: 'bob', bytesPerSecond: 8e9 })
  const quick = node('z-quick', { ownerId: 'bob', bytesPerSecond: 32e9 })
  const cached = node('zz-cached', { ownerId: 'bob', bytesPerSecond: 32.5e9, cached: ['key-a'] })
  const chosen = (...others: NodeView[]) =>
    actsOf(models, [first, ...others], { a: 2 }).map(({ nodeId }) => nodeId)
  assert.deepEqual(chosen(sameOwner, slow), ['y-slow'])
  assert.deepEqual(chosen(sameOwner, slow, quick), ['z-quick'])
  assert.deepEqual(chosen(sameOwner, slow, quick, cached), ['zz-cached'])
})

const obstacles: readonly (readonly [string, Partial<NodeParts>])[] = [
  ['away', { isAvailable: false }],
  ['takes_no_models', { hosting: null }],
  ['not_accepted', { accepts: ['other'] }],
  ['class_too_low', { nodeClass: 'community' }],
  ['too_little_memory', { memoryMib: 200 }],
  ['too_little_disk', { cacheMib: 10 }],
]
for (const [obstacle, part] of obstacles) {
  test(`a node is no host for a model when: ${obstacle.replaceAll('_', ' ')}`, () => {
    const models = catalogue({ a: 300 }, { minClass: 'vetted' })
    const { acts, shortages } = planPlacement({
      models,
      nodes: [node('n', { nodeClass: 'vetted', ...part })],
      wanted: new Map([['a', 1]]),
      nowMs: NOW_MS,
    })
    assert.deepEqual([acts, [...(shortages.get('a') ?? [])]], [[], [[obstacle, 1]]])
  })
}

test('a model of unknown size goes to one node alone, the roomiest, until that one has read its file', () => {
  const models = catalogue({ a: null })
  const nodes = [
    node('n1', { memoryMib: 500 }),
    node('n2', { memoryMib: 900 }),
    node('n3', { memoryMib: 700 }),
  ]
  assert.deepEqual(actsOf(models, nodes, { a: 2 }), [
    { kind: 'place', model: 'a', nodeId: 'n2', memoryMib: 900 },
  ])
  place(models, 'a', 'n2')
  assert.deepEqual(actsOf(models, nodes, { a: 2 }), [])
})

test('what its owner set up counts as a replica, and is never taken away', () => {
  const models = catalogue({ a: 300 })
  const own = node('own', { serves: ['a'], hosting: null })
  assert.deepEqual(actsOf(models, [own, node('n')], { a: 1 }), [])
  assert.deepEqual(actsOf(models, [own, node('n', { serves: ['a'] })], { a: 1 }), [])
})

test('of too many replicas one that still loads goes, else the slowest; never one of those that are wanted', () => {
  const models = catalogue({ a: 300 })
  for (const nodeId of ['n1', 'n2', 'n3']) place(models, 'a', nodeId)
  const n1 = node('n1', { serves: ['a'], bytesPerSecond: 9e9 })
  const n2 = node('n2', { serves: ['a'], bytesPerSecond: 2e9 })
  const n3 = node('n3', { bytesPerSecond: 64e9, stages: { a: 'loading' } })
  const gone = (nodes: NodeView[], a: number) => actsOf(models, nodes, { a }).map(({ nodeId }) => nodeId)
  assert.deepEqual(gone([n1, n2, n3], 2), ['n3'])
  assert.deepEqual(gone([n1, n2, n3], 1), ['n3'])
  evict(models, 'a', 'n3')
  assert.deepEqual(gone([n1, n2], 1), ['n2'])
  assert.deepEqual(gone([n1, n2], 2), [])
})

test('a replica whose node is away is replaced at once when no other serves, and after a while when one does', () => {
  const models = catalogue({ a: 300 })
  place(models, 'a', 'n1')
  place(models, 'a', 'n2')
  const away = (ms: number) => node('n1', { isAvailable: false, sinceMs: NOW_MS - ms })
  const serving = node('n2', { serves: ['a'] })
  assert.deepEqual(actsOf(models, [away(REPLACE_AFTER_MS - 1), serving, node('n3')], { a: 2 }), [])
  assert.equal(actsOf(models, [away(REPLACE_AFTER_MS), serving, node('n3')], { a: 2 })[0]?.nodeId, 'n3')
  evict(models, 'a', 'n2')
  assert.equal(actsOf(models, [away(1_000), node('n2'), node('n3')], { a: 1 })[0]?.kind, 'place')
})

const departures: readonly (readonly [string, Partial<NodeParts>])[] = [
  ['gone', { isAvailable: false, sinceMs: NOW_MS - GONE_MS - 1 }],
  ['not_allowed', { hosting: null }],
  ['not_allowed', { accepts: ['b'] }],
  ['not_allowed', { nodeClass: 'community' }],
  ['too_dear', { serves: ['a'], tooDear: ['a'] }],
  ['failed', { stages: { a: 'failed' } }],
  ['failed', { sinceMs: NOW_MS - SILENT_MS - 1 }],
  ['over_memory', { memoryMib: 200, serves: ['a'] }],
]
for (const [reason, part] of departures) {
  test(`a placement ends as ${reason} where the node is ${JSON.stringify(part)}`, () => {
    const models = catalogue({ a: 300 }, { minClass: 'vetted' })
    place(models, 'a', 'n')
    const acts = actsOf(models, [node('n', { nodeClass: 'vetted', ...part })], { a: 1 })
    assert.deepEqual(acts, [{ kind: 'evict', model: 'a', nodeId: 'n', reason }])
  })
}

test('a model below its minimum takes the place of a replica that another model has to spare', () => {
  const models = catalogue({ a: 300, b: 300 })
  for (const nodeId of ['n1', 'n2']) place(models, 'b', nodeId)
  const full = { memoryMib: 700, serves: ['b'] }
  const nodes = [node('n1', full), node('n2', full)]
  const [act] = actsOf(models, nodes, { a: 1, b: 2 })
  assert.deepEqual(act, { kind: 'evict', model: 'b', nodeId: 'n1', reason: 'makes_room' })
  evict(models, 'b', 'n1')
  const unloaded = [node('n1', { memoryMib: 700 }), node('n2', full)]
  const next = actsOf(models, unloaded, { a: 1, b: 1 })
  assert.deepEqual(next, [{ kind: 'place', model: 'a', nodeId: 'n1', memoryMib: 700 }])
})

test('plans that are carried out come to rest, with every minimum met where there is room', () => {
  const sizes = fc.array(fc.integer({ min: 50, max: 500 }), { minLength: 1, maxLength: 5 })
  const memories = fc.array(fc.integer({ min: 400, max: 3_000 }), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(sizes, memories, fc.integer({ min: 1, max: 3 }), (mibs, memory, count) => {
      const names = mibs.map((_, index) => `m${index}`)
      const models = catalogue(Object.fromEntries(names.map((name, index) => [name, mibs[index] ?? 1])))
      const wanted = Object.fromEntries(names.map((name) => [name, count]))
      const nodesNow = (): NodeView[] =>
        memory.map((memoryMib, index) =>
          node(`n${index}`, { memoryMib, serves: [...(models.placements.get(`n${index}`)?.keys() ?? [])] }),
        )
      let rounds = 0
      for (; rounds < 60; rounds++) {
        const acts = actsOf(models, nodesNow(), wanted)
        if (acts.length === 0) break
        for (const act of acts) {
          const decided = decideModels(models, { ...act, nowMs: NOW_MS })
          assert.ok(Array.isArray(decided), `the decider refuses what was planned: ${String(decided)}`)
          for (const event of decided) evolveModels(models, event)
        }
      }
      assert.ok(rounds < 60, 'it never comes to rest')
    }),
  )
})

interface NodeParts {
  ownerId: string
  nodeClass: NodeClass
  isAvailable: boolean
  sinceMs: number
  serves: readonly string[]
  tooDear: readonly string[]
  hosting: null
  memoryMib: number
  cacheMib: number
  accepts: readonly string[] | null
  cached: readonly string[]
  bytesPerSecond: number
  stages: Readonly<Record<string, HostingStage>>
}

function node(nodeId: string, part: Partial<NodeParts> = {}): NodeView {
  const hosting: Hosting = {
    memoryMib: part.memoryMib ?? 8_000,
    cacheMib: part.cacheMib ?? 50_000,
    accepts: part.accepts ?? null,
    cached: part.cached ?? [],
    bytesPerSecond: part.bytesPerSecond ?? 20e9,
  }
  return {
    nodeId,
    ownerId: part.ownerId ?? 'owner',
    nodeClass: part.nodeClass ?? 'community',
    isAvailable: part.isAvailable ?? true,
    sinceMs: part.sinceMs ?? NOW_MS,
    serves: new Set(part.serves),
    tooDear: new Set(part.tooDear),
    hosting: part.hosting === null ? null : hosting,
    stages: new Map(Object.entries(part.stages ?? {})),
  }
}

/** Models by name and size; null for one whose file nobody has read. */
function catalogue(
  sizes: Readonly<Record<string, number | null>>,
  part: Partial<ModelSettings> = {},
): Models {
  const models = emptyModels()
  for (const [model, mib] of Object.entries(sizes)) {
    apply(models, {
      kind: 'add',
      model,
      source: { kind: 'url', url: `https://models.example/${model}.gguf` },
      key: `key-${model}`,
      facts: mib === null ? null : { sizeBytes: mib * MIB, kvBytesPerToken: 0, contextTokens: 4_096 },
      settings: {
        price: null,
        priceMax: null,
        replicasMin: 1,
        replicasMax: 4,
        minClass: 'community',
        contextTokens: 2_048,
        slots: 2,
        ...part,
      },
      nowMs: 1,
    })
  }
  return models
}

function apply(models: Models, command: Parameters<typeof decideModels>[1]): void {
  const decided = decideModels(models, command)
  assert.ok(Array.isArray(decided), `${JSON.stringify(command)}: ${String(decided)}`)
  for (const event of decided) evolveModels(models, event)
}
/** A moment ago: the node has had its time to say something. */
const place = (models: Models, model: string, nodeId: string): void =>
  apply(models, { kind: 'place', model, nodeId, memoryMib: 10 ** 6, nowMs: NOW_MS - SILENT_MS - 1 })
const evict = (models: Models, model: string, nodeId: string): void =>
  apply(models, { kind: 'evict', model, nodeId, reason: 'surplus', nowMs: NOW_MS })
const actsOf = (models: Models, nodes: readonly NodeView[], wanted: Readonly<Record<string, number>>) =>
  planPlacement({ models, nodes, wanted: new Map(Object.entries(wanted)), nowMs: NOW_MS }).acts
