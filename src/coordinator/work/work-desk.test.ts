import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { WorkOrder, WorkSay } from '#protocol/work-link.ts'
import { crash } from '#work/test-farm.ts'
import { facts, grantsIn, planOf, stepOf, TestFloor } from './test-floor.ts'

test('a node that says hello is given two tasks, and the next with each that it commits', async () => {
  const floor = await setup()
  const [first, second] = grantsIn(await floor.hello('a'))
  assert(first && second)
  assert.deepEqual([first.params, second.params, first.engine], [{ frame: 1 }, { frame: 4 }, 'blender'])
  assert.deepEqual([first.inputRoot, first.files, first.estimateMs], ['a'.repeat(64), [], 1_000])
  assert.deepEqual(kinds(await floor.finish('a', first.fence)), ['answer', 'grant', 'answer'])
  assert.deepEqual(floor.job().steps[0]?.tasks[0]?.state, 'done')
})

test('a node that waits is given what is submitted', async () => {
  const floor = await TestFloor.open()
  assert.deepEqual(await floor.hello('a'), [])
  await floor.submit()
  await floor.world.run(20)
  assert.equal(grantsIn(floor.told('a')).length, 2)
})

test('a hello that is there before the fleet knows the node counts once it does', async () => {
  const floor = await setup()
  await floor.present(['a'], 'gone')
  assert.deepEqual(await floor.hello('a'), [])
  assert.equal(floor.service.desk.floor.node('a'), undefined)
  await floor.present()
  await floor.world.run(300)
  assert.equal(grantsIn(floor.told('a')).length, 2)
})

test('a node that is not known on the floor is asked who it is; a stranger is told nothing', async () => {
  const floor = await setup()
  assert.deepEqual(await floor.beat('a'), [{ kind: 'who' }])
  assert.deepEqual(await floor.beat('nobody'), [])
  assert.deepEqual(await floor.hello('nobody'), [])
})

test('signs of life, and a review that finds nothing, leave no trace in the journal', async () => {
  const floor = await setup()
  const fences = grantsIn(await floor.hello('a')).map(({ fence }) => fence)
  const before = floor.service.coordinator.sequence()
  for (let beats = 0; beats < 8; beats++) {
    assert.deepEqual(await floor.beat('a', fences, 0), [])
    await floor.world.run(300)
  }
  assert.equal(floor.service.coordinator.sequence(), before)
})

test('whatever comes twice changes nothing the second time', async () => {
  const floor = await setup()
  const hello: WorkSay = { kind: 'hello', facts, cached: [] }
  const [first] = grantsIn(await floor.hello('a'))
  assert(first)
  assert.deepEqual(await floor.say('a', hello, hello), [])
  const { fence } = first
  const outputs = [{ name: '1.png', bytes: 1, sha256: '1'.repeat(64) }]
  const says: (WorkSay & { kind: 'commit' | 'deliver' })[] = [
    { kind: 'commit', fence, outputs, wallMs: 1_000 },
    { kind: 'deliver', fence },
  ]
  for (const say of says) await floor.say('a', say)
  const text = floor.text()
  // The answer to what is over is a refusal, on which the node drops what it has of it.
  for (const say of says) {
    const [answer] = await floor.say('a', say)
    assert.deepEqual(answer, { kind: 'answer', to: say.kind, fence, refusal: 'fence_stale' })
  }
  const [answer] = await floor.say('a', { kind: 'fail', fence, failure: crash })
  assert.deepEqual(answer, { kind: 'answer', to: 'fail', fence, refusal: 'fence_stale' })
  assert.equal(floor.text(), text)
})

test('a commit that comes twice is taken twice, and one that differs is refused', async () => {
  const floor = await setup()
  const [first] = grantsIn(await floor.hello('a'))
  const fence = first?.fence ?? 0
  const commit = (sha: string): WorkSay => ({
    kind: 'commit',
    fence,
    outputs: [{ name: '1.png', bytes: 1, sha256: sha.repeat(64) }],
    wallMs: 9,
  })
  const refusals: (string | null | undefined)[] = []
  for (const sha of ['1', '1', '2']) refusals.push(refusalIn(await floor.say('a', commit(sha))))
  assert.deepEqual(refusals, [null, null, 'commit_differs'])
})

test('a fence of another node is neither taken nor kept alive', async () => {
  const floor = await setup()
  const [first] = grantsIn(await floor.hello('a'))
  const fence = first?.fence ?? 0
  await floor.hello('b')
  assert.deepEqual(refusalIn(await floor.say('b', { kind: 'deliver', fence })), 'fence_stale')
  // b says that it has a's: it is told to drop it, and a is not thereby heard of.
  assert.deepEqual(await floor.beat('b', [fence, 999], 0), [
    { kind: 'cancel', fence },
    { kind: 'cancel', fence: 999 },
  ])
  for (let seconds = 0; seconds < 16; seconds++) {
    await floor.beat('b', [fence], 0)
    await floor.world.run(960)
  }
  assert.equal(floor.state.work.attempts.has(fence), false, 'a was silent for longer than its lease')
})

test('names that lead out of their folder fail the task and are not taken', async () => {
  const floor = await setup()
  const [first] = grantsIn(await floor.hello('a'))
  const fence = first?.fence ?? 0
  for (const name of ['../x.png', '/x', 'a\0b', 'COM1']) {
    const outputs = [{ name, bytes: 1, sha256: '1'.repeat(64) }]
    const fresh = await setup()
    await fresh.hello('a')
    assert.equal(
      refusalIn(await fresh.say('a', { kind: 'commit', fence, outputs, wallMs: 1 })),
      'outputs_wrong',
    )
    assert.deepEqual(fresh.job().steps[0]?.tasks[0]?.failedNodes, ['a'])
  }
})

test('a message that is none is logged, and nothing stops', async () => {
  const floor = await setup()
  for (const message of ['', '{', 'null', '{"gatewayId":"g","said":[{"nodeId":"a","say":{"kind":"boo"}}]}']) {
    floor.raw(message)
  }
  assert.equal(grantsIn(await floor.hello('a')).length, 2)
})

test('a drained node brings to an end what it has, and gets nothing more until it is drained no more', async () => {
  const floor = await setup()
  const [first, second] = grantsIn(await floor.hello('a'))
  assert(first && second)
  await fleet(floor, 'drain')
  assert.deepEqual(kinds(await floor.finish('a', first.fence)), ['answer', 'answer'])
  await floor.beat('a', [second.fence], 1)
  assert.deepEqual(kinds(await floor.finish('a', second.fence)), ['answer', 'answer'])
  await fleet(floor, 'undrain')
  assert.equal(grantsIn(await floor.beat('a')).length, 2)
})

test('a node that is drained while it is away is drained when it says hello', async () => {
  const floor = await setup()
  await fleet(floor, 'drain')
  assert.deepEqual(await floor.hello('a'), [])
})

test('what a banned node has goes to others, and what it brings is not taken', async () => {
  const floor = await setup()
  const [first] = grantsIn(await floor.hello('a'))
  const fence = first?.fence ?? 0
  await fleet(floor, 'ban')
  assert.deepEqual(await floor.beat('a', [fence], 1), [])
  const outputs = [{ name: '1.png', bytes: 1, sha256: '1'.repeat(64) }]
  assert.deepEqual(await floor.say('a', { kind: 'commit', fence, outputs, wallMs: 1 }), [
    { kind: 'answer', to: 'commit', fence, refusal: 'node_banned' },
  ])
  await floor.world.run(16_000)
  assert.equal(floor.state.work.attempts.size, 0)
})

test('when the connection of a node closes, others have what it had at once', async () => {
  const floor = await setup(planOf({ frames: 2 }))
  assert.equal(grantsIn(await floor.hello('a')).length, 2)
  // What a has not begun is b's as soon as that has nothing to do.
  assert.deepEqual(tasks(await floor.hello('b')), [1])
  await floor.present(['a'], 'suspect')
  await floor.world.run(300)
  assert.deepEqual(tasks(floor.told('b')), [0])
})

test('a node whose owner wants the machine is given nothing until it has room again', async () => {
  const floor = await setup()
  const [first, second] = grantsIn(await floor.hello('a'))
  assert(first && second)
  const failure = {
    class: 'infrastructure',
    signature: 'owner',
    message: 'The owner is back.',
    tail: '',
  } as const
  await floor.beat('a', [], 0)
  for (const { fence } of [first, second])
    assert.deepEqual(kinds(await floor.say('a', { kind: 'fail', fence, failure })), ['cancel', 'answer'])
  await floor.world.run(3_000)
  assert.deepEqual(floor.told('a'), [])
  await floor.world.run(3_000)
  assert.equal(grantsIn(await floor.beat('a', [], 2)).length, 2)
})

test('a node that gives all back at once is given the next later and later', async () => {
  const floor = await setup(planOf({ frames: 1 }))
  const failure = { class: 'infrastructure', signature: 'disk', message: 'No disk.', tail: '' } as const
  let [grant] = grantsIn(await floor.hello('a'))
  const waits: number[] = []
  for (let times = 0; times < 4; times++) {
    assert(grant)
    const atMs = floor.nowMs()
    await floor.say('a', { kind: 'fail', fence: grant.fence, failure })
    grant = undefined
    for (let beats = 0; !grant && beats < 300; beats++) {
      ;[grant] = grantsIn(await floor.beat('a'))
      await floor.world.run(60)
    }
    waits.push(floor.nowMs() - atMs)
  }
  for (const [at, leastMs] of [250, 1_000, 4_000, 16_000].entries())
    assert((waits[at] ?? 0) >= leastMs, `${waits}`)
})

test('a step that takes results is given each file by the step that made it', async () => {
  const film = { name: 'film', digest: 'film', dependsOn: [0], takesResults: true, inputRoot: '' }
  const floor = await setup(planOf({ steps: [stepOf({ frames: 2 }), stepOf(film)] }))
  const grants = grantsIn(await floor.hello('a'))
  for (const { fence } of grants) await floor.finish('a', fence, `${fence}.png`)
  const [last] = [...floor.state.work.attempts.keys()]
  const seen = grantsIn(await floor.hello('b'))
  assert.deepEqual(seen, [])
  assert(last)
  const told = floor.grants.at(-1)
  assert.deepEqual([told?.inputRoot, told?.step], [null, 1])
  assert.deepEqual(
    told?.files.map(({ path }) => path),
    grants.map(({ fence }) => `frames/${fence}.png`),
  )
})

test('a file that another task of the step made already is not taken where later steps take both', async () => {
  const film = { name: 'film', digest: 'film', dependsOn: [0], takesResults: true, inputRoot: '' }
  const floor = await setup(planOf({ steps: [stepOf({ frames: 2 }), stepOf(film)] }))
  const [first, second] = grantsIn(await floor.hello('a'))
  assert(first && second)
  await floor.finish('a', first.fence, 'same.png')
  const outputs = [{ name: 'same.png', bytes: 1, sha256: '1'.repeat(64) }]
  const told = await floor.say('a', { kind: 'commit', fence: second.fence, outputs, wallMs: 1 })
  assert.equal(refusalIn(told), 'outputs_wrong')
})

test('steps whose results would be more files than a task may have are refused at submit', async () => {
  const floor = await TestFloor.open()
  const film = { name: 'film', digest: 'film', dependsOn: [0], takesResults: true, inputRoot: '' }
  const plan = (frames: number) => planOf({ steps: [stepOf({ frames }), stepOf(film)] })
  assert.equal(await floor.submit(plan(10_001)), 'files_too_many')
  assert.equal(await floor.submit(plan(5_001)), null)
  // As each of them may then make one file.
  const [grant] = grantsIn(await floor.hello('a'))
  const outputs = ['1', '2'].map((name) => ({ name, bytes: 1, sha256: name.repeat(64) }))
  const told = await floor.say('a', { kind: 'commit', fence: grant?.fence ?? 0, outputs, wallMs: 1 })
  assert.equal(refusalIn(told), 'outputs_wrong')
})

test('a task of more files than an older gateway can pass on is begun by no node there, and the job says why', async () => {
  const film = { name: 'film', digest: 'film', dependsOn: [0], takesResults: true, inputRoot: '' }
  const floor = await setup(planOf({ steps: [stepOf({ frames: 8 }), stepOf(film)] }))
  // A gateway that is put back to an older release says so no more.
  await floor.beat('a')
  floor.takesPages = false
  const told: WorkOrder[] = await floor.hello('a')
  for (let frame = 0; frame < 8; frame++) {
    const [{ fence = 0 } = {}] = grantsIn(told).splice(frame)
    told.push(...(await finishWithMany(floor, 'a', fence)))
  }
  await floor.world.run(2_000)
  const { status, pause } = floor.job()
  assert.deepEqual([status, pause?.reason], ['paused', 'no_node_left'])
  assert.match(pause?.detail ?? '', /Gateway g is of an older release.*a task of 7200 files: update it/)
  assert.deepEqual(
    grantsIn(told).filter(({ step }) => step === 1),
    [],
  )
  // Once it is of this release, the task is done.
  floor.takesPages = true
  await floor.beat('a')
  await floor.command({ kind: 'resume', jobId: 'job_1', nowMs: floor.nowMs() })
  await floor.world.run(500)
  assert.equal(floor.job().status, 'active')
  assert.equal(
    floor.grants.filter(({ step }) => step === 1).reduce((sum, { files }) => sum + files.length, 0),
    7_200,
  )
})

/** As many files as a task may make, with long names. */
async function finishWithMany(floor: TestFloor, nodeId: string, fence: number): Promise<WorkOrder[]> {
  const outputs = Array.from({ length: 900 }, (_, at) => ({
    name: `${'x'.repeat(80)}-${fence}-${at}.png`,
    bytes: 1,
    sha256: (fence * 1_000 + at).toString(16).padStart(64, '0'),
  }))
  const first = await floor.say(nodeId, { kind: 'commit', fence, outputs, wallMs: 1_000 })
  return [...first, ...(await floor.say(nodeId, { kind: 'deliver', fence }))]
}

const tasks = (orders: readonly WorkOrder[]): number[] => grantsIn(orders).map(({ task }) => task)

const kinds = (orders: readonly WorkOrder[]): string[] => orders.map(({ kind }) => kind)

const refusalIn = (orders: readonly WorkOrder[]): string | null | undefined =>
  orders.find((order) => order.kind === 'answer')?.refusal

async function fleet(floor: TestFloor, kind: 'drain' | 'undrain' | 'ban'): Promise<void> {
  floor.service.coordinator.execute((turn) => {
    const at = { nodeId: 'a', nowMs: turn.nowMs }
    return turn.fleet(kind === 'ban' ? { kind, ...at, reason: 'test' } : { kind, ...at })
  })
  await floor.world.run(20)
}

async function setup(plan = planOf()): Promise<TestFloor> {
  const floor = await TestFloor.open()
  assert.equal(await floor.submit(plan), null)
  return floor
}
