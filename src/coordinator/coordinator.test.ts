import assert from 'node:assert/strict'
import { test } from 'node:test'
import { consumerAccount, EXTERNAL_TEST } from '#ledger/ledger.ts'
import { createTestWorld, foundCell, PAYER } from '#sim/test-world.ts'
import { type Coordinator, openCoordinator } from './coordinator.ts'
import { formatState } from './coordinator-state.ts'
import type { Turn } from './turn.ts'

test('a turn takes effect in memory at once, its reply leaves when it is durable', async () => {
  const { coordinator, machine, run } = await setup()
  const seen: number[] = []
  coordinator.execute(deposit('a'), () => seen.push(machine.disk.durable('journal').length))
  assert.ok(coordinator.state.ledger.transfers.has('a'))
  assert.deepEqual([seen, machine.disk.durable('journal').length], [[], 1])
  await run(100)
  assert.deepEqual(seen, [2])
})

test('a turn that changes nothing is answered at once when all it saw is durable, and else waits for that', async () => {
  const { coordinator, run } = await setup()
  const replies: string[] = []
  coordinator.execute(balance, (result) => replies.push(`before ${result}`))
  coordinator.execute(deposit('a'), () => {})
  coordinator.execute(balance, (result) => replies.push(`after ${result}`))
  assert.deepEqual(replies, ['before 1000000000'])
  await run(100)
  assert.deepEqual(replies, ['before 1000000000', 'after 1000000001'])
  assert.equal(coordinator.sequence(), 2)
})

test('replies leave in the order of their turns, those that write and those that only read', async () => {
  const { coordinator, scheduler, run } = await setup()
  const expected: number[] = []
  const replies: number[] = []
  for (let turn = 0; turn < 200; turn++) {
    scheduler.after(turn % 37, () => {
      expected.push(turn)
      coordinator.execute(turn % 3 === 0 ? balance : deposit(`t${turn}`), () => replies.push(turn))
    })
  }
  await run(1_000)
  assert.deepEqual(replies, expected)
  assert.equal(replies.length, 200)
})

test('a turn taken inside a reply is answered after the turns before it', async () => {
  const { coordinator, run } = await setup()
  const replies: string[] = []
  // While this one is on its way to the disk, the next two gather in one group.
  coordinator.execute(deposit('flushing'), () => {})
  coordinator.execute(deposit('a'), () => {
    replies.push('first')
    coordinator.execute(balance, () => replies.push('inside the first'))
  })
  coordinator.execute(deposit('b'), () => replies.push('second'))
  await run(100)
  assert.deepEqual(replies, ['first', 'second', 'inside the first'])
})

test('turns taken while a flush is under way share the next one', async () => {
  const { coordinator, run } = await setup()
  const durable: number[] = []
  coordinator.onDurable((sequence) => durable.push(sequence))
  for (let turn = 0; turn < 100; turn++) coordinator.execute(deposit(`t${turn}`), () => {})
  await run(100)
  assert.deepEqual(durable, [2, 101])
})

test('the events of one turn are one entry, and listeners hear them with its number', async () => {
  const { coordinator, machine, run } = await setup()
  const heard: string[] = []
  coordinator.onEvent((event, sequence) => heard.push(`${sequence} ${event.type}`))
  coordinator.execute(
    (turn) => {
      deposit('a')(turn)
      deposit('b')(turn)
      turn.ledger({ kind: 'release_hold', holdId: 'nowhere', ownerId: 'g' })
    },
    () => {},
  )
  await run(100)
  assert.deepEqual(heard, ['2 ledger.transferred', '2 ledger.transferred'])
  assert.equal(machine.disk.durable('journal').length, 2)
})

test('a flush that fails is told once, and nothing leaves afterwards', async () => {
  const { world, machine, coordinator, fatal, run } = await setup()
  const replies: string[] = []
  coordinator.execute(deposit('a'), () => replies.push('a'))
  // A newer writer takes the epoch while the group is on its way.
  await world.settle(
    openCoordinator(
      world.machine('standby', machine.disk).host,
      options(() => {}),
    ),
  )
  coordinator.execute(deposit('b'), () => replies.push('b'))
  await run(100)
  coordinator.execute(deposit('c'), () => replies.push('c'))
  coordinator.execute(balance, () => replies.push('read'))
  await run(100)
  assert.deepEqual([replies, fatal], [[], ['epoch_stale']])
  assert.deepEqual(machine.disk.durable('journal').length, 1)
})

test('after a crash every turn that was answered is there, and the state is a replay of the journal', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { world, machine, coordinator, scheduler } = await setup({ seed })
    const answered: string[] = []
    for (let turn = 0; turn < 60; turn++) {
      scheduler.after(turn, () => coordinator.execute(deposit(`t${turn}`), () => answered.push(`t${turn}`)))
    }
    await world.run(40)
    machine.process.kill()
    machine.disk.crash(machine.process)
    assert.ok(answered.length > 0)
    const again = await world.settle(
      openCoordinator(
        world.machine('again', machine.disk).host,
        options(() => {}),
      ),
    )
    const { transfers } = again.state.ledger
    for (const id of answered) assert.ok(transfers.has(id), `${id} was answered and is lost`)
    const count = machine.disk.durable('journal').length
    assert.equal(transfers.size, count)
    assert.deepEqual([again.sequence(), again.journal.epoch], [count, 2])
  }
})

test('time goes on from the journal: a wall clock that went back while it was down turns nothing back', async () => {
  const { world, machine, coordinator, run } = await setup()
  let firstMs = 0
  coordinator.execute(
    (turn) => {
      firstMs = turn.nowMs
      deposit('a')(turn)
    },
    () => {},
  )
  await run(100)
  const standby = world.machine('standby', machine.disk)
  standby.process.skewMs = -3_600_000
  const again = await world.settle(
    openCoordinator(
      standby.host,
      options(() => {}),
    ),
  )
  again.execute(
    (turn) => assert.ok(turn.nowMs >= firstMs),
    () => {},
  )
  assert.ok(standby.logged.includes('clock.behind_journal'))
})

test('a wall clock that is set while the coordinator runs does not move its turns', async () => {
  const { coordinator, machine } = await setup()
  const nowMs = () => {
    let seen = 0
    coordinator.execute(
      (turn) => {
        seen = turn.nowMs
      },
      () => {},
    )
    return seen
  }
  const before = nowMs()
  machine.process.skewMs = 86_400_000
  assert.equal(nowMs(), before)
})

test('closing waits for what is under way and keeps a snapshot from which the next start goes on', async () => {
  const { world, machine, coordinator } = await setup()
  const replies: string[] = []
  coordinator.execute(deposit('a'), () => replies.push('a'))
  const text = formatState(coordinator.state)
  await world.settle(coordinator.close())
  assert.deepEqual(replies, ['a'])
  coordinator.execute(deposit('b'), () => replies.push('b'))
  const next = world.machine('next', machine.disk)
  const reopened = await world.settle(
    openCoordinator(
      next.host,
      options(() => {}),
    ),
  )
  assert.equal(formatState(reopened.state), text)
  assert.deepEqual([replies, reopened.sequence()], [['a'], 2])
})

test('snapshots are taken under steady load too, and each agrees with the journal', async () => {
  const { world, machine, coordinator, scheduler } = await setup({ snapshotEvery: 20 })
  for (let turn = 0; turn < 400; turn++) {
    scheduler.after(turn / 2, () => coordinator.execute(deposit(`t${turn}`), () => {}))
  }
  await world.run(150)
  const ref = JSON.parse(machine.host.secrets.read('snapshot') ?? '{"sequence":0}') as { sequence: number }
  assert.ok(ref.sequence > 100, `the newest snapshot is of entry ${ref.sequence}`)
  await world.run(1_000)
  const next = world.machine('next', machine.disk)
  const reopened = await world.settle(
    openCoordinator(
      next.host,
      options(() => {}),
    ),
  )
  assert.equal(formatState(reopened.state), formatState(coordinator.state))
})

const deposit = (transferId: string) => (turn: Turn) => {
  const refusal = turn.ledger({
    kind: 'transfer',
    transferId,
    debitAccountId: EXTERNAL_TEST,
    creditAccountId: consumerAccount(PAYER),
    amount: 1n,
    memo: '',
    createdAtMs: turn.nowMs,
    nowMs: turn.nowMs,
  })
  assert.equal(refusal, null)
}

const balance = (turn: Turn): string => `${turn.state.ledger.accounts.get(consumerAccount(PAYER))?.available}`

const options = (onFatal: (code: string) => void, snapshotEvery = 1_000) => ({
  snapshotEvery,
  onFatal: (problem: { code: string }) => onFatal(problem.code),
})

/** An open coordinator whose journal has one entry, the founding. */
async function setup({ seed = 1, snapshotEvery = 1_000 } = {}) {
  const world = createTestWorld(seed)
  const machine = world.machine('coordinator')
  const fatal: string[] = []
  const coordinator: Coordinator = await world.settle(
    openCoordinator(
      machine.host,
      options((code) => fatal.push(code), snapshotEvery),
    ),
  )
  coordinator.execute(
    (turn) => foundCell(turn),
    () => {},
  )
  await world.run(100)
  return { world, machine, coordinator, fatal, scheduler: world.scheduler, run: world.run }
}
