/** The coordinator dies at every moment, and another goes on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { consumerAccount, providerAccount } from '#ledger/ledger.ts'
import type { WorkSay } from '#protocol/work-link.ts'
import { PAYER, PROVIDER } from '#sim/test-world.ts'
import { readRecord } from '../coordinator-events.ts'
import { emptyState, evolve, formatState } from '../coordinator-state.ts'
import { grantsIn, planOf, stepOf, TestFloor } from './test-floor.ts'

test('a restart comes to the very same state, from a snapshot and from nothing', async () => {
  const floor = await working()
  await floor.world.run(100)
  const text = floor.text()
  await floor.restart()
  assert.equal(workOf(floor.text()), workOf(text))
  const { journal } = floor.service.coordinator
  const state = emptyState()
  for (const { payload } of await floor.world.settle(journal.read(1, journal.lastSequence)))
    for (const event of readRecord(payload).events) evolve(state, event)
  assert.equal(formatState(state), floor.text())
})

test('what nodes run goes on over a restart: asked who they are, they have it still', async () => {
  const floor = await working()
  const fences = [...floor.state.work.attempts.keys()]
  assert.equal(fences.length, 4)
  // Longer than a lease: time in which nobody could be heard is not counted.
  await floor.restart(20_000)
  const heldBy = (nodeId: string): number[] =>
    fences.filter((fence) => floor.state.work.attempts.get(fence)?.nodeId === nodeId)
  // Both come back late, and say what they have a while after they said who they are.
  await floor.world.run(8_000)
  for (const nodeId of ['a', 'b']) {
    assert.deepEqual(await floor.beat(nodeId, heldBy(nodeId), 0), [{ kind: 'who' }])
    assert.deepEqual(await floor.hello(nodeId), [])
  }
  for (let seconds = 0; seconds < 30; seconds++) {
    await floor.world.run(900)
    for (const nodeId of ['a', 'b']) assert.deepEqual(await floor.beat(nodeId, heldBy(nodeId), 0), [])
  }
  assert.deepEqual([...floor.state.work.attempts.keys()], fences)
})

test('what nobody mentions after a restart is given to others', async () => {
  const floor = await working()
  const fences = [...floor.state.work.attempts.keys()]
  await floor.restart()
  await floor.hello('b')
  for (let seconds = 0; seconds < 40; seconds++) {
    const own = [...(floor.state.work.nodes.get('b')?.held ?? [])]
    await floor.beat('b', own, 0)
    await floor.world.run(960)
  }
  assert.deepEqual(
    fences.filter((fence) => floor.state.work.attempts.get(fence)?.nodeId === 'a'),
    [],
  )
})

test('killed at any moment: nobody was told what the journal does not have, and each task is paid once', async () => {
  for (let killMs = 0; killMs < 14; killMs++) await killedAt(killMs)
})

/** A node says all that there is to say of one task, and the coordinator dies so much later. */
async function killedAt(killMs: number): Promise<void> {
  const floor = await TestFloor.open()
  await floor.submit(planOf({ frames: 3 }))
  const [first] = grantsIn(await floor.hello('a'))
  assert(first)
  const outputs = [{ name: 'x.png', bytes: 1, sha256: 'c'.repeat(64) }]
  const says: WorkSay[] = [
    { kind: 'commit', fence: first.fence, outputs, wallMs: 1_000 },
    { kind: 'deliver', fence: first.fence },
  ]
  const before = floor.grants.length
  floor.publish('a', says)
  await floor.world.run(killMs)
  await floor.restart(300)
  const told = floor.told('a')
  for (const { fence } of floor.grants.slice(before))
    assert(floor.state.work.attempts.has(fence), `${killMs} ms: grant ${fence} that was told is there`)
  const isTaken = told.some(
    (order) => order.kind === 'answer' && order.to === 'deliver' && order.refusal === null,
  )
  if (isTaken) assert.equal(floor.job().spent, 1_000n, `${killMs} ms: what was answered is there`)
  // The node goes on as it does: it says what it has, and once more what was not answered.
  await floor.hello('a')
  const again = await floor.say('a', ...says)
  assert.equal(floor.job().spent, 1_000n)
  assert.deepEqual(
    again.filter(({ kind }) => kind === 'answer').length,
    2,
    `${killMs} ms: a repeat is answered`,
  )
  assert.equal(floor.account(providerAccount(PROVIDER)).available, 950n)
  assert.equal(floor.account(consumerAccount(PAYER)).held, 999_000n)
}

const workOf = (text: string): string => {
  const { work, jobsPaid } = JSON.parse(text) as { work: unknown; jobsPaid: unknown }
  return JSON.stringify([work, jobsPaid])
}

/** Both nodes have what they can have of a job of two steps, and one result is there. */
async function working(): Promise<TestFloor> {
  const floor = await TestFloor.open()
  const film = stepOf({ name: 'film', digest: 'film', dependsOn: [0], takesResults: true, inputRoot: '' })
  await floor.submit(planOf({ steps: [stepOf({ frames: 9 }), film] }))
  const [first] = grantsIn(await floor.hello('a'))
  await floor.hello('b')
  await floor.finish('a', first?.fence ?? 0)
  return floor
}
