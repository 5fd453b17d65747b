/** The loop of a node that works off tasks, on a virtual clock: every line lost, doubled or late. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import { grant, setupWorker } from './test-task-worker.ts'

test('it says who it is, and then every second what it has', async () => {
  const { worker, said, run, connect } = setupWorker()
  connect()
  await run(2_600)
  assert.deepEqual(
    said.map(({ kind }) => kind),
    ['hello', 'beat', 'beat', 'beat'],
  )
  worker.receive({ kind: 'who' })
  assert.deepEqual(
    said.slice(4).map(({ kind }) => kind),
    ['hello', 'beat'],
  )
})

test('a task runs, is committed, sent once that is answered, and delivered', async () => {
  const { give, answer, told, run, connect, sent, dropped } = setupWorker()
  connect()
  give(1)
  await run(1_100)
  assert.deepEqual(told(), ['commit 1'])
  assert.deepEqual(sent, [], 'nothing travels before its hash is known')
  answer('commit', 1)
  await run(10)
  assert.deepEqual([sent, told()], [['/out/1'], ['commit 1', 'deliver 1']])
  answer('deliver', 1)
  await run(2_000)
  assert.deepEqual([told(), dropped], [['commit 1', 'deliver 1'], ['/out/1']])
})

test('while one runs the inputs of the next are there, and it begins as the first ends', async () => {
  const { give, run, connect, obtained, began } = setupWorker()
  connect()
  give(1)
  give(2)
  await run(500)
  assert.deepEqual([obtained, began], [[1, 2], [1]])
  await run(502)
  assert.deepEqual(began, [1, 2])
})

test('whoever meters the machine hears whether a task ran since it last asked', async () => {
  const { worker, give, run, connect } = setupWorker()
  connect()
  assert.equal(worker.wasAtWork(), false)
  give(1)
  await run(500)
  assert.deepEqual([worker.wasAtWork(), worker.wasAtWork()], [true, true])
  await run(1_100)
  assert.deepEqual([worker.wasAtWork(), worker.wasAtWork()], [true, false])
})

test('what is not answered is said again, and no answer is taken twice', async () => {
  const { give, answer, told, run, connect } = setupWorker()
  connect()
  give(1)
  await run(6_100)
  assert.ok(told().length >= 3 && told().every((word) => word === 'commit 1'), told().join())
  answer('commit', 1)
  answer('commit', 1)
  await run(10)
  assert.equal(told().filter((word) => word === 'deliver 1').length, 1)
})

test('a grant that comes twice, late or after its cancel changes nothing', async () => {
  const { worker, give, answer, run, connect, began } = setupWorker()
  connect()
  worker.receive({ kind: 'cancel', fence: 3 })
  give(1)
  give(1)
  give(3)
  await run(1_100)
  answer('commit', 1)
  await run(10)
  answer('deliver', 1)
  give(1)
  await run(3_000)
  assert.deepEqual([began, worker.count()], [[1], 0])
})

test('a cancel ends the work at once, and the next begins', async () => {
  const { worker, give, told, run, connect, began, aborted } = setupWorker()
  connect()
  give(1)
  give(2)
  await run(100)
  worker.receive({ kind: 'cancel', fence: 1 })
  await run(1)
  assert.deepEqual([aborted, began], [[1], [1, 2]])
  await run(1_100)
  assert.deepEqual(told(), ['commit 2'])
})

test('without a connection it goes on, and says all of it when it is back', async () => {
  const { worker, give, said, told, run, connect } = setupWorker()
  connect()
  give(1)
  await run(100)
  worker.disconnected()
  await run(5_000)
  assert.deepEqual(told(), [])
  said.length = 0
  connect()
  assert.deepEqual(
    said.map(({ kind }) => kind),
    ['hello', 'beat', 'commit'],
  )
  assert.deepEqual(said.find((say) => say.kind === 'beat')?.held, [{ fence: 1, fraction: 1 }])
})

test('a refused commit drops the attempt, and nothing of it is sent', async () => {
  const { worker, give, answer, run, connect, sent } = setupWorker()
  connect()
  give(1)
  await run(1_100)
  answer('commit', 1, 'fence_stale')
  await run(10)
  assert.deepEqual([sent, worker.count()], [[], 0])
})

test('a failure says whose fault it was, until somebody heard it', async () => {
  const { worker, give, answer, told, said, run, connect } = setupWorker({
    work: () =>
      Promise.reject(
        failureProblem('task', 'engine_failed', 'frame 12: Blender crashed (SIGSEGV).', { tail: 'at 0x7f' }),
      ),
  })
  connect()
  give(1)
  await run(4_000)
  const [fail] = said.filter((say) => say.kind === 'fail')
  assert.deepEqual(fail?.failure, {
    class: 'task',
    signature: 'engine_failed: frame #: Blender crashed (SIGSEGV).',
    message: 'frame 12: Blender crashed (SIGSEGV).',
    tail: 'at 0x7f',
  })
  assert.ok(told().length >= 2)
  answer('fail', 1)
  assert.equal(worker.count(), 0)
})

test('what passes by itself is tried again, and what does not is told', async () => {
  let tries = 0
  const { give, answer, told, said, run, connect } = setupWorker({
    async send() {
      if (++tries < 4) throw new Problem('network_unreachable', 'away')
      throw new Problem('storage_limited', 'The organisation has no room for more.')
    },
  })
  connect()
  give(1)
  await run(1_100)
  answer('commit', 1)
  await run(10_000)
  const fail = said.find((say) => say.kind === 'fail')
  assert.deepEqual([tries, told().at(-1), fail?.failure.class], [4, 'fail 1', 'task'])
})

test('paused it takes nothing, gives back what it has not begun, and ends what runs', async () => {
  const { worker, give, told, said, run, connect } = setupWorker()
  connect()
  give(1)
  give(2)
  await run(100)
  worker.pause('owner', 'finish')
  give(3)
  await run(950)
  assert.deepEqual(told().sort(), ['commit 1', 'fail 2', 'fail 3'])
  assert.equal(said.findLast((say) => say.kind === 'beat')?.room, 0)
  worker.resume('owner')
  assert.equal(said.findLast((say) => say.kind === 'beat')?.room, 2)
})

test('an owner who wants the machine at once gets it: what runs goes back too', async () => {
  const { worker, give, told, said, run, connect, aborted } = setupWorker()
  connect()
  give(1)
  await run(100)
  worker.pause('owner', 'give_back')
  await run(1)
  assert.deepEqual([told(), aborted], [['fail 1'], [1]])
  assert.equal(said.find((say) => say.kind === 'fail')?.failure.class, 'infrastructure')
})

test('a node that leaves ends what it can in time, and gives the rest back', async () => {
  const { worker, give, answer, told, run, connect } = setupWorker()
  connect()
  give(1)
  give(2)
  await run(400)
  let isIdle = false
  worker.leave(2_000)
  worker.onIdle(() => {
    isIdle = true
  })
  assert.deepEqual(told(), ['fail 2'])
  answer('fail', 2)
  await run(700)
  answer('commit', 1)
  await run(1)
  answer('deliver', 1)
  assert.equal(isIdle, true)
  const late = setupWorker()
  late.connect()
  late.give(1)
  await late.run(100)
  late.worker.leave(500)
  assert.deepEqual(late.told(), ['fail 1'])
})

test('a task for an engine that is not here fails plainly, and its node is not asked again', async () => {
  const { give, said, run, connect } = setupWorker()
  connect()
  give(1, { engine: 'ffmpeg' })
  await run(10)
  const fail = said.find((say) => say.kind === 'fail')
  assert.equal(fail?.failure.class, 'node')
  assert.match(fail?.failure.message ?? '', /no engine for tasks of kind ffmpeg/)
})

test('a scene stays open for its next task, and makes room for another one', async () => {
  const { give, answer, run, connect, sessions } = setupWorker()
  connect()
  for (const [fence, tree] of [
    [1, 'a'],
    [2, 'a'],
    [3, 'b'],
  ] as const) {
    give(fence, { inputRoot: tree.repeat(64) })
    await run(1_100)
    answer('commit', fence)
    await run(5)
    answer('deliver', fence)
  }
  assert.deepEqual(sessions, ['open a', 'close a', 'open b'])
  await run(61_000)
  assert.deepEqual(sessions.at(-1), 'close b', 'an idle one is closed')
})

test('with its hands full of results it takes no more, and a seventeenth grant is left to others', async () => {
  const { give, said, run, connect, worker, answer } = setupWorker({
    send: () => new Promise(() => undefined),
    workMs: 1,
  })
  connect()
  for (let fence = 1; fence <= 20; fence++) {
    give(fence)
    await run(5)
    answer('commit', fence)
  }
  await run(1_100)
  assert.deepEqual([worker.count(), said.findLast((say) => say.kind === 'beat')?.room], [16, 0])
})

test('with its hands full it begins nothing either, until a result was taken', async () => {
  const waiting: (() => void)[] = []
  const { give, run, connect, answer, began } = setupWorker({
    send: () => new Promise((resolve) => void waiting.push(resolve)),
    workMs: 1,
  })
  connect()
  for (let fence = 1; fence <= 12; fence++) {
    give(fence)
    await run(5)
    answer('commit', fence)
  }
  await run(1_100)
  assert.equal(began.length, 8)
  waiting[0]?.()
  await run(5)
  answer('deliver', 1)
  await run(5)
  assert.equal(began.length, 9)
})

test('what a process before made is offered again under its fence, and not made again', async () => {
  const files = [{ name: 'a', bytes: 1, sha256: 'ab'.repeat(32) }]
  const kept = [{ grant: { ...grant, fence: 7 }, folder: '/out/7-0', files, wallMs: 12 }]
  const { give, answer, said, told, run, connect, sent, dropped, began } = setupWorker({ kept })
  connect()
  assert.deepEqual(said.find((say) => say.kind === 'beat')?.held, [{ fence: 7, fraction: 1 }])
  assert.deepEqual(said.at(-1), { kind: 'commit', fence: 7, outputs: files, wallMs: 12 })
  give(7)
  answer('commit', 7)
  await run(10)
  answer('deliver', 7)
  await run(1_500)
  assert.deepEqual(
    [sent, told(), began, dropped],
    [['/out/7-0'], ['commit 7', 'deliver 7'], [], ['/out/7-0']],
  )
})

test('a worker that closes leaves what it made to the next, and drops the rest', async () => {
  const { worker, give, run, connect, records, dropped } = setupWorker()
  connect()
  give(1)
  give(2)
  await run(1_100)
  await worker.close()
  await run(10)
  assert.deepEqual([records, dropped], [['/out/1'], ['/out/2']])
})
