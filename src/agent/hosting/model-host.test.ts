import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EngineModel, SupervisedEngine } from '#engines/engine.ts'
import { Problem } from '#protocol/problem.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { createModelHost } from './model-host.ts'

const MINUTE_MS = 60_000

test('a model whose engine fails again and again is given up, and the next one is brought up', async () => {
  const { run, engines, stages, host } = setup(['a', 'b'])
  await run(1)
  engines.a?.fail('out of memory')
  // The process that ended and the one that comes up again tell of one failure.
  engines.a?.tell()
  engines.a?.fail('out of memory')
  await run(1)
  assert.deepEqual(stages(), { a: 'loading', b: 'waiting' })
  engines.a?.fail('out of memory still')
  await run(1)
  // Its memory is free only when its process is gone.
  assert.deepEqual([engines.a?.isClosing, engines.b], [true, undefined])
  engines.a?.gone()
  await run(1)
  assert.deepEqual(stages(), { a: 'failed', b: 'loading' })
  assert.match(host.hosted()[0]?.problem?.message ?? '', /out of memory still/)
  engines.b?.serve()
  await run(1)
  assert.deepEqual(stages(), { a: 'failed', b: 'ready' })
})

test('a model that is not loaded in the time that its bytes take is given up, with what the engine says', async () => {
  const { run, engines, stages, host } = setup(['a', 'b'], { sizeBytes: 3_000_000_000 })
  await run(5 * MINUTE_MS + 59_000)
  assert.deepEqual(stages(), { a: 'loading', b: 'waiting' })
  await run(2_000)
  engines.a?.gone()
  await run(1)
  assert.deepEqual(stages(), { a: 'failed', b: 'loading' })
  assert.match(host.hosted()[0]?.problem?.message ?? '', /a was not loaded within 6 min/)
  engines.b?.fail('its server is not there')
  await run(6 * MINUTE_MS)
  engines.b?.gone()
  await run(1)
  assert.equal(host.hosted()[1]?.problem?.message, 'its server is not there')
})

test('one that is wanted no more while its failed engine ends is forgotten', async () => {
  const { run, engines, stages, want } = setup(['a'])
  await run(6 * MINUTE_MS)
  want([])
  engines.a?.gone()
  await run(1)
  assert.deepEqual(stages(), {})
})

interface TestEngine {
  isClosing: boolean
  fail(message: string): void
  tell(): void
  serve(): void
  /** Ends `close`. */
  gone(): void
}

interface Engines {
  a?: TestEngine
  b?: TestEngine
}

/** A host that is told to serve `names`, with engines that load, fail and end as the test says. */
function setup(names: readonly string[], { sizeBytes = 1_000 } = {}) {
  const world = createTestWorld()
  const { host: machine } = world.machine('node')
  const engines: Engines = {}
  const facts = { sizeBytes, kvBytesPerToken: 1, contextTokens: 100 }
  const host = createModelHost(
    {
      ...{ clock: machine.clock, log: machine.log },
      files: { keys: () => [], obtain: async ({ key }) => ({ path: key, facts }) },
      openEngine: ({ model }) => openEngine(model, engines),
      warm: async () => ({
        ...{ prefillTokensPerSecond: 1, decodeTokensPerSecond: 1, decodeTokensPerSecondSingle: 1 },
      }),
    },
    { memoryMib: 100_000, cacheMib: 1_000, accepts: null, bytesPerSecond: 1 },
  )
  let version = 0
  const want = (wanted: readonly string[]): void =>
    host.want({
      ...{ epoch: 1, version: ++version },
      models: wanted.map((model, at) => ({
        ...{ model, key: String(at).repeat(20), contextTokens: 100, slots: 1 },
        source: { kind: 'url', url: 'https://models.example/m.gguf' },
      })),
    })
  want(names)
  const stages = () => Object.fromEntries(host.hosted().map(({ model, stage }) => [model, stage]))
  return { run: world.run, engines, stages, host, want }
}

function openEngine(id: string, engines: Engines): SupervisedEngine {
  const [ready, closed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  ready.promise.catch(() => undefined)
  const listeners: (() => void)[] = []
  let failure: Problem | null = null
  let models: readonly EngineModel[] = []
  const tell = (): void => {
    for (const listener of listeners) listener()
  }
  const own: TestEngine = {
    isClosing: false,
    fail(message) {
      failure = new Problem('engine_failed', message)
      tell()
    },
    tell,
    serve() {
      models = [{ id, tasks: ['chat'], contextTokens: 100, slots: 1, fingerprint: id }]
      ready.resolve()
      tell()
    },
    gone: closed.resolve,
  }
  engines[id === 'a' ? 'a' : 'b'] = own
  return {
    models: () => models,
    onChange: (run) => void listeners.push(run),
    start: () => assert.fail('nobody asks'),
    ready: () => ready.promise,
    failure: () => failure,
    close() {
      own.isClosing = true
      ready.reject(new Problem('cancelled', 'The engine was closed.'))
      return closed.promise
    },
  }
}
