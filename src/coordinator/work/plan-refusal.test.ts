import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TASK_FILES_BYTES_MAX, TASK_FILES_MAX, TASK_OUTPUTS_MAX } from '#protocol/work-link.ts'
import { planOf, stepOf, TestFarm } from '#work/test-farm.ts'
import type { JobPlan } from '#work/work-events.ts'
import { namesTooLong, nameTaken, outputsMaxOf, planRefusal } from './plan-refusal.ts'

const film = stepOf({ name: 'film', digest: 'film', dependsOn: [0], takesResults: true })
const frames = (count: number) => stepOf({ name: 'frames', frames: count })
const submit = (part: Partial<JobPlan>) => planRefusal({ kind: 'submit', plan: planOf(part), nowMs: 1 })

test('a plan is refused for the first of what is wrong with it', () => {
  const tooMany = [frames(TASK_FILES_MAX + 1), film]
  assert.equal(submit({ cap: null, steps: tooMany }), 'cap_missing')
  assert.equal(submit({ cap: 1n, steps: tooMany }), 'files_too_many')
  assert.equal(submit({ cap: 1n, steps: [frames(TASK_FILES_MAX), film] }), null)
  assert.equal(submit({ cap: 1n, steps: [frames(TASK_FILES_MAX + 1)] }), null)
  // The network pays for its own.
  assert.equal(submit({ cap: null, purpose: 'audit' }), null)
  const cap = (cap: bigint | null) => planRefusal({ kind: 'set_cap', jobId: 'job_1', cap, nowMs: 1 })
  assert.deepEqual([cap(null), cap(1n)], ['cap_missing', null])
})

test('the results of two steps count together for one that takes both', () => {
  const two = [frames(6_000), stepOf({ name: 'more', digest: 'more', frames: 6_000 })]
  const both = stepOf({ name: 'film', digest: 'film', dependsOn: [0, 1], takesResults: true })
  assert.equal(submit({ cap: 1n, steps: [...two, both] }), 'files_too_many')
  assert.equal(submit({ cap: 1n, steps: [...two, { ...both, dependsOn: [0] }] }), null)
})

test('a task may make as many files as those who take them may have, and never more than a task may', () => {
  const most = (count: number, taker = film) => {
    const { work } = farmOf(frames(count), taker)
    return outputsMaxOf(work, { jobId: 'job_1', step: 0 })
  }
  assert.equal(most(3), TASK_OUTPUTS_MAX)
  assert.equal(most(4_000), 2)
  assert.equal(most(TASK_FILES_MAX), 1)
  assert.equal(most(4_000, { ...film, takesResults: false }), TASK_OUTPUTS_MAX)
})

test('names fit into a grant up to its very last byte, and one more is refused with what there is room for', () => {
  const { work } = farmOf(frames(4), film)
  const place = { jobId: 'job_1', step: 0, task: 0 }
  const room = Math.floor(TASK_FILES_BYTES_MAX / 4)
  // Beside its letters a file takes 160 bytes and the name of its step.
  const each = 160 + 'frames'.length
  const names = (bytes: number): string[] => {
    const count = Math.floor(bytes / 1_000)
    const last = bytes - (count - 1) * 1_000
    return Array.from({ length: count }, (_, at) => 'n'.repeat((at === count - 1 ? last : 1_000) - each))
  }
  assert.equal(namesTooLong(work, place, names(room)), null)
  const refusal = namesTooLong(work, place, names(room + 1)) ?? ''
  assert.match(
    refusal,
    new RegExp(`are too long.*: ${room + 1} bytes, and there is room for ${room}\\. Make fewer`),
  )
  // Letters beyond ASCII count as what they are on the wire.
  const wide = names(room).map((name) => name.replaceAll('n', 'é'))
  assert.match(namesTooLong(work, place, wide) ?? '', /are too long/)
})

test('names of which no later step is told may be as long as they are', () => {
  const { work } = farmOf(frames(4), { ...film, takesResults: false })
  const names = Array.from({ length: 10 }, () => 'n'.repeat(TASK_FILES_BYTES_MAX))
  assert.equal(namesTooLong(work, { jobId: 'job_1', step: 0, task: 0 }, names), null)
  assert.equal(namesTooLong(farmOf(frames(4), film).work, { jobId: 'job_1', step: 1, task: 0 }, names), null)
})

test('a name that another task of the step used is named, where somebody takes both', () => {
  const farm = farmOf(frames(2), film)
  farm.seat('a')
  farm.pull('a')
  farm.finish('a')
  const taken = (task: number) => nameTaken(farm.work, { jobId: 'job_1', step: 0, task }, ['frame.png'])
  const done = farm.job().steps[0]?.tasks.findIndex(({ state }) => state === 'done') ?? -1
  assert.equal(taken(done), null)
  assert.equal(
    taken(1 - done),
    `Its file 'frame.png' has the name of one that task ${done} of its step made.`,
  )
})

test('nor may a file be the same but for capitals, or a folder of another: nobody could have both', () => {
  const clash = (made: string, names: readonly string[]) => {
    const farm = farmOf(frames(2), film)
    farm.seat('a')
    farm.pull('a')
    const [fence = 0] = farm.held('a')
    const outputs = [{ name: made, bytes: 1, sha256: 'a'.repeat(64) }]
    const nowMs = farm.nowMs
    assert.equal(farm.say({ kind: 'commit', fence, nodeId: 'a', outputs, wallMs: 1, nowMs }), null)
    assert.equal(farm.deliver('a', fence), null)
    const done = farm.job().steps[0]?.tasks.findIndex(({ state }) => state === 'done') ?? -1
    return nameTaken(farm.work, { jobId: 'job_1', step: 0, task: 1 - done }, names)
  }
  const rows: [made: string, name: string][] = [
    ['frame.png', 'Frame.PNG'],
    ['caf\u00e9', 'CAFE\u0301'],
    ['a', 'A/b'],
    ['a/b/c', 'a/B'],
    ['a/b', 'A'],
  ]
  for (const [made, name] of rows)
    assert.match(
      clash(made, ['other', name]) ?? '',
      new RegExp(`^Its file '${name}' and '${made}', which task`),
    )
  for (const name of ['ab', 'a/c', 'b/a/b', 'a/bc']) assert.equal(clash('a/b', [name]), null, name)
})

function farmOf(...steps: JobPlan['steps']): TestFarm {
  const farm = new TestFarm()
  farm.submit(planOf({ steps }))
  return farm
}
