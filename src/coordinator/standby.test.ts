import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JournalFollower, SharedJournals } from '#host/host.ts'
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { consumerAccount, EXTERNAL_TEST } from '#ledger/ledger.ts'
import { SimDisk } from '#sim/sim-disk.ts'
import { sha256Hex } from '#sim/sim-host.ts'
import { SimJournalServer } from '#sim/sim-shared-journals.ts'
import { createTestWorld, foundCell, PAYER, type TestMachine } from '#sim/test-world.ts'
import { type Coordinator, replay } from './coordinator.ts'
import { emptyState, formatState } from './coordinator-state.ts'
import { type Standby, type StandbyOptions, standBy, type TakeoverOrder } from './standby.ts'
import type { Turn } from './turn.ts'

const ORDER: TakeoverOrder = {
  caller: { keyId: 'key_1', organisationId: 'org_1', scopes: ['operator'] },
  context: { act: 'takeOver', requestId: 'req_1', sourceAddress: null },
}

test('who comes first leads at once, the second follows and takes over when the first is gone', async () => {
  const { start, world } = setup(1)
  const first = start('first')
  await world.run(1_000)
  const second = start('second')
  await world.run(1_000)
  assert.ok(first.coordinator)
  assert.equal(Boolean(second.coordinator), false)
  let isAcknowledged = false
  first.coordinator.execute(foundCell, () => {
    isAcknowledged = true
  })
  await world.run(1_000)
  assert.equal(isAcknowledged, true)
  assert.equal(second.standby?.sequence(), first.coordinator.sequence(), 'it has read all')
  first.machine.process.kill()
  await world.run(4_000)
  assert.equal(second.coordinator?.journal.epoch, 2)
  assert.equal(formatState(second.coordinator.state), formatState(first.coordinator.state))
})

test('a standby that is told to takes over from a living leader, which stops without another answer', async () => {
  const { start, world } = setup(2)
  const first = start('first')
  await world.run(500)
  const second = start('second')
  await world.run(500)
  second.standby?.takeOver(ORDER)
  await world.run(4_000)
  assert.equal(second.coordinator?.journal.epoch, 2)
  assert.equal(first.coordinator?.mayAnswer(), false)
  assert.ok(first.fatal === 'epoch_stale' || first.fatal === 'lease_lost', String(first.fatal))
})

test('a leader that gives its journal back is followed within half a second', async () => {
  const { start, world } = setup(3)
  const first = start('first')
  await world.run(500)
  const second = start('second')
  await world.run(500)
  assert.ok(first.coordinator)
  const closing = first.coordinator.close()
  await world.run(500)
  await closing
  assert.ok(second.coordinator)
})

test('the successor of a process that is known to be dead does not wait for its lease', async () => {
  const { start, world } = setup(4)
  const first = start('first')
  await world.run(500)
  first.machine.process.kill()
  const successor = start('successor', { predecessor: 'first' })
  await world.run(300)
  assert.equal(successor.coordinator?.journal.epoch, 2)
})

test('the successor of a dead process that catches up for long leaves the standby be that has led meanwhile', async () => {
  const { start, world, server } = setup(5)
  const first = start('first')
  const other = start('other')
  await world.run(1_000)
  first.coordinator?.execute(foundCell, () => undefined)
  await world.run(500)
  first.machine.process.kill()
  const successor = start('successor', { predecessor: 'first' }, { readMs: 4_000 })
  await world.run(10_000)
  assert.deepEqual([server.epoch('journal'), other.coordinator?.mayAnswer()], [2, true])
  assert.deepEqual([other.fatal, successor.coordinator], [null, null])
  assert.equal(successor.standby?.leader().holder, 'other', 'it goes on standing by')
})

test('of two that stand by, one leads', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { start, world, server } = setup(seed)
    const first = start('first')
    await world.run(1_000)
    const others = [start('second'), start('third')]
    await world.run(1_000)
    first.machine.process.kill()
    await world.run(5_000)
    assert.equal(others.filter(({ coordinator }) => coordinator?.mayAnswer()).length, 1)
    assert.equal(server.epoch('journal'), 2)
  }
})

/**
 * Leaders are killed, stopped, woken late and told to hand over while commands and reads go to whoever says that it
 * leads. What was acknowledged stays; what is read is never older than what was acknowledged before the read began;
 * and the survivor's state is the replay of the journal.
 */
test('under faults nothing acknowledged is lost and nobody answers from the past', async () => {
  let acknowledgedInAll = 0
  let epochsInAll = 0
  for (let seed = 100; seed < 116; seed++) {
    const { start, world, server, random } = setup(seed)
    const running = [start('a'), start('b'), start('c')]
    const acknowledged: string[] = []
    let sent = 0
    let isOver = false
    const use = (member: Running): void => {
      const { coordinator } = member
      const nowMs = world.scheduler.nowMs()
      if (!coordinator || !member.machine.process.isAlive || nowMs < member.stoppedUntilMs) return
      // A write would find out at once that another leads; a read alone would not.
      const isReader = nowMs < member.stoppedUntilMs + 1_000
      const seen = acknowledged.length
      const id = `t${sent++}`
      member.machine.process.enter(() => {
        if (!isReader && random.chance(1, 2))
          coordinator.execute(deposit(id), () => void acknowledged.push(id))
        else {
          coordinator.execute(
            (turn) => turn.state.ledger.transfers.size,
            (size) => assert.ok(size >= seen, `seed ${seed}: read ${size} of ${seen} acknowledged`),
          )
        }
      })
    }
    const pump = (): void => {
      if (isOver) return
      for (const member of running) use(member)
      world.scheduler.after(1 + random.int(40), pump)
    }
    pump()
    const strike = (): void => {
      if (isOver) return
      strikeOne(running, start, { random, scheduler: world.scheduler })
      world.scheduler.after(500 + random.int(4_000), strike)
    }
    world.scheduler.after(2_000, strike)
    await world.run(60_000)
    isOver = true
    for (const [index, { machine }] of running.entries()) {
      machine.process.wake()
      if (!machine.process.isAlive) running[index] = start(`last-${index}`)
    }
    await world.run(10_000)
    const leaders = running.filter(
      (member) => member.machine.process.isAlive && member.coordinator?.mayAnswer(),
    )
    assert.equal(leaders.length, 1, `seed ${seed}: one leads in the end`)
    const leader = leaders[0]?.coordinator
    assert.ok(leader)
    const state = emptyState()
    const replaying = replay(leader.journal, state, 0)
    await world.settle(replaying)
    assert.equal(formatState(state), formatState(leader.state))
    for (const id of acknowledged) assert.ok(state.ledger.transfers.has(id), `seed ${seed}: ${id} is lost`)
    acknowledgedInAll += acknowledged.length
    epochsInAll += server.epoch('journal')
  }
  assert.ok(acknowledgedInAll > 8_000, `${acknowledgedInAll} acknowledged`)
  assert.ok(epochsInAll > 80, `${epochsInAll} epochs`)
})

interface Running {
  readonly machine: TestMachine
  standby: Standby | null
  coordinator: Coordinator | null
  fatal: string | null
  stoppedUntilMs: number
}
type Start = ReturnType<typeof setup>['start']

function strikeOne(
  running: Running[],
  start: Start,
  { random, scheduler }: { random: Random; scheduler: ReturnType<typeof createTestWorld>['scheduler'] },
): void {
  const index = random.int(running.length)
  const member = running[index]
  assert.ok(member)
  const { process } = member.machine
  if (!process.isAlive) {
    running[index] = start(`again-${index}-${random.int(1e9)}`)
    return
  }
  const kind = random.int(3)
  if (kind === 0) process.kill()
  else if (kind === 1) {
    const durationMs = random.int(8_000)
    member.stoppedUntilMs = scheduler.nowMs() + durationMs
    process.stop()
    scheduler.after(durationMs, () => process.wake())
  } else process.enter(() => member.standby?.takeOver(ORDER))
}

const deposit =
  (transferId: string) =>
  (turn: Turn): void => {
    const { nowMs } = turn
    if (turn.state.ledger.accounts.get(consumerAccount(PAYER)) === undefined) foundCell(turn)
    turn.ledger({
      kind: 'transfer',
      transferId,
      debitAccountId: EXTERNAL_TEST,
      creditAccountId: consumerAccount(PAYER),
      amount: 1n,
      memo: '',
      createdAtMs: nowMs,
      nowMs,
    })
  }

function setup(seed: number) {
  const random = createRandom(seed)
  const world = createTestWorld(seed)
  const disk = new SimDisk('server', forkRandom(random), sha256Hex)
  const server = new SimJournalServer({ disk, scheduler: world.scheduler, random: forkRandom(random) })
  return {
    world,
    server,
    random,
    /** `readMs`: what each look at entries takes. */
    start(name: string, options: Partial<StandbyOptions> = {}, { readMs = 0 } = {}): Running {
      const machine = world.machine(name)
      const running: Running = { machine, standby: null, coordinator: null, fatal: null, stoppedUntilMs: 0 }
      const served = server.journals(machine.process, name)
      const journals: SharedJournals = {
        ...served,
        async follow(record) {
          const follower = await served.follow(record)
          if (readMs === 0) return follower
          const read: JournalFollower['read'] = async (...range) => {
            await machine.process.sleep(readMs)
            return follower.read(...range)
          }
          return { ...follower, read }
        },
      }
      const onFatal = (problem: { code: string }): void => {
        running.fatal = problem.code
        machine.process.kill()
        disk.crash(machine.process)
      }
      machine.process.spawn(
        async () => {
          running.standby = await standBy(
            { ...machine.host, journals },
            { snapshotEvery: 50, onFatal, ...options },
          )
          running.coordinator = await running.standby.led
        },
        (error) => {
          throw error
        },
      )
      return running
    },
  }
}
