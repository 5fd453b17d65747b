import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromCanonical, toCanonical } from '#kernel/canonical.ts'
import { HOUR_MS } from '#kernel/time.ts'
import type { ModelFacts } from '#protocol/model-catalogue.ts'
import { decideModels, type ModelCommand, type ModelRefusal, placedMib } from './decide-models.ts'
import { evolveModels } from './evolve-models.ts'
import type { ModelEvent, ModelSettings } from './model-events.ts'
import { checkModels, emptyModels, LOADS_PER_HOUR_MAX, loadsLately, type Models } from './models.ts'

const MIB = 2 ** 20
const MEMORY_MIB = 1_000

/** In order of precedence: each line's state and command break its rule and every later one that can be broken with it. */
const refusals: readonly (readonly [ModelRefusal, (models: Models) => ModelCommand])[] = [
  ['model_exists', () => add('a', { replicasMin: 3, replicasMax: 1 })],
  ['replicas_wrong', () => add('new', { replicasMin: 3, replicasMax: 1 })],
  ['replicas_wrong', () => add('new', { replicasMin: 0, replicasMax: 0 })],
  ['model_unknown', () => ({ kind: 'remove', model: 'x', nowMs: 1 })],
  ['model_unknown', () => place('x', 'n1')],
  [
    'replicas_wrong',
    () => ({ kind: 'change', model: 'a', settings: settings({ replicasMax: 0 }), nowMs: 1 }),
  ],
  ['placed_already', () => place('a', 'n1', { memoryMib: 0 })],
  ['retry_too_early', () => place('b', 'failing', { memoryMib: 0 })],
  ['loads_exceeded', () => place('b', 'busy', { memoryMib: 0 })],
  ['memory_exceeded', () => place('b', 'n2', { memoryMib: 100 })],
  ['not_placed', () => ({ kind: 'evict', model: 'b', nodeId: 'n1', reason: 'surplus', nowMs: 1 })],
]

for (const [expected, command] of refusals) {
  test(`refuses ${JSON.stringify(command(emptyModels()))} as ${expected}`, () => {
    const models = setup()
    const before = toCanonical(models)
    assert.equal(decideModels(models, command(models)), expected)
    assert.equal(toCanonical(models), before)
  })
}

test('whatever is asked of it, no node gets more than it has, nor more loads in an hour than it may', () => {
  fc.assert(
    fc.property(fc.array(commands(), { maxLength: 60 }), (asked) => {
      const models = emptyModels()
      const events: ModelEvent[] = []
      let nowMs = 0
      for (const { waitMs, command } of asked) {
        nowMs += waitMs
        events.push(...take(models, { ...command, nowMs } as ModelCommand))
        checkModels(models)
        for (const nodeId of models.placements.keys())
          assert.ok(loadsLately(models, nodeId, nowMs) <= LOADS_PER_HOUR_MAX)
      }
      const replayed = emptyModels()
      for (const event of events) evolveModels(replayed, event)
      assert.equal(toCanonical(replayed), toCanonical(models))
      assert.deepEqual(fromCanonical(toCanonical(models)), models)
    }),
  )
})

test('a placement never takes what is known to be there already', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 1, maxLength: 8 }), (sizes) => {
      const models = emptyModels()
      for (const [index, size] of sizes.entries()) take(models, add(`m${index}`, {}, facts(size)))
      for (const index of sizes.keys()) take(models, place(`m${index}`, 'n', { memoryMib: MEMORY_MIB }))
      assert.ok(placedMib(models, 'n') <= MEMORY_MIB)
    }),
  )
})

test('a model that leaves takes its placements and its failures with it', () => {
  const models = setup()
  take(models, { kind: 'remove', model: 'a', nowMs: 9 })
  take(models, { kind: 'remove', model: 'b', nowMs: 9 })
  assert.deepEqual([models.catalogue.size, models.placements.size, models.failures.size], [0, 0, 0])
})

test('each failed load makes the next try wait twice as long, up to an hour', () => {
  const models = emptyModels()
  take(models, add('a'))
  let nowMs = 0
  for (const waitMs of [60_000, 120_000, 240_000, 480_000]) {
    take(models, { ...place('a', 'n'), nowMs })
    take(models, { kind: 'evict', model: 'a', nodeId: 'n', reason: 'failed', nowMs })
    assert.equal(decideModels(models, { ...place('a', 'n'), nowMs: nowMs + waitMs - 1 }), 'retry_too_early')
    nowMs += waitMs
  }
  assert.ok(Array.isArray(decideModels(models, { ...place('a', 'n'), nowMs })))
})

function commands() {
  const name = fc.constantFrom('a', 'b', 'c')
  const node = fc.constantFrom('n1', 'n2')
  const command = fc.oneof(
    name.map((model) => add(model, {}, facts(200))),
    name.map((model): ModelCommand => ({ kind: 'remove', model, nowMs: 0 })),
    name.map((model): ModelCommand => ({ kind: 'measure', model, facts: facts(300), nowMs: 0 })),
    fc.tuple(name, node).map(([model, nodeId]) => place(model, nodeId)),
    fc
      .tuple(name, node, fc.constantFrom('failed' as const, 'surplus' as const))
      .map(([model, nodeId, reason]): ModelCommand => ({ kind: 'evict', model, nodeId, reason, nowMs: 0 })),
  )
  return fc.record({ waitMs: fc.nat({ max: HOUR_MS / 10 }), command })
}

/** Takes a command if it is accepted; what happened. */
function take(models: Models, command: ModelCommand): ModelEvent[] {
  const decided = decideModels(models, command)
  if (!Array.isArray(decided)) return []
  for (const event of decided) evolveModels(models, event)
  return decided
}

/** `a` on `n1`; `b`, which failed a moment ago on `failing`; a node that has loaded all that it may. */
function setup(): Models {
  const models = emptyModels()
  take(models, add('a'))
  take(models, add('b', {}, facts(500)))
  take(models, place('a', 'n1'))
  take(models, place('b', 'failing'))
  take(models, { kind: 'evict', model: 'b', nodeId: 'failing', reason: 'failed', nowMs: 1 })
  for (let index = 0; index < LOADS_PER_HOUR_MAX; index++) {
    take(models, place('a', 'busy'))
    take(models, { kind: 'evict', model: 'a', nodeId: 'busy', reason: 'surplus', nowMs: 1 })
  }
  return models
}

function facts(mib: number): ModelFacts {
  return { sizeBytes: mib * MIB, kvBytesPerToken: 0, contextTokens: 4_096 }
}
function settings(part: Partial<ModelSettings> = {}): ModelSettings {
  return {
    price: null,
    priceMax: null,
    replicasMin: 1,
    replicasMax: 2,
    minClass: 'community',
    contextTokens: 2_048,
    slots: 2,
    ...part,
  }
}
function add(
  model: string,
  part: Partial<ModelSettings> = {},
  known: ModelFacts | null = null,
): ModelCommand & { kind: 'add' } {
  return {
    kind: 'add',
    model,
    source: { kind: 'url', url: `https://models.example/${model}.gguf` },
    key: '0'.repeat(40),
    facts: known,
    settings: settings(part),
    nowMs: 1,
  }
}
function place(
  model: string,
  nodeId: string,
  { memoryMib = MEMORY_MIB } = {},
): ModelCommand & { kind: 'place' } {
  return { kind: 'place', model, nodeId, memoryMib, nowMs: 1 }
}
