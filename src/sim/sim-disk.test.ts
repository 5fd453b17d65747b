/** The simulated disk keeps what the real ones keep, and fails as they fail. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Journal } from '#host/host.ts'
import { appended, journalContract } from '#host/node/journal-contract.ts'
import { createTestWorld } from './test-world.ts'

journalContract('simulated journal', () => {
  const world = createTestWorld()
  return { journals: world.machine('m').host.journals, wait: world.settle, dispose: () => {} }
})

test('a process that dies leaves a first few of its groups, each whole', async () => {
  const seen = new Set<number>()
  for (let seed = 1; seed <= 40; seed++) {
    const { machine, journal, reopen } = await setup(seed)
    for (let group = 0; group < 4; group++) journal.append(['a', 'b', 'c'], () => assert.fail('it is dead'))
    machine.process.kill()
    machine.disk.crash(machine.process)
    const { lastSequence } = await reopen()
    assert.equal(lastSequence % 3, 0)
    seen.add(lastSequence)
  }
  assert.ok(seen.has(0) && seen.has(12) && seen.size > 3, [...seen].join())
})

test('a power cut leaves a first part of the bytes: whole groups count, and the torn one is dropped', async () => {
  const seen = new Set<number>()
  let torn = 0
  for (let seed = 1; seed <= 40; seed++) {
    const { machine, journal, reopen } = await setup(seed)
    for (let group = 0; group < 4; group++) journal.append(['a', 'b', 'c'], () => assert.fail('it is dead'))
    machine.process.kill()
    machine.disk.cutPower([machine.process])
    const { lastSequence } = await reopen()
    assert.equal(lastSequence % 3, 0)
    seen.add(lastSequence)
    torn += machine.disk.tornGroups()
  }
  assert.ok(seen.size > 3 && torn > 20, `${[...seen].join()}, ${torn} torn`)
})

test('a sync that fails fails the group and all later ones; the group may be there all the same', async () => {
  const seen = new Set<number>()
  for (let seed = 1; seed <= 40; seed++) {
    const { world, machine, journal, reopen } = await setup(seed)
    await world.settle(appended(journal, ['kept']))
    machine.disk.faults.failsNextSync = true
    await assert.rejects(world.settle(appended(journal, ['in doubt'])), { code: 'disk_failed' })
    await assert.rejects(world.settle(appended(journal, ['later'])), { code: 'disk_failed' })
    seen.add((await reopen()).lastSequence)
  }
  assert.deepEqual([...seen].toSorted(), [1, 2])
})

test('a full disk refuses to open and to write, and loses nothing that was acknowledged', async () => {
  const { world, machine, journal, reopen } = await setup(1)
  await world.settle(appended(journal, ['kept']))
  machine.disk.faults.isFull = true
  await assert.rejects(world.settle(appended(journal, ['lost'])), { code: 'disk_full' })
  await assert.rejects(world.settle(machine.host.blobs.put(new Uint8Array(1))), { code: 'disk_full' })
  assert.throws(() => machine.host.secrets.write('name', 'text'), { code: 'disk_full' })
  await assert.rejects(reopen(), { code: 'disk_full' })
  machine.disk.faults.isFull = false
  assert.equal((await reopen()).lastSequence, 1)
})

test('a stalled disk makes nothing durable, and keeps the order once it goes on', async () => {
  const { world, machine, journal } = await setup(1)
  machine.disk.faults.stalledUntilMs = world.scheduler.nowMs() + 5_000
  const done: number[] = []
  for (let group = 0; group < 20; group++) journal.append(['a'], () => done.push(group))
  await world.run(4_900)
  assert.deepEqual(done, [])
  await world.run(200)
  assert.deepEqual(
    done,
    Array.from({ length: 20 }, (_, index) => index),
  )
})

test('a flipped bit is found by its entry: when the journal opens near its end, else when it is read', async () => {
  let opened = 0
  for (let seed = 1; seed <= 20; seed++) {
    const { world, machine, journal, reopen } = await setup(seed)
    await world.settle(
      appended(
        journal,
        Array.from({ length: 300 }, (_, index) => `entry ${index}`),
      ),
    )
    machine.disk.flip('journal')
    const { sequence = 0, repair } = machine.disk.damage ?? {}
    assert.equal(machine.disk.verify('journal'), sequence)
    const corrupt = { code: 'journal_corrupt', details: { sequence } }
    if (sequence > 200) await assert.rejects(reopen(), corrupt)
    else {
      opened++
      await assert.rejects(world.settle((await reopen()).read(1, 300)), corrupt)
    }
    repair?.()
    assert.equal((await world.settle((await reopen()).read(1, 300))).length, 300)
  }
  assert.ok(opened > 0 && opened < 20)
})

test('a disk that is put back is as it was, and one that is replaced is empty and has another journal', async () => {
  const { world, machine, journal, reopen } = await setup(1)
  await world.settle(appended(journal, ['old']))
  machine.host.secrets.write('name', 'old')
  const image = machine.disk.backup()
  await world.settle(appended(journal, ['new']))
  machine.host.secrets.write('name', 'new')
  machine.disk.restore(image)
  const restored = await reopen()
  assert.deepEqual(
    [restored.id, restored.lastSequence, machine.host.secrets.read('name')],
    [journal.id, 1, 'old'],
  )
  machine.disk.replace()
  const replaced = await reopen()
  assert.notEqual(replaced.id, journal.id)
  assert.deepEqual([replaced.lastSequence, machine.host.secrets.read('name')], [0, null])
})

/** An open journal on a machine, and what the next process on it finds. */
async function setup(seed: number) {
  const world = createTestWorld(seed)
  const machine = world.machine('m')
  const journal: Journal = await world.settle(machine.host.journals.open('journal'))
  const reopen = (): Promise<Journal> =>
    world.settle(world.machine('next', machine.disk).host.journals.open('journal'))
  return { world, machine, journal, reopen }
}
