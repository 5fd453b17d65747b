/** The real ledger takes the readings over a simulated bus, from a simulated disk. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openCoordinatorService } from '#coordinator/coordinator-service.ts'
import type { Bus, Journal } from '#host/host.ts'
import { subjects, UsageBatch } from '#protocol/cell.ts'
import type { Problem } from '#protocol/problem.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { createTestWorld, foundCell, PAYER, type TestMachine } from '#sim/test-world.ts'
import { openUsageSpool } from './usage-spool.ts'

test('a reading is durable before anyone hears that it was taken', async () => {
  const { spool, disk, faults, run } = await setup()
  // Nothing is acknowledged, so nothing leaves the disk.
  faults.cutOff.add('coordinator')
  const heard: number[] = []
  for (let n = 1; n <= 20; n++) {
    spool.append(reading(n), (sequence) => {
      assert.ok(
        disk.durable('spool').some((entry) => entry.sequence === sequence),
        `${sequence} is durable`,
      )
      heard.push(sequence)
    })
    await run(n % 3)
  }
  await run(100)
  assert.deepEqual(
    heard,
    Array.from({ length: 20 }, (_, index) => index + 1),
  )
})

test('readings reach the ledger in order, each once, and leave the disk', async () => {
  const { spool, billed, disk, run } = await setup()
  append(spool, 1, 600)
  await run(1_000)
  assert.deepEqual(billed(), names(1, 600))
  assert.deepEqual([spool.acknowledged(), spool.newest(), disk.durable('spool').length], [600, 600, 0])
})

test('one batch is under way at a time, of at most 256 readings', async () => {
  const { spool, batches, run } = await setup()
  append(spool, 1, 600)
  await run(1_000)
  let next = 1
  for (const { firstSequence, records } of batches()) {
    assert.equal(firstSequence, next)
    assert.ok(records.length <= 256)
    next += records.length
  }
  assert.equal(next, 601)
})

test('while the coordinator is away readings wait, and are sent again until it has them', async () => {
  const { spool, billed, faults, run } = await setup()
  faults.cutOff.add('coordinator')
  append(spool, 1, 10)
  await run(20_000)
  assert.equal(spool.acknowledged(), 0)
  faults.cutOff.clear()
  await run(5_000)
  assert.deepEqual([billed(), spool.acknowledged()], [names(1, 10), 10])
})

test('on a bus that loses, repeats and delays, each reading is billed once', async () => {
  const { spool, billed, faults, run } = await setup()
  Object.assign(faults, { lossPer10k: 3_000, duplicatePer10k: 3_000, delayMsMax: 1_500 })
  for (let n = 1; n <= 40; n++) {
    append(spool, n, n)
    await run(400)
  }
  Object.assign(faults, { lossPer10k: 0, duplicatePer10k: 0 })
  await run(10_000)
  assert.deepEqual([billed(), spool.acknowledged()], [names(1, 40), 40])
})

test('an answer that was lost is asked for again, and nothing is billed twice', async () => {
  const { spool, billed, service, faults, run } = await setup()
  service.coordinator.onEvent((event) => {
    if (event.type === 'usage.recorded' && event.sequence === 1) faults.lossPer10k = 10_000
  })
  append(spool, 1, 3)
  await run(1_000)
  assert.deepEqual([billed(), spool.acknowledged()], [names(1, 3), 0])
  faults.lossPer10k = 0
  await run(5_000)
  assert.deepEqual([billed(), spool.acknowledged()], [names(1, 3), 3])
})

test('a gateway that died sends what it left behind when it is back', async () => {
  const { world, gateway, spool, billed, faults, open, run } = await setup()
  faults.cutOff.add('coordinator')
  append(spool, 1, 300)
  await run(1_000)
  gateway.process.kill()
  gateway.disk.crash(gateway.process)
  const next = await open(world.machine('g', gateway.disk))
  assert.deepEqual([next.spool.newest(), next.spool.acknowledged()], [300, 0])
  append(next.spool, 301, 310)
  faults.cutOff.clear()
  await run(5_000)
  assert.deepEqual([billed(), next.spool.acknowledged()], [names(1, 310), 310])
})

test('what the ledger had before the gateway died is known to be there', async () => {
  const { world, gateway, spool, billed, open, run } = await setup()
  append(spool, 1, 20)
  await run(1_000)
  gateway.process.kill()
  const next = await open(world.machine('g', gateway.disk))
  assert.deepEqual([next.spool.acknowledged(), next.spool.newest()], [20, 20])
  append(next.spool, 21, 22)
  await run(1_000)
  assert.deepEqual(billed(), names(1, 22))
})

test('readings that linger on the disk after they were trimmed are not billed again', async () => {
  const { world, gateway, spool, billed, open, run } = await setup({ isTrimmed: false })
  append(spool, 1, 20)
  await run(1_000)
  assert.equal(gateway.disk.durable('spool').length, 20)
  gateway.process.kill()
  const next = await open(world.machine('g', gateway.disk))
  append(next.spool, 21, 21)
  await run(5_000)
  assert.deepEqual([billed(), next.spool.acknowledged()], [names(1, 21), 21])
})

test('what is kept with a reading outlives the process until it is released, and is billed once', async () => {
  const { world, gateway, spool, billed, open, run, disk } = await setup()
  append(spool, 1, 3)
  spool.append(reading(4), () => {}, 'answer of 4')
  append(spool, 5, 8)
  await run(1_000)
  assert.deepEqual([billed(), spool.acknowledged()], [names(1, 8), 8])
  // Those before it have left the disk.
  assert.deepEqual(
    disk.durable('spool').map(({ sequence }) => sequence),
    [4, 5, 6, 7, 8],
  )
  gateway.process.kill()
  const next = await open(world.machine('g', gateway.disk))
  assert.deepEqual([...next.spool.kept()], [['r4', 'answer of 4']])
  next.spool.append(reading(9), () => {}, 'answer of 9')
  await run(5_000)
  next.spool.release('r4')
  await run(1_000)
  assert.deepEqual(
    disk.durable('spool').map(({ sequence }) => sequence),
    [9],
  )
  next.spool.release('r9')
  await run(1_000)
  assert.deepEqual([billed(), disk.durable('spool').length, next.spool.kept().size], [names(1, 9), 0, 0])
})

test('a disk that fails is fatal, and the reading is never said to be taken', async () => {
  const { world, gateway, spool, fatal, run } = await setup()
  // A newer writer has taken over the journal.
  await world.settle(world.machine('g', gateway.disk).host.journals.open('spool'))
  spool.append(reading(1), () => assert.fail('it was not taken'))
  await run(1_000)
  assert.deepEqual(fatal, ['epoch_stale'])
})

test('a hundred thousand readings may wait; beyond that the spool says that it is full', async () => {
  const { world, gateway } = await setup()
  const entry = { epoch: 1, payload: JSON.stringify(UsageBatch.encode(batchOf(1)).records[0]) }
  const count = 100_000
  const read: Journal['read'] = async (from, countMax) =>
    Array.from({ length: Math.min(countMax, count - from + 1) }, (_, index) => ({
      ...entry,
      sequence: from + index,
    }))
  const journal: Journal = {
    ...(await world.settle(gateway.host.journals.open('full'))),
    lastSequence: count,
    read,
  }
  const bus: Bus = { ...gateway.host.bus, request: () => {} }
  const full = await openUsageSpool({ ...gateway.host, bus, journal }, (problem) => assert.fail(problem))
  assert.equal(full.isFull(), true)
})

test('once closed it sends nothing more', async () => {
  const { world, spool, batches, faults, run } = await setup()
  faults.cutOff.add('coordinator')
  append(spool, 1, 1)
  await run(100)
  await world.settle(spool.close())
  const sent = batches().length
  faults.cutOff.clear()
  await run(10_000)
  assert.equal(batches().length, sent)
})

test('a spool restored from a backup: what is new is billed, what is known is not', async () => {
  const { world, gateway, spool, billed, service, open, run } = await setup()
  append(spool, 1, 5)
  await run(1_000)
  gateway.process.kill()
  // The ledger knows ten readings of this spool; the restored disk has only the first five of them.
  const { spools } = service.coordinator.state.ledger
  const [spoolId = ''] = [...spools.keys()]
  service.coordinator.execute(
    (turn) => turn.ledger({ kind: 'advance_spool', spoolId, firstSequence: 6, count: 5 }),
    () => {},
  )
  const next = await open(world.machine('g', gateway.disk))
  append(next.spool, 6, 20)
  await run(5_000)
  assert.deepEqual([billed(), next.spool.acknowledged()], [names(1, 20), 20])
  assert.equal(spools.size, 2)
})

test('a spool restored from a backup that dies again before the ledger answers loses nothing that is new', async () => {
  const { world, gateway, spool, billed, faults, open, run } = await setup()
  faults.cutOff.add('coordinator')
  append(spool, 1, 3)
  await run(100)
  const image = gateway.disk.backup()
  faults.cutOff.clear()
  append(spool, 4, 8)
  await run(5_000)
  gateway.process.kill()
  gateway.disk.restore(image)
  faults.cutOff.add('coordinator')
  for (const [from, to] of [
    [9, 10],
    [11, 11],
    [12, 14],
  ] as const) {
    const machine = world.machine('g', gateway.disk)
    const next = await open(machine)
    append(next.spool, from, to)
    await run(1_000)
    machine.process.kill()
  }
  faults.cutOff.clear()
  const last = await open(world.machine('g', gateway.disk))
  await run(10_000)
  assert.deepEqual([billed(), last.spool.acknowledged()], [names(1, 14), last.spool.newest()])
})

test('a lost disk never makes old numbers new', async () => {
  const { world, gateway, spool, billed, open, run } = await setup()
  append(spool, 1, 5)
  await run(1_000)
  gateway.process.kill()
  gateway.disk.replace()
  const next = await open(world.machine('g', gateway.disk))
  append(next.spool, 6, 8)
  await run(1_000)
  assert.deepEqual(billed(), names(1, 8))
})

test('a ledger restored from a backup bills what the spool still has, and a restart bills nothing again', async () => {
  const { world, gateway, spool, billed, service, open, run } = await setup()
  append(spool, 1, 5)
  await run(1_000)
  gateway.process.kill()
  // The restored ledger has forgotten readings that the spool has trimmed.
  const { spools } = service.coordinator.state.ledger
  const [spoolId = ''] = [...spools.keys()]
  spools.set(spoolId, 3)
  const next = await open(world.machine('g', gateway.disk))
  append(next.spool, 6, 8)
  await run(5_000)
  assert.deepEqual([billed(), next.spool.acknowledged()], [names(1, 8), 8])
  const last = await open(world.machine('g', gateway.disk))
  append(last.spool, 9, 9)
  await run(5_000)
  assert.deepEqual([billed(), spools.size], [names(1, 9), 3])
})

test('a ledger that was put back under a running gateway bills what comes after, each once', async () => {
  const { spool, billed, service, run } = await setup()
  append(spool, 1, 5)
  await run(1_000)
  const { spools } = service.coordinator.state.ledger
  const [spoolId = ''] = [...spools.keys()]
  spools.set(spoolId, 3)
  for (let n = 6; n <= 8; n++) {
    append(spool, n, n)
    await run(2_000)
  }
  assert.deepEqual(billed(), names(1, 5), 'it may be a leader that was replaced')
  append(spool, 9, 10)
  await run(10_000)
  assert.deepEqual([billed(), spool.acknowledged()], [names(1, 10), 10])
  append(spool, 11, 11)
  await run(1_000)
  assert.deepEqual([billed(), spools.size], [names(1, 11), 2])
})

const names = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `r${from + index}`)

const batchOf = (n: number) => ({ spoolId: 's', firstSequence: 1, records: [reading(n)] })

const reading = (n: number): UsageRecord => ({
  requestId: `r${n}`,
  organisationId: PAYER,
  keyId: 'key',
  holdId: '',
  model: 'm',
  kind: 'chat',
  outcome: 'completed',
  parts: [
    { nodeId: 'a', promptTokens: 1, completionTokens: 1, promptPerMillion: 1n, completionPerMillion: 1n },
  ],
  startedAtMs: 1,
  firstTokenMs: 1,
  totalMs: 2,
})

function append(
  spool: { append(record: UsageRecord, done: () => void): void },
  from: number,
  to: number,
): void {
  for (let n = from; n <= to; n++) spool.append(reading(n), () => {})
}

/** The spool of gateway `g`, whose node is `a`, and the cell that bills its readings. */
async function setup({ isTrimmed = true } = {}) {
  const world = createTestWorld()
  const { faults, run } = world
  const onFatal = (problem: Problem) => assert.fail(problem)
  const { host } = world.machine('coordinator')
  const service = await world.settle(
    openCoordinatorService(host, { feeBps: 500, snapshotEvery: 1_000, onFatal }),
  )
  const billed: string[] = []
  service.coordinator.onEvent((event) => {
    if (event.type === 'usage.recorded') billed.push(event.record.requestId)
  })
  service.coordinator.execute(
    (turn) => foundCell(turn, { nodes: { a: 'key a' } }),
    () => {},
  )
  await run(100)

  const fatal: string[] = []
  const sent: string[] = []
  async function open(machine: TestMachine) {
    const opened = await world.settle(machine.host.journals.open('spool'))
    const journal: Journal = isTrimmed ? opened : withoutTrim(opened)
    const bus: Bus = {
      ...machine.host.bus,
      request(call, done) {
        assert.equal(call.subject, subjects.usage)
        sent.push(call.message)
        machine.host.bus.request(call, done)
      },
    }
    const spool = await world.settle(
      openUsageSpool({ ...machine.host, bus, journal }, (problem) => void fatal.push(problem.code)),
    )
    return { spool }
  }
  const gateway = world.machine('g')
  const { spool } = await open(gateway)
  return {
    world,
    faults,
    run,
    service,
    gateway,
    disk: gateway.disk,
    spool,
    open,
    fatal,
    billed: () => billed,
    batches: () => sent.map((message) => UsageBatch.parse(JSON.parse(message))),
  }
}

/** As after a crash that came before the disk forgot: trimming may be undone. */
function withoutTrim(journal: Journal): Journal {
  return Object.defineProperty(Object.create(journal) as Journal, 'trim', { value: () => {} })
}
