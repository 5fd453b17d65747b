import assert from 'node:assert/strict'
import { test } from 'node:test'
import { survival } from '#kernel/survival.ts'
import { HOUR_MS } from '#kernel/time.ts'
import { serveWaiting } from './desk.ts'
import type { NodeFacts } from './floor.ts'
import { planOf, stepOf, TestFarm } from './test-farm.ts'
import { whyTask } from './why.ts'

test('the chance to survive follows the published figures: a fresh machine leaves sooner than an old one', () => {
  const known = [
    [0, 24, 0.69],
    [24, 24, 0.79],
    [7 * 24, 24, 0.87],
    [0, 1, 0.96],
    [24, 1, 0.99],
  ] as const
  for (const [upHours, hours, chance] of known) {
    const found = survival(upHours * HOUR_MS, hours * HOUR_MS)
    assert.ok(Math.abs(found - chance) < 0.01, `up ${upHours} h, for ${hours} h: ${found}`)
  }
})

const better: readonly (readonly [what: string, facts: Partial<NodeFacts>, worse: Partial<NodeFacts>])[] = [
  ['the quicker', { speed: 2 }, { speed: 1 }],
  ['the cheaper', { askPerHour: 1_000n }, { askPerHour: 2_000n }],
  ['the one that is up for longer', { upSinceMs: -1_000 * HOUR_MS }, { upSinceMs: 1_000_000 }],
  ['the one that is not larger than it needs to be', { memoryMib: 1_000 }, { memoryMib: 64_000 }],
]
for (const [what, facts, worse] of better) {
  test(`of two nodes that wait, ${what} is given the only task`, () => {
    const farm = new TestFarm()
    farm.seat('a', worse)
    farm.seat('b', facts)
    assert.equal(firstGiven(farm, planOf({ frames: 1, referenceMs: 3_600_000 })), 'b')
  })
}

test('of two nodes that wait, the one that has the inputs is given the only task', () => {
  const farm = new TestFarm()
  farm.seat('a', {}, [])
  farm.seat('b', {}, ['root'])
  assert.equal(firstGiven(farm, planOf({ steps: [stepOf({ inputBytes: 100_000_000 })] })), 'b')
})

test('a node keeps to the job whose inputs it has, where both are as important', () => {
  const farm = new TestFarm()
  const heavy = { inputBytes: 100_000_000, frames: 4 }
  farm.submit(planOf({ steps: [stepOf({ ...heavy, inputRoot: 'one', digest: 'one' })] }))
  farm.submit(planOf({ jobId: 'job_2', steps: [stepOf({ ...heavy, inputRoot: 'two', digest: 'two' })] }))
  farm.seat('a', {}, ['two'])
  farm.pull('a')
  const jobs = farm.held('a').map((fence) => farm.work.attempts.get(fence)?.jobId)
  assert.deepEqual(jobs, ['job_2', 'job_2'])
})

test('a task that no node is given says how many nodes each condition keeps from it', () => {
  const farm = new TestFarm()
  farm.seat('other', { kinds: ['ffmpeg'] })
  farm.seat('small', { memoryMib: 10 })
  farm.seat('dear', { askPerHour: 10n ** 15n })
  farm.seat('good')
  const step = stepOf({ requirements: { kind: 'blender', memoryMib: 1_000, vramMib: 0 } })
  farm.submit(planOf({ steps: [step] }))
  const why = () => whyTask(farm.desk, farm.job(), { step: 0, task: 0, nowMs: farm.nowMs })
  assert.deepEqual(why(), {
    state: 'ready',
    job: null,
    barred: { kind_missing: 1, memory_short: 1, price_low: 1 },
    open: 1,
    busy: 0,
    nodeIds: [],
  })
  farm.pull('good')
  assert.deepEqual([why().state, why().nodeIds, why().busy], ['leased', ['good'], 1])
})

const devices: readonly (readonly [asked: string | undefined, has: string | undefined, isGiven: boolean])[] =
  [
    [undefined, undefined, true],
    [undefined, 'CPU', true],
    ['CPU', 'CUDA', false],
    [undefined, 'CUDA', false],
    ['CUDA', 'CUDA', true],
    ['CUDA', 'CPU', false],
    ['CUDA', undefined, false],
    ['OPTIX', 'CUDA', false],
  ]
for (const [asked, has, isGiven] of devices) {
  test(`a scene for ${asked ?? 'no device'} is ${isGiven ? '' : 'not '}given to a node that renders on ${has ?? 'what it does not say'}`, () => {
    const farm = new TestFarm()
    farm.seat('a', { device: has })
    farm.submit(planOf({ steps: [stepOf({ settings: asked === undefined ? {} : { device: asked } })] }))
    farm.pull('a')
    const { barred } = whyTask(farm.desk, farm.job(), { step: 0, task: 0, nowMs: farm.nowMs })
    assert.deepEqual([farm.held('a').length, barred], isGiven ? [1, {}] : [0, { device_other: 1 }])
  })
}

test('a card of which nobody can tell the memory is given what asks for memory, and a smaller one is not', () => {
  const farm = new TestFarm()
  const requirements = { kind: 'blender', memoryMib: 1_000, vramMib: 6_000 }
  farm.submit(planOf({ steps: [stepOf({ frames: 4, settings: { device: 'METAL' }, requirements })] }))
  farm.seat('small', { device: 'METAL', vramMib: 4_000 })
  farm.seat('unknown', { device: 'METAL', vramMib: 0 })
  farm.pull('small')
  farm.pull('unknown')
  assert.deepEqual([farm.held('small').length, farm.held('unknown').length > 0], [0, true])
})

test('what is not rendered counts at the speed of the processor beside a GPU, and is asked for at its price', () => {
  const farm = new TestFarm()
  const cpu = { speed: 0.5, askPerHour: 2_000_000n }
  farm.seat('a', { kinds: ['blender', 'ffmpeg'], device: 'CUDA', speed: 20, askPerHour: 50_000n, cpu })
  const requirements = { kind: 'ffmpeg', memoryMib: 100, vramMib: 0 }
  const video = stepOf({ requirements, digest: 'video', referenceMs: 60_000 })
  farm.submit(planOf({ steps: [video], pricePerHour: 1_000_000n }))
  farm.pull('a')
  assert.deepEqual(whyTask(farm.desk, farm.job(), { step: 0, task: 0, nowMs: farm.nowMs }).barred, {
    price_low: 1,
  })
  farm.submit(planOf({ jobId: 'job_2', steps: [video], pricePerHour: 3_600_000n }))
  farm.pull('a')
  const [fence = 0] = farm.held('a')
  assert.deepEqual(farm.work.attempts.get(fence)?.speed, 0.5)
  farm.nowMs += 60_000
  const outputs = [{ name: 'video.mp4', bytes: 1, sha256: 'a'.repeat(64) }]
  farm.say({ kind: 'commit', fence, nodeId: 'a', outputs, wallMs: 60_000, nowMs: farm.nowMs })
  assert.equal(farm.job('job_2').steps[0]?.tasks[0]?.result?.referenceMs, 30_000)
})

/** Both wait, and then there is one task. */
function firstGiven(farm: TestFarm, plan: ReturnType<typeof planOf>): string | undefined {
  farm.pull('a')
  farm.pull('b')
  farm.submit({ ...plan, pricePerHour: 10n ** 12n })
  serveWaiting(farm.desk, farm.nowMs)
  return [...farm.work.attempts.values()][0]?.nodeId
}

test('a node that its owner keeps is not free for a task, and for a moment of full hands it is', () => {
  const farm = new TestFarm()
  farm.submit(planOf({ frames: 1 }))
  farm.seat('kept')
  const why = () => whyTask(farm.desk, farm.job(), { step: 0, task: 0, nowMs: farm.nowMs })
  farm.desk.floor.noteRoom('kept', false, farm.nowMs)
  assert.deepEqual([why().open, why().barred], [1, {}])
  for (let second = 0; second < 4; second++) {
    farm.nowMs += 1_000
    farm.desk.floor.hear('kept', [], farm.nowMs)
    farm.desk.floor.noteRoom('kept', false, farm.nowMs)
  }
  assert.deepEqual([why().open, why().barred], [0, { resting: 1 }])
  farm.desk.floor.noteRoom('kept', true, farm.nowMs)
  assert.deepEqual([why().open, why().barred], [1, {}])
})
