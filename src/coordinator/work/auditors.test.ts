import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { deliver, enrol, type Inspected, openInspected, truth, verifiedPlan, work } from './test-inspected.ts'

describe('the operator’s own agent', () => {
  test('that was called is waited for, though it is slow to begin, and looks at what was made meanwhile', async () => {
    const inspected = await setup({ isReferenceCalled: () => true })
    const { floor } = inspected
    await made(inspected)
    await pass(inspected, 120)
    assert.equal(floor.job().status, 'active')
    await bringReference(inspected)
    await floor.hello('r', { kinds: [], onlyAudits: true })
    await pass(inspected, 5)
    assert.equal(floor.job().status, 'active')
    await floor.hello('r', { onlyAudits: true })
    await work(inspected, ['a', 'r'], (_, grant) => truth(grant), 3)
    assert.deepEqual(outcomeOf(inspected), ['completed', 1, 0])
  })

  test('that never comes holds results up for five minutes', async () => {
    const called = { is: false }
    const inspected = await setup({ isReferenceCalled: () => called.is })
    called.is = true
    await made(inspected)
    await pass(inspected, 300)
    assert.equal(inspected.floor.job().status, 'active')
    await pass(inspected, 30)
    assert.deepEqual(outcomeOf(inspected), ['completed', 0, 1])
  })

  test('that was not called, or cannot begin, is not waited for', async () => {
    const called = { is: true }
    const inspected = await setup({ isReferenceCalled: () => called.is })
    await made(inspected)
    await pass(inspected, 10)
    assert.equal(inspected.floor.job().status, 'active')
    called.is = false
    await pass(inspected, 2)
    assert.deepEqual(outcomeOf(inspected), ['completed', 0, 1])
  })

  test('that says nothing of tasks is waited for no longer than a minute', async () => {
    const inspected = await setup({ isReferenceCalled: () => true })
    await bringReference(inspected)
    await made(inspected)
    await pass(inspected, 40)
    assert.equal(inspected.floor.job().status, 'active')
    await pass(inspected, 25)
    assert.deepEqual(outcomeOf(inspected), ['completed', 0, 1])
  })
})

describe('an auditor', () => {
  test('that has come and not said yet what it can do is waited for', async () => {
    const inspected = await setup()
    const { floor } = inspected
    await enrol(floor, ['c'])
    await floor.hello('c', { kinds: [] })
    await made(inspected)
    await pass(inspected, 20)
    assert.equal(floor.job().status, 'active')
    await floor.hello('c')
    await work(inspected, ['a', 'c'], (_, grant) => truth(grant), 3)
    assert.deepEqual(outcomeOf(inspected), ['completed', 1, 0])
  })

  test('that has come and not proven its hardware yet is waited for', async () => {
    const inspected = await setup()
    const { floor } = inspected
    const record = floor.service.coordinator
    record.execute((turn) =>
      turn.record([{ type: 'hardware.policy_set', isRequired: true, atMs: turn.nowMs }]),
    )
    await floor.world.run(1_000)
    await enrol(floor, ['c'])
    await floor.hello('c')
    await made(inspected)
    await pass(inspected, 20)
    assert.equal(floor.job().status, 'active')
    record.execute((turn) =>
      turn.record([{ type: 'hardware.policy_set', isRequired: false, atMs: turn.nowMs }]),
    )
    await floor.world.run(100)
    await work(inspected, ['a', 'c'], (_, grant) => truth(grant), 3)
    assert.deepEqual(outcomeOf(inspected), ['completed', 1, 0])
  })

  test('that has others to look at for a minute, and is silent for a moment then, is waited for', async () => {
    const inspected = await setup()
    const { floor, given } = inspected
    await enrol(floor, ['c'])
    await floor.hello('c')
    await pass(inspected, 70, () => floor.beat('c'))
    await made(inspected, 3)
    await floor.beat('c')
    const held = (given.get('c') ?? []).map(({ fence }) => fence)
    assert.deepEqual([held.length, floor.state.verify.audits.size], [2, 3])
    let parts = 0
    const works = () => {
      const fraction = ++parts / 100
      return floor.say('c', { kind: 'beat', held: held.map((fence) => ({ fence, fraction })), room: 0 })
    }
    await pass(inspected, 70, works)
    await pass(inspected, 6)
    await works()
    assert.equal(floor.state.verify.audits.size, 3)
    await work(inspected, ['a', 'c'], (_, grant) => truth(grant), 4)
    assert.deepEqual(outcomeOf(inspected), ['completed', 3, 0])
  })
})

const outcomeOf = ({ floor }: Inspected) => [
  floor.job().status,
  floor.job().steps[0]?.checked,
  floor.state.verify.jobs.get('job_1')?.unverified,
]

/** Node `a` has rendered frames that have to be looked at. */
async function made(inspected: Inspected, frames = 1): Promise<void> {
  const { floor, given } = inspected
  await floor.submit(verifiedPlan(frames))
  await floor.hello('a')
  for (let frame = 0; frame < frames; frame++) {
    await floor.beat('a')
    const grant = given.get('a')?.shift()
    assert(grant)
    await deliver(floor, 'a', grant, truth(grant))
  }
}

/** Node `a` lives meanwhile. */
async function pass({ floor }: Inspected, seconds: number, each = async (): Promise<unknown> => null) {
  for (let second = 0; second < seconds; second++) {
    await floor.beat('a')
    await each()
    await floor.world.run(920)
  }
}

async function bringReference({ floor }: Inspected): Promise<void> {
  floor.service.coordinator.execute((turn) =>
    turn.record([{ type: 'verify.reference_named', organisationId: 'org_r', atMs: turn.nowMs }]),
  )
  await enrol(floor, ['r'])
}

/** Nodes `a` and `b`, of one owner, that have been there for long. */
async function setup(part: Parameters<typeof openInspected>[0] = {}): Promise<Inspected> {
  const opened = await openInspected(part)
  await opened.floor.world.run(90_000)
  return opened
}
