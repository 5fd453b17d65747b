import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Engine, EngineSink } from '#engines/engine.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import { attributeEnergy } from './job-energy.ts'
import { meterEngine } from './metered-engine.ts'

test('busy time is counted once, and slot time for every request', () => {
  const { begin, pass, metered } = setup()
  pass(1_000)
  const first = begin('a')
  pass(2_000)
  const second = begin('b')
  pass(3_000)
  first.end()
  pass(4_000)
  second.end()
  const work = metered.takeWork()
  assert.deepEqual([work.elapsedMs, work.busyMs, work.slotMs], [10_000, 9_000, 12_000])
  assert.deepEqual(
    work.jobs.map(({ job, slotMs }) => [job.requestId, slotMs, job.end?.outcome]),
    [
      ['a', 5_000, 'completed'],
      ['b', 7_000, 'completed'],
    ],
  )
})

test('each look takes the work since the last one', () => {
  const { begin, pass, metered } = setup()
  const run = begin('a')
  pass(1_000)
  assert.equal(metered.takeWork().busyMs, 1_000)
  pass(500)
  run.end()
  const work = metered.takeWork()
  assert.deepEqual([work.busyMs, work.jobs.length], [500, 1])
  assert.deepEqual(metered.takeWork(), { elapsedMs: 0, busyMs: 0, slotMs: 0, jobs: [] })
})

test('the caller hears all that the engine says', () => {
  const { begin } = setup()
  const run = begin('a')
  run.sink.onStarted(5)
  run.sink.onDelta({ text: 'x', tokenIds: [1], tokenCount: 1 })
  run.sink.onEmbedding([])
  run.end()
  assert.deepEqual(run.heard, ['started 5', 'delta x', 'embedding', 'end'])
})

test('a request is paid by the ask of its start: whole, as far as it came, and not at all when it failed', () => {
  const { begin, pass, metered, ask } = setup()
  const whole = begin('whole')
  ask.perHour = 1n
  whole.sink.onStarted(10)
  whole.end({ promptTokens: 10, completionTokens: 20 })
  ask.perHour = 100n
  const left = begin('left')
  left.sink.onStarted(10)
  left.sink.onDelta({ text: 'x', tokenIds: [1, 2], tokenCount: 2 })
  left.run.cancel()
  const failed = begin('failed')
  failed.sink.onStarted(10)
  failed.sink.onProblem(new Problem('engine_failed', 'It died.'))
  pass(1)
  const jobs = attributeEnergy(() => 500).take(metered.takeWork(), null)
  assert.deepEqual(
    jobs.map(({ requestId, outcome, expectedGross, soldGpuHours }) => [
      requestId,
      outcome,
      expectedGross,
      soldGpuHours,
    ]),
    [
      ['whole', 'completed', 30n, 0.3],
      ['left', 'cancelled', 12n, 0.12],
      ['failed', 'failed', 0n, 0],
    ],
  )
  assert.deepEqual(left.cancelled, [true])
})

test('tokens that were read before are paid by their own price, as the engine counts them', () => {
  const { begin, metered } = setup({ cachedPerMillion: 100_000n })
  const whole = begin('whole')
  whole.sink.onStarted(100, 50)
  whole.end({ promptTokens: 100, completionTokens: 5, cachedPromptTokens: 90 })
  const left = begin('left')
  left.sink.onStarted(100, 50)
  left.run.cancel()
  const known = begin('known at its start')
  known.sink.onStarted(100, 50)
  known.end({ promptTokens: 100 })
  const jobs = attributeEnergy(() => 0).take(metered.takeWork(), null)
  assert.deepEqual(
    jobs.map(({ expectedGross }) => expectedGross),
    [24n, 55n, 55n],
  )
})

test("the busy time's energy is shared out by slots, and the idle time's is nobody's", () => {
  const { begin, pass, metered } = setup()
  const energy = attributeEnergy(() => 500)
  const first = begin('a')
  pass(3_000)
  const second = begin('b')
  pass(1_000)
  first.end()
  second.end()
  pass(6_000)
  const jobs = energy.take(metered.takeWork(), { watts: 200, basis: 'plug', quality: 'measured' })
  // Four busy seconds at 200 W, of which five slot-seconds took four and one.
  assert.deepEqual(
    jobs.map((job) => [job.requestId, job.joules, job.isLowerBound]),
    [
      ['a', 640, false],
      ['b', 160, false],
    ],
  )
})

test('a request over several looks adds up, and one that a look could not meter has no figure', () => {
  const { begin, pass, metered } = setup()
  const energy = attributeEnergy(() => 500)
  const [first, second] = [begin('a'), begin('b')]
  pass(2_000)
  assert.deepEqual(energy.take(metered.takeWork(), { watts: 100, basis: 'plug', quality: 'measured' }), [])
  second.end()
  pass(2_000)
  const [ended] = energy.take(metered.takeWork(), { watts: 300, basis: 'parts', quality: 'measured' })
  assert.deepEqual([ended?.requestId, ended?.joules, ended?.isLowerBound], ['b', 100, false])
  pass(1_000)
  energy.take(metered.takeWork(), null)
  first.end()
  const [last] = energy.take(metered.takeWork(), { watts: 300, basis: 'parts', quality: 'measured' })
  assert.deepEqual([last?.joules, last?.isLowerBound], [null, true])
})

function setup({ cachedPerMillion }: { readonly cachedPerMillion?: bigint } = {}) {
  let nowMs = 0
  const sinks: EngineSink[] = []
  const cancelled: boolean[] = []
  const engine: Engine = {
    models: () => [],
    onChange: () => undefined,
    start(_request, sink) {
      sinks.push(sink)
      return { cancel: () => void cancelled.push(true), pause() {}, resume() {} }
    },
    close: async () => {},
  }
  const ask = { perHour: 100n }
  // A token costs a nano-dollar, whatever the ask.
  const price = { promptPerMillion: 1_000_000n, completionPerMillion: 1_000_000n, cachedPerMillion }
  const clock = { nowMs: () => nowMs, elapsedMs: () => nowMs }
  const metered = meterEngine(clock, engine, () => ({ askPerGpuHour: ask.perHour, price }))

  function begin(requestId: string) {
    const heard: string[] = []
    const request: EngineRequest = { kind: 'embedding', requestId, model: 'guide', inputs: [] }
    const run = metered.start(request, {
      onStarted: (tokens) => void heard.push(`started ${tokens}`),
      onDelta: (delta) => void heard.push(`delta ${delta.text}`),
      onEmbedding: () => void heard.push('embedding'),
      onEnd: () => void heard.push('end'),
      onProblem: (problem) => void heard.push(problem.code),
    })
    const sink = sinks.at(-1)
    assert.ok(sink)
    const end = (counted: Partial<Parameters<EngineSink['onEnd']>[0]> = {}): void =>
      sink.onEnd({ finishReason: 'stop', promptTokens: 0, completionTokens: 0, ...counted })
    return { run, sink, heard, end, cancelled }
  }
  return {
    metered,
    begin,
    ask,
    pass(durationMs: number) {
      nowMs += durationMs
    },
  }
}
