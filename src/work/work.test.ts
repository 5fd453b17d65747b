import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TaskFailure } from '#protocol/task-failure.ts'
import { crash, planOf, stepOf, TestFarm } from './test-farm.ts'

test('a node has the task that it runs and the next, and no third', () => {
  const farm = setup({ frames: 10 })
  assert.deepEqual(farm.pull('a'), [0, 9])
  assert.deepEqual(farm.pull('a'), [0, 9])
  farm.finish('a')
  assert.deepEqual(farm.pull('a'), [9, 4])
})

test('jobs that a node may have nothing of do not keep it from those behind them', () => {
  const farm = setup({ frames: 10 })
  const audit = stepOf({ notOfOrganisations: ['org_a'] })
  for (let at = 0; at < 100; at++) {
    const jobId = `audit_${at}`
    farm.submit(planOf({ jobId, purpose: 'audit', priority: 100, steps: [audit] }))
  }
  farm.seat('a', { organisationId: 'org_a' })
  assert.deepEqual(farm.pull('a'), [0, 9])
})

test('the first commit wins, the other copy ends, and what it says then is stale', () => {
  const farm = setup({ frames: 1 })
  farm.pull('a')
  farm.pass(3_500, ['b'])
  assert.deepEqual(farm.pull('b'), [0])
  const [first = 0] = farm.held('a')
  const [copy = 0] = farm.held('b')
  assert.equal(farm.commit('b'), null)
  assert.equal(farm.commit('a', first), 'fence_stale')
  assert.equal(farm.deliver('b', copy), null)
  assert.equal(farm.deliver('a', first), 'fence_stale')
  assert.equal(farm.job().status, 'completed')
  assert.equal(farm.job().spent, 1_000n)
})

test('no copy is given of what was committed after all', () => {
  const farm = setup({ frames: 1 }, ['a'])
  farm.pull('a')
  farm.pass(3_500, [])
  assert.deepEqual(farm.job().steps[0]?.wanted, [0])
  assert.equal(farm.commit('a'), null)
  farm.seat('b')
  assert.deepEqual(farm.pull('b'), [])
})

test('nobody speaks for another’s fence, nor for one that never was', () => {
  const farm = setup({})
  farm.pull('a')
  const [fence = 0] = farm.held('a')
  assert.equal(farm.commit('b', fence), 'fence_stale')
  assert.equal(farm.commit('a', 99), 'fence_stale')
  assert.equal(farm.deliver('a', fence), 'not_committed')
})

test('a commit that is said twice happens once, and one that says something else is refused', () => {
  const farm = setup({})
  farm.pull('a')
  const [fence = 0] = farm.held('a')
  assert.equal(farm.commit('a', fence), null)
  const before = farm.events.length
  assert.equal(farm.commit('a', fence), null)
  assert.equal(farm.events.length, before)
  assert.equal(farm.commit('a', fence, 'b'.repeat(64)), 'commit_differs')
})

test('a silent node’s task is given on after 3 s, and is lost after 15', () => {
  const farm = setup({ frames: 2 })
  farm.pull('a')
  farm.pass(3_250, ['b'])
  // What it had not begun is just moved, what it ran is raced.
  assert.deepEqual(farm.pull('b'), [0, 1])
  assert.equal(farm.task(0).fences.length, 2)
  farm.pass(12_000, ['b'])
  assert.equal(farm.task(0).fences.length, 1)
  assert.equal(farm.work.nodes.get('a')?.lost, 1)
})

test('after a restart an attempt that nobody mentions is lost after 30 s, and not before', () => {
  const farm = setup({ frames: 1, isIdempotent: false })
  farm.pull('a')
  farm.pass(5_000, ['a', 'b'])
  farm.restart()
  farm.pass(29_750, [])
  assert.equal(farm.task(0).state, 'leased')
  farm.pass(250, [])
  assert.equal(farm.task(0).state, 'ready')
})

test('after a restart an attempt that nobody has mentioned yet does not stand still before its node is given up', () => {
  const farm = setup({ frames: 1 })
  const [fence = 0] = farm.pull('a')
  const startedAtMs = farm.nowMs
  farm.pass(5_000, ['a', 'b'])
  farm.restart()
  assert.equal(farm.desk.floor.stillSinceMs(fence, startedAtMs), farm.nowMs + 30_000)
  assert.equal(
    farm.desk.floor.stillSinceMs(fence + 1, farm.nowMs + 1),
    farm.nowMs + 1,
    'one that begins after it',
  )
})

test('the first node back after a restart does not pause a job that it failed: others may be on their way', () => {
  const farm = setup({ frames: 1 }, ['a', 'b'])
  farm.pull('a')
  farm.fail('a')
  farm.pass(1_000, ['a', 'b'])
  farm.restart()
  farm.seat('a')
  farm.pass(29_750, ['a'])
  assert.equal(farm.job().pause, null)
  farm.pass(250, ['a'])
  assert.equal(farm.job().pause?.reason, 'no_node_left')
})

test('after a restart a node that mentions its attempt keeps it', () => {
  const farm = setup({ frames: 1 })
  farm.pull('a')
  farm.restart()
  farm.seat('a')
  farm.pass(40_000, ['a'])
  assert.equal(farm.commit('a'), null)
})

test('a node that lives and does not have what it was given is given nothing for long', () => {
  const farm = setup({ frames: 1, isIdempotent: false })
  farm.pull('a')
  const [fence = 0] = farm.held('a')
  farm.nowMs += 3_000
  farm.desk.floor.hear('a', [], farm.nowMs)
  farm.say({ kind: 'review', nowMs: farm.nowMs })
  assert.deepEqual(farm.events.at(-1), {
    type: 'work.attempt_ended',
    fence,
    how: 'forgotten',
    atMs: farm.nowMs,
  })
})

test('an infrastructure failure never counts against job or task', () => {
  const farm = setup({ frames: 1 })
  for (let time = 0; time < 10; time++) {
    assert.deepEqual(farm.pull('a'), [0])
    farm.fail('a', { ...crash, class: 'infrastructure' })
  }
  assert.equal(farm.job().status, 'active')
  assert.deepEqual(farm.task(0).failedNodes, [])
})

test('a node that failed a task gets it no more, and after three nothing of the job', () => {
  const farm = setup({ frames: 10 }, ['a', 'b'])
  for (const time of [1, 2, 3]) {
    const [task = -1] = farm.pull('a')
    farm.fail('a', { ...crash, class: 'node', signature: `out of memory ${time}` })
    assert.deepEqual(farm.task(task).failedNodes, ['a'])
    assert.ok(!farm.pull('a').includes(task))
  }
  assert.equal(farm.job().failures.get('a')?.count, 3)
  const [fence = 0] = farm.held('a')
  assert.equal(farm.commit('a', fence), null)
  farm.deliver('a', fence)
  assert.deepEqual(farm.pull('a'), [])
  assert.equal(farm.pull('b').length, 2)
})

test('the same error on three nodes pauses the job with the end of the log, and resuming tries the task again', () => {
  const farm = setup({ frames: 1 }, ['a', 'b', 'c', 'd'])
  for (const nodeId of ['a', 'b', 'c']) {
    assert.deepEqual(farm.pull(nodeId), [0])
    farm.fail(nodeId)
  }
  assert.equal(farm.job().pause?.reason, 'same_error')
  assert.match(
    farm.job().pause?.detail ?? '',
    /^Frame 1 failed: Blender ended with signal 11\. The same error came from a, b and c\..*BVH build… signal 11/s,
  )
  assert.equal(farm.task(0).state, 'failed')
  assert.deepEqual(farm.pull('d'), [])
  farm.say({ kind: 'resume', jobId: 'job_1', nowMs: farm.nowMs })
  assert.deepEqual(farm.pull('a'), [0])
})

test('where every node that there is failed the task, the job pauses before the third', () => {
  const farm = setup({ frames: 1 }, ['a', 'b'])
  for (const nodeId of ['a', 'b']) {
    farm.pull(nodeId)
    farm.fail(nodeId)
  }
  assert.equal(farm.job().pause?.reason, 'no_node_left')
})

test('a job that pauses over a frame names it, its nodes and the last lines of the log, and what to do next', () => {
  const farm = setup({ frames: 1 }, ['a', 'b'])
  const tail = Array.from({ length: 20 }, (_, line) => `line ${line}`).join('\r\n')
  const failure: TaskFailure = {
    ...{ class: 'task', signature: 'x', message: 'frame 1 crashed Blender (SIGSEGV): look at it.', tail },
  }
  for (const nodeId of ['a', 'b']) {
    farm.pull(nodeId)
    farm.fail(nodeId, failure)
  }
  const { detail = '' } = farm.job().pause ?? {}
  assert.match(
    detail,
    /^Frame 1 crashed Blender \(SIGSEGV\): look at it\. It was tried by a and b, and no other/,
  )
  assert.match(detail, /log:\n {2}line 12\n(?: {2}line \d+\n){6} {2}line 19\n/)
  assert.match(detail, /\n[^\n]*shoal job resume job_1[^\n]*shoal job cancel job_1[^\n]*$/)
  // A mended scene has other inputs: of the old job's frames none is the same task.
  assert.match(
    detail,
    /it is a new job: [^\n]*"shoal job fetch job_1" gets it\), then submit what is left\.$/,
  )
})

test('no task begins that might go over the cap; the job says so, and a higher cap lets it go on', () => {
  const farm = setup({ frames: 4, cap: 2_700n })
  // 1,300 are set aside for each, and a third would not fit.
  assert.equal(farm.pull('a').length, 2)
  assert.deepEqual([farm.job().reserved, farm.held('b').length], [2_600n, 0])
  farm.nowMs += 1_000
  farm.finish('a')
  assert.deepEqual([farm.job().spent, farm.pull('a').length], [1_000n, 1])
  farm.finish('a')
  farm.pass(250, ['a', 'b'])
  assert.equal(farm.job().pause?.reason, 'cap_reached')
  assert.equal(farm.job().spent, 2_000n)
  farm.say({ kind: 'set_cap', jobId: 'job_1', cap: 10_000n, nowMs: farm.nowMs })
  assert.equal(farm.job().status, 'active')
  assert.equal(farm.pull('a').length, 2)
})

test('what a node claims for its time is bounded by the clock and by what was set aside', () => {
  const farm = setup({ frames: 1 })
  farm.pull('a')
  farm.nowMs += 60_000
  const [fence = 0] = farm.held('a')
  const outputs = [{ name: 'x', bytes: 1, sha256: 'a'.repeat(64) }]
  farm.say({ kind: 'commit', fence, nodeId: 'a', outputs, wallMs: 10 ** 9, nowMs: farm.nowMs })
  farm.deliver('a', fence)
  assert.equal(farm.job().spent, 1_300n)
})

test('what was measured for the quote costs what was quoted, however long its node takes', () => {
  const quick = { params: { frame: 1 }, referenceMs: 1_000, referenceMsP90: 1_300, isPriceFixed: true }
  for (const wallMs of [1, 60_000]) {
    const farm = setup({ steps: [stepOf({ tasks: [quick] })] })
    farm.pull('a')
    farm.nowMs += 60_000
    const [fence = 0] = farm.held('a')
    const outputs = [{ name: 'x', bytes: 1, sha256: 'a'.repeat(64) }]
    farm.say({ kind: 'commit', fence, nodeId: 'a', outputs, wallMs, nowMs: farm.nowMs })
    assert.equal(farm.job().reserved, 1_000n)
    farm.deliver('a', fence)
    assert.equal(farm.job().spent, 1_000n)
  }
})

test('what waits behind another’s work goes to a node that has nothing to do', () => {
  const farm = setup({ frames: 2 })
  assert.deepEqual(farm.pull('a'), [0, 1])
  assert.deepEqual(farm.pull('b'), [1])
  assert.deepEqual(farm.pull('a'), [0])
  assert.equal(farm.job().extraMs, 0)
})

test('at the end a straggler is raced, once, and only within what may be done twice', () => {
  const farm = setup({ frames: 1, referenceMs: 1_000 }, ['slow', 'fast', 'third'])
  farm.pull('slow')
  farm.pass(1_000, ['slow', 'fast', 'third'])
  assert.deepEqual(farm.pull('fast'), [])
  farm.pass(1_000, ['slow', 'fast', 'third'])
  const copies = farm.events.filter((event) => event.type === 'work.granted' && event.isCopy)
  assert.equal(copies.length, 1)
  assert.equal(farm.task(0).fences.length, 2)
  assert.equal(farm.job().copiesMs, 1_000)
})

test('what is not idempotent is never run twice at once', () => {
  const farm = setup({ frames: 1, isIdempotent: false })
  farm.pull('a')
  farm.pass(10_000, ['b'])
  assert.deepEqual(farm.pull('b'), [])
})

test('a pause lets what runs come to its end and takes back what was not begun', () => {
  const farm = setup({ frames: 4 })
  farm.pull('a')
  farm.say({ kind: 'pause', jobId: 'job_1', nowMs: farm.nowMs })
  assert.deepEqual(farm.pull('a'), [0])
  farm.finish('a')
  assert.deepEqual(farm.pull('a'), [])
  farm.say({ kind: 'resume', jobId: 'job_1', nowMs: farm.nowMs })
  assert.equal(farm.pull('a').length, 2)
})

test('a cancel ends what runs, unpaid, and pays what was delivered and waits for its verdict', () => {
  const farm = setup({ frames: 4, isVerified: true })
  farm.pull('a')
  farm.nowMs += 1_000
  farm.finish('a')
  assert.equal(farm.task(0).state, 'verifying')
  farm.say({ kind: 'cancel', jobId: 'job_1', nowMs: farm.nowMs })
  const states = farm.job().steps[0]?.tasks.map(({ state }) => state)
  assert.deepEqual(states, ['done', 'cancelled', 'cancelled', 'cancelled'])
  assert.deepEqual([farm.job().spent, farm.job().reserved], [1_000n, 0n])
  assert.equal(farm.say({ kind: 'cancel', jobId: 'job_1', nowMs: farm.nowMs }), null)
  assert.equal(farm.say({ kind: 'resume', jobId: 'job_1', nowMs: farm.nowMs }), 'job_over')
})

test('a step waits for the steps that it depends on', () => {
  const farm = new TestFarm()
  const video = stepOf({ name: 'video', digest: 'video', dependsOn: [0] })
  farm.submit(planOf({ steps: [stepOf({ frames: 2 }), video] }))
  farm.seat('a')
  assert.deepEqual(farm.pull('a'), [0, 1])
  assert.equal(farm.task(0, 1).state, 'blocked')
  farm.finish('a')
  farm.finish('a')
  farm.pull('a')
  assert.equal(farm.task(0, 1).state, 'leased')
})

test('a condemned node’s unchecked frames are rendered again, unpaid, and what was made of them as well', () => {
  const farm = new TestFarm()
  const video = stepOf({ name: 'video', digest: 'video', dependsOn: [0] })
  farm.submit(planOf({ isVerified: true, steps: [stepOf({ frames: 2 }), video] }))
  farm.seat('liar')
  farm.pull('liar')
  farm.nowMs += 1_000
  farm.finish('liar')
  farm.nowMs += 1_000
  farm.finish('liar')
  const judge = { kind: 'judge', jobId: 'job_1', step: 0, isGood: true, nowMs: farm.nowMs } as const
  farm.say({ ...judge, task: 0, isChecked: true })
  farm.say({ ...judge, task: 1, isChecked: false })
  farm.seat('b')
  farm.pull('b')
  assert.equal(farm.task(0, 1).state, 'leased')
  assert.equal(farm.job().spent, 2_000n)
  farm.say({ kind: 'condemn', jobId: 'job_1', nodeId: 'liar', nowMs: farm.nowMs })
  assert.deepEqual(
    [farm.task(0).state, farm.task(1).state, farm.task(0, 1).state],
    ['done', 'ready', 'blocked'],
  )
  assert.equal(farm.job().spent, 1_000n)
  assert.deepEqual(farm.pull('liar'), [])
  assert.deepEqual(farm.pull('b'), [1])
})

test('a verdict on what counts already pays nothing more; a bad one takes it back', () => {
  const farm = setup({ frames: 2, isVerified: true })
  farm.pull('a')
  farm.nowMs += 1_000
  farm.finish('a')
  const judge = { kind: 'judge', jobId: 'job_1', step: 0, task: 0, nowMs: farm.nowMs } as const
  farm.say({ ...judge, isGood: true, isChecked: false })
  farm.say({ ...judge, isGood: true, isChecked: true })
  assert.deepEqual([farm.job().spent, farm.job().tasksOpen], [1_000n, 1])
  farm.say({ ...judge, isGood: false, isChecked: true })
  assert.deepEqual([farm.job().spent, farm.job().tasksOpen], [0n, 2])
  assert.deepEqual(farm.task(0).failedNodes, ['a'])
})

test('the very same task is made once: a second job takes the result over, and pays nothing for it', () => {
  const farm = setup({ frames: 2 })
  farm.pull('a')
  farm.nowMs += 1_000
  farm.finish('a')
  farm.submit(planOf({ jobId: 'job_2', frames: 3 }))
  assert.deepEqual(
    farm.job('job_2').steps[0]?.tasks.map(({ state }) => state),
    ['done', 'ready', 'ready'],
  )
  assert.equal(farm.job('job_2').spent, 0n)
  farm.submit(planOf({ jobId: 'job_3', organisationId: 'org_2', frames: 1 }))
  assert.equal(farm.job('job_3').status, 'active')
})

test('the job of the higher priority is first, whatever came before', () => {
  const farm = setup({ frames: 4, priority: 10 })
  farm.submit(planOf({ jobId: 'job_2', priority: 60, steps: [stepOf({ frames: 1, digest: 'other' })] }))
  farm.pull('a')
  const jobs = farm.held('a').map((fence) => farm.work.attempts.get(fence)?.jobId)
  assert.deepEqual(jobs, ['job_2', 'job_1'])
})

function setup(part: Parameters<typeof planOf>[0], nodes: readonly string[] = ['a', 'b']): TestFarm {
  const farm = new TestFarm()
  for (const nodeId of nodes) farm.seat(nodeId)
  farm.submit(planOf(part))
  return farm
}
