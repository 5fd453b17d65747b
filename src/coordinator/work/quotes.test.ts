import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskParams } from '#protocol/task.ts'
import { PAYER } from '#sim/test-world.ts'
import { planOf } from './test-floor.ts'
import { askOf, LIST_PRICE, SCENE_ROOT, type Scene, stepOf, TestQuotes } from './test-quotes.ts'

test('three frames are run small, and the quote says what all of them will take', async () => {
  const { quotes, scales } = await setup(sceneOf({ fixedMs: 200, growingMs: 20_000 }))
  const asked = await quotes.ask(askOf(stepOf(48)))
  assert.equal(asked.status, 'measuring')
  await quotes.work()
  const quote = await quotes.read(asked.quoteId)
  assert.equal(quote.status, 'ready', quote.reason ?? '')
  assert.deepEqual([...scales].toSorted(), [
    '1@0.125',
    '1@0.25',
    '24@0.125',
    '24@0.25',
    '48@0.125',
    '48@0.25',
  ])
  const { referenceSeconds, wallSeconds, price, cap } = quote
  assert(referenceSeconds && wallSeconds && price && cap)
  assertNear(referenceSeconds.p50, 48 * 20.2, 0.02)
  assertNear(wallSeconds.p50, 48 * 20.2, 0.05)
  assert(referenceSeconds.p10 < referenceSeconds.p50 && referenceSeconds.p50 < referenceSeconds.p90)
  assertNear(Number(price.p50), 48 * 20_200_000, 0.02)
  assert(cap > price.p90)
  assert.deepEqual(
    quote.previews.map(({ params, file }) => [params['frame'], params['scale'], file !== null]),
    [
      [1, 0.25, true],
      [48, 0.25, true],
      [24, 0.25, true],
    ],
  )
  assert.deepEqual([quote.nodes, quote.tasks, quote.pricePerHour], [1, 48, LIST_PRICE])
})

test('a node’s first frame takes longer, and the others are not thought to', async () => {
  const warm = new Set<string>()
  const scene: Scene = (grant, nodeId) => {
    const coldMs = warm.has(nodeId) ? 0 : 3_000
    warm.add(nodeId)
    return coldMs + 100 + 2_000 * shareOf(grant.params)
  }
  const { quotes } = await setup(scene)
  const asked = await quotes.ask(askOf(stepOf(100)))
  await quotes.work()
  const { referenceSeconds } = await quotes.read(asked.quoteId)
  assertNear(referenceSeconds?.p50 ?? 0, 100 * 2.1, 0.03)
})

test('the network pays for probes, and whoever asks pays nothing', async () => {
  const { quotes } = await setup(sceneOf({ fixedMs: 200, growingMs: 4_000 }))
  const before = quotes.floor.account(`consumer:${PAYER}`)
  const { available } = before
  await quotes.ask(askOf(stepOf(8)))
  await quotes.work()
  assert.equal(quotes.floor.account(`consumer:${PAYER}`).available, available)
  const jobs = [...quotes.floor.state.work.jobs.values()]
  assert.deepEqual(
    jobs.map(({ purpose, status, cap }) => [purpose, status, cap]),
    [
      ['probe', 'completed', null],
      ['probe', 'completed', null],
    ],
  )
})

test('what was probed once is not run again, for the same scene and organisation', async () => {
  const { quotes, scales } = await setup(sceneOf({ fixedMs: 200, growingMs: 4_000 }))
  const first = await quotes.ask(askOf(stepOf(48)))
  await quotes.work()
  scales.length = 0
  const again = await quotes.ask({ ...askOf(stepOf(48)), name: 'another name' })
  assert.equal(again.status, 'ready')
  assert.deepEqual(scales, [])
  assert.deepEqual(again.price, (await quotes.read(first.quoteId)).price)
  const other = await quotes.ask(askOf(stepOf(48, { settings: { file: 'scene.blend', samples: 8 } })))
  assert.equal(other.status, 'measuring')
})

test('frames that differ are interpolated', async () => {
  const { quotes } = await setup(({ params }) => 50 * Number(params['frame']) * shareOf(params) + 10)
  const asked = await quotes.ask(askOf(stepOf(9)))
  await quotes.work()
  const tasks = quotes.plan(asked.quoteId).steps[0]?.tasks ?? []
  const expected = tasks.map((_, at) => 50 * (at + 1) + 10)
  for (const [at, { referenceMs }] of tasks.entries()) assertNear(referenceMs, expected[at] ?? 0, 0.1)
})

test('ranges of a still are probed by fewer samples, and its merge is not probed', async () => {
  const ranges = [0, 1, 2, 3].map((at) => ({ do: 'range', frame: 7, samples: 64, sampleOffset: at * 64 }))
  const merge = stepOf(1, {
    name: 'merge',
    dependsOn: ['frames'],
    takesResults: true,
    tasks: [{ do: 'merge', frame: 7, parts: 'a.exr=64;b.exr=64;c.exr=64;d.exr=64' }],
    estimateMs: 700,
  })
  const seen: TaskParams[] = []
  const { quotes } = await setup(({ params }) => {
    seen.push(params)
    return 100 + 20 * Number(params['samples'])
  })
  const asked = await quotes.ask(askOf(stepOf(0, { tasks: ranges }), merge))
  await quotes.work()
  assert.deepEqual(
    seen.map(({ samples, sampleOffset }) => [samples, sampleOffset]),
    [
      [1, 0],
      [16, 0],
      // The first was the first of its node.
      [2, 0],
    ],
  )
  const plan = quotes.plan(asked.quoteId)
  assertNear(plan.steps[0]?.tasks[0]?.referenceMs ?? 0, 100 + 20 * 64, 0.05)
  assert.deepEqual(plan.steps[1]?.tasks[0]?.referenceMs, 700)
  assert.equal(plan.isVerified, true)
})

test('without a node that would take it, a quote waits and says why', async () => {
  const { quotes } = await setup(sceneOf({ fixedMs: 10, growingMs: 100 }))
  const asked = await quotes.ask(askOf(stepOf(4)))
  assert.match(
    asked.reason ?? '',
    /^No node would take step "frames" \(blender\) now: no node of the network/,
  )
  await quotes.floor.hello('a', { kinds: ['ffmpeg'] })
  const waiting = await quotes.read(asked.quoteId)
  assert.equal(waiting.status, 'measuring')
  assert.match(waiting.reason ?? '', /1 node without its engine/)
  assert.doesNotMatch(waiting.reason ?? '', /MiB/)
  await quotes.work({ b: {} })
  assert.equal((await quotes.read(asked.quoteId)).status, 'ready')
})

test('a scene that needs more memory than any node has is told how much, and what there is', async () => {
  const { quotes } = await setup(sceneOf({ fixedMs: 10, growingMs: 100 }))
  await quotes.floor.hello('a', { memoryMib: 900 })
  await quotes.floor.hello('b', { memoryMib: 1_200 })
  const requirements = { memoryMib: 4_500, vramMib: 0 }
  const { reason, status } = await quotes.ask(askOf(stepOf(4, { requirements })))
  assert.equal(status, 'measuring')
  assert.equal(
    reason,
    'No node would take step "frames" (blender) now: 2 nodes with too little memory. It takes 4500 MiB, and the largest of those has 1200 MiB (b). Give the scene smaller textures, or wait for a larger node.',
  )
})

test('a scene for a GPU is quoted by the nodes that render on one, and by them alone it can be checked', async () => {
  const { quotes } = await setup(sceneOf({ fixedMs: 10, growingMs: 100 }))
  await quotes.floor.hello('a', { device: 'CPU' })
  const asked = await quotes.ask(askOf(stepOf(4, { settings: { file: 'scene.blend', device: 'CUDA' } })))
  assert.equal(
    asked.reason,
    'No node would take step "frames" (blender) now: 1 node rendering on another device. It is to be rendered on CUDA, and those render on CPU. Ask for that, or wait for a node that has the other.',
  )
  await quotes.work({ b: { device: 'CUDA', speed: 10 } })
  const { status, nodes, unchecked } = await quotes.read(asked.quoteId)
  assert.deepEqual([status, nodes, unchecked], ['ready', 1, 1])
})

test('a node with a GPU is not asked what a scene for processors takes', async () => {
  const { quotes } = await setup(sceneOf({ fixedMs: 10, growingMs: 4_000 }))
  const asked = await quotes.ask(askOf(stepOf(4)))
  const granted = await quotes.work({ a: { device: 'CUDA', speed: 10 }, b: { device: 'CPU' } })
  const { status, referenceSeconds, nodes } = await quotes.read(asked.quoteId)
  assert.deepEqual([status, nodes, granted.length > 0], ['ready', 1, true])
  assertNear(referenceSeconds?.p50 ?? 0, 4 * 4.01, 0.05)
})

test('a scene that fails everywhere fails its quote, with the end of the log', async () => {
  const failure = {
    class: 'task',
    signature: 'texture',
    message: 'sky.hdr is missing.',
    tail: 'Error: sky.hdr',
  } as const
  const { quotes } = await setup(() => failure)
  const asked = await quotes.ask(askOf(stepOf(4)))
  await quotes.work({ a: {}, b: {} })
  const quote = await quotes.read(asked.quoteId)
  assert.equal(quote.status, 'failed')
  assert.match(quote.reason ?? '', /sky\.hdr is missing\.(.|\n)*Error: sky\.hdr/)
  assert.throws(() => quotes.plan(asked.quoteId), { code: 'conflict' })
  assert.deepEqual(
    [...quotes.floor.state.work.jobs.values()].map(({ status }) => status),
    ['cancelled'],
  )
})

test('what takes no frames is quoted at once, by what it says or what its kind usually takes', async () => {
  const { quotes } = await setup(sceneOf({ fixedMs: 10, growingMs: 100 }))
  const step = stepOf(0, {
    name: 'count',
    kind: 'command',
    tasks: [{ row: 1 }, { row: 2 }],
    estimateMs: 5_000,
  })
  const quote = await quotes.ask(askOf(step))
  assert.equal(quote.status, 'ready')
  assert.equal(quote.referenceSeconds?.p50, 10)
  assert.equal(quote.wallSeconds, null)
  assert.match(quote.reason ?? '', /No node would take step "count"/)
})

test('what can be no job is told before anything is run', async () => {
  const { quotes } = await setup(sceneOf({ fixedMs: 10, growingMs: 100 }))
  const video = {
    name: 'film',
    kind: 'ffmpeg' as const,
    dependsOn: ['frames'],
    takesResults: true,
    tasks: [{}],
  }
  const twice = [1, 1].map((frame) => ({ do: 'frame', frame }))
  const rows = [
    [askOf(stepOf(2), stepOf(2)), /another step has the same name/],
    [askOf(stepOf(2), stepOf(2, { name: 'Frames' })), /"Frames": step "frames" has the same name but for/],
    [
      askOf(stepOf(2, { name: 'nul' }), stepOf(2, { dependsOn: ['nul'], takesResults: true })),
      /takes the results of "nul", and no folder/,
    ],
    [
      askOf(
        stepOf(2),
        stepOf(1, { ...video, settings: { frames: 'frames/*.png', codec: 'h265', out: 'video.mp4' } }),
      ),
      /^Step "film": no video can be made by its settings: codec: /,
    ],
    [
      askOf(stepOf(2), stepOf(1, { ...video, settings: { frames: 'frames/*.png', out: 'video.webm' } })),
      /settings: out: expected the ending of the codec/,
    ],
    [askOf(stepOf(2, { dependsOn: ['later'] })), /"later", which is no earlier step/],
    [askOf(stepOf(2, { inputRoot: null })), /has no inputs/],
    [askOf(stepOf(2, { tasks: twice })), /tasks 0 and 1 have the same file to make/],
    [askOf(stepOf(2, { tasks: [{ frame: 1 }] })), /task 0 says neither what to do/],
    [askOf(stepOf(2, { takesResults: true })), /depends on no step/],
    [askOf(stepOf(1, { tasks: [{ do: 'frame', frame: 1, scale: 5 }] })), /a scale of 5/],
    [askOf(stepOf(1, { tasks: [{ do: 'range', frame: 1, samples: 0, sampleOffset: 0 }] })), /0 samples/],
    [
      askOf(stepOf(2, { tasks: [1, 2, 3, 4, 5].map((frame) => ({ do: 'frame', frame, samples: frame })) })),
      /5 different/,
    ],
  ] as const
  for (const [body, message] of rows)
    await assert.rejects(quotes.ask(body), { code: 'invalid_request', message })
  assert.equal(quotes.floor.state.work.jobs.size, 0)
})

test('an organisation is measured for four quotes at once and asks for sixty an hour', async () => {
  const { quotes } = await setup(sceneOf({ fixedMs: 10, growingMs: 100 }))
  const other = (samples: number) => askOf(stepOf(2, { settings: { file: 'scene.blend', samples } }))
  for (const samples of [1, 2, 3, 4]) await quotes.ask(other(samples))
  await assert.rejects(quotes.ask(other(5)), { code: 'rate_limited', message: /are being measured/ })
  await quotes.work()
  for (let asked = 4; asked < 60; asked++) await quotes.ask(other(1))
  await assert.rejects(quotes.ask(other(1)), { code: 'rate_limited', message: /60 quotes in the last hour/ })
})

test('quotes that nobody waits for make room for another, the oldest first', async () => {
  const { quotes } = await setup(sceneOf({ fixedMs: 10, growingMs: 100 }))
  const other = (samples: number) => askOf(stepOf(2, { settings: { file: 'scene.blend', samples } }))
  const asked = []
  for (const samples of [1, 2, 3, 4]) asked.push((await quotes.ask(other(samples))).quoteId)
  await quotes.floor.world.run(50_000)
  for (const quoteId of asked.slice(1)) await quotes.read(quoteId)
  await quotes.floor.world.run(15_000)
  assert.equal((await quotes.ask(other(5))).status, 'measuring')
  const { status, reason } = await quotes.read(asked[0] ?? '')
  assert.deepEqual([status, /a newer quote .* took its place/.test(reason ?? '')], ['failed', true])
  await assert.rejects(quotes.ask(other(6)), { code: 'rate_limited', message: /are being measured/ })
})

test('a probe that waits behind another task is not taken for a slow one, and one that runs long is', async () => {
  const { quotes } = await setup(sceneOf({ fixedMs: 10, growingMs: 100 }))
  const { floor } = quotes
  const held = (): readonly number[] => floor.state.work.nodes.get('a')?.held ?? []
  await floor.submit(planOf({ frames: 1 }))
  await floor.hello('a')
  await floor.beat('a')
  const [long = 0] = held()
  const { quoteId } = await quotes.ask(askOf(stepOf(2)))
  let worked = 0
  async function pass(minutes: number): Promise<void> {
    for (let ms = 0; ms < minutes * 60_000; ms += 5_000) {
      await floor.world.run(5_000)
      worked += 1e-4
      await floor.say('a', {
        kind: 'beat',
        held: held().map((fence, at) => ({ fence, fraction: at === 0 ? worked : 0 })),
        room: 2,
      })
    }
  }
  await pass(20)
  assert.deepEqual([held()[0], held().length], [long, 2])
  assert.equal((await quotes.read(quoteId)).status, 'measuring')
  await floor.finish('a', long)
  await pass(14)
  assert.equal((await quotes.read(quoteId)).status, 'measuring')
  await pass(2)
  const { status, reason } = await quotes.read(quoteId)
  assert.equal(status, 'failed')
  assert.match(reason ?? '', /took nodes longer than 15 min 0 s, with what they fetched/)
})

test('a quote is its organisation’s own, and is gone after an hour', async () => {
  const { quotes } = await setup(sceneOf({ fixedMs: 10, growingMs: 100 }))
  const { quoteId } = await quotes.ask(askOf(stepOf(2)))
  assert.deepEqual(quotes.desk.inputRootsOf(PAYER), [SCENE_ROOT])
  await assert.rejects(quotes.read(quoteId, 'org_stranger'), { code: 'not_found' })
  await quotes.floor.world.run(3_620_000)
  await assert.rejects(quotes.read(quoteId), { code: 'not_found' })
  assert.deepEqual(
    [...quotes.floor.state.work.jobs.values()].map(({ status }) => status),
    ['cancelled'],
  )
})

test('a coordinator that starts ends probes of quotes that nobody knows any more', async () => {
  const { quotes } = await setup(sceneOf({ fixedMs: 10, growingMs: 100 }))
  await quotes.ask(askOf(stepOf(2)))
  await quotes.restart()
  assert.deepEqual(
    [...quotes.floor.state.work.jobs.values()].map(({ status }) => status),
    ['cancelled'],
  )
})

test('tiers have their own price', async () => {
  const { quotes } = await setup(sceneOf({ fixedMs: 10, growingMs: 100 }))
  const step = stepOf(0, { kind: 'command', tasks: [{}] })
  const prices = []
  for (const tier of ['trusted', 'priority', 'economy'] as const)
    prices.push((await quotes.ask({ ...askOf(step), tier })).pricePerHour)
  assert.deepEqual(prices, [LIST_PRICE * 2n, LIST_PRICE, LIST_PRICE / 2n])
})

/** Of the task's own pixels or samples. */
const shareOf = ({ scale }: TaskParams): number => Number(scale ?? 1) ** 2

const sceneOf =
  ({ fixedMs, growingMs }: { fixedMs: number; growingMs: number }): Scene =>
  ({ params }) =>
    fixedMs + growingMs * shareOf(params)

function assertNear(actual: number, expected: number, part: number): void {
  assert(Math.abs(actual - expected) <= expected * part, `${actual} is not within ${part} of ${expected}`)
}

async function setup(scene: Scene) {
  const scales: string[] = []
  const quotes = await TestQuotes.open((grant, nodeId) => {
    scales.push(`${grant.params['frame']}@${grant.params['scale']}`)
    return scene(grant, nodeId)
  })
  return { quotes, scales }
}
