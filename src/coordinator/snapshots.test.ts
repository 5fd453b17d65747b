import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JournalEntry } from '#host/host.ts'
import { createTestWorld, foundCell, type TestMachine } from '#sim/test-world.ts'
import { openCoordinator } from './coordinator.ts'
import { emptyState, formatState } from './coordinator-state.ts'
import { createSnapshots } from './snapshots.ts'
import { startTurn } from './turn.ts'

test('the newest snapshot is read back as it was saved', async () => {
  const { world, machine, snapshots, text } = await setup()
  await world.settle(snapshots.save(text, 7))
  const { state, sequence } = await world.settle(createSnapshots(machine.host, journal).load(9))
  assert.deepEqual([formatState(state), sequence], [text, 7])
})

test('a new snapshot takes the place of the one before', async () => {
  const { world, machine, snapshots, text } = await setup()
  await world.settle(snapshots.save(formatState(emptyState()), 7))
  const { hash } = readRef(machine)
  await world.settle(snapshots.save(text, 8))
  assert.equal(await world.settle(machine.host.blobs.get(hash)), null)
  assert.equal((await world.settle(snapshots.load(9))).sequence, 8)
})

test('a snapshot of a history that was restored away is not used', async () => {
  const { world, machine, snapshots, text } = await setup()
  await world.settle(snapshots.save(text, 7))
  const others = [{ epoch: 2, payload: 'entry 7' }, { epoch: 1, payload: 'entry 8' }, null]
  for (const other of others) {
    const restored = { id: journal.id, read: async () => (other ? [{ sequence: 7, ...other }] : []) }
    assert.equal((await world.settle(createSnapshots(machine.host, restored).load(9))).sequence, 0)
  }
  assert.equal((await world.settle(snapshots.load(9))).sequence, 7)
})

test('a save while another runs is skipped, and the same state twice keeps its one blob', async () => {
  const { world, machine, snapshots, text } = await setup()
  const first = snapshots.save(text, 7)
  await world.settle(Promise.all([first, snapshots.save(text, 8)]))
  assert.equal(readRef(machine).sequence, 7)
  await world.settle(snapshots.save(text, 8))
  assert.equal((await world.settle(snapshots.load(9))).sequence, 8)
})

const harms: readonly [name: string, harm: (machine: TestMachine) => Promise<void> | void][] = [
  ['whose blob is gone', (machine) => machine.host.blobs.delete(readRef(machine).hash)],
  ['of another journal', (machine) => writeRef(machine, { journalId: 'another' })],
  ['of a later format', (machine) => writeRef(machine, { version: 1_000 })],
  ['from before jobs were part of the state', (machine) => writeRef(machine, { version: 6 })],
  ['newer than the journal', (machine) => writeRef(machine, { sequence: 1_000 })],
  ['whose reference names another entry', (machine) => writeRef(machine, { sequence: 0 })],
  ['whose reference is cut short', (machine) => machine.host.secrets.write('snapshot', '{"version":1,"jour')],
  ['whose reference is no object', (machine) => machine.host.secrets.write('snapshot', 'null')],
  [
    'that is not what a state looks like',
    async (machine) =>
      writeRef(machine, { hash: await machine.host.blobs.put(new TextEncoder().encode('{')) }),
  ],
]

for (const [name, harm] of harms) {
  test(`a snapshot ${name} means a full replay, said in the log`, async () => {
    const { world, machine } = await setup()
    const coordinator = await world.settle(openCoordinator(machine.host, options))
    coordinator.execute(
      (turn) => foundCell(turn),
      () => {},
    )
    const text = formatState(coordinator.state)
    await world.settle(coordinator.close())
    await world.settle(Promise.resolve(harm(machine)))

    const next = world.machine('next', machine.disk)
    const reopened = await world.settle(openCoordinator(next.host, options))
    assert.equal(formatState(reopened.state), text)
    assert.deepEqual(next.logged, ['snapshot.unusable', 'coordinator.opened'])
  })
}

test('a disk that cannot give the blob means a full replay too', async () => {
  const { world, machine, snapshots, text } = await setup()
  await world.settle(snapshots.save(text, 7))
  const get = () => Promise.reject(new Error('input/output error'))
  const blobs = { ...machine.host.blobs, get }
  const broken = createSnapshots({ ...machine.host, blobs }, journal)
  assert.equal((await world.settle(broken.load(9))).sequence, 0)
  assert.ok(machine.logged.includes('snapshot.unusable'))
})

test('a snapshot that cannot be kept is said in the log and stops nothing', async () => {
  const { world, machine, text } = await setup()
  const put = () => Promise.reject(new Error('no space left'))
  const blobs = { ...machine.host.blobs, put }
  const full = createSnapshots({ ...machine.host, blobs }, journal)
  full.save(text, 7)
  await world.settle(full.settle())
  assert.deepEqual([machine.logged, machine.host.secrets.read('snapshot')], [['snapshot.failed'], null])
})

const options = { snapshotEvery: 1_000, onFatal: (problem: Error) => assert.fail(problem) }

interface Ref {
  readonly version: number
  readonly journalId: string
  readonly sequence: number
  readonly hash: string
}

const readRef = ({ host }: TestMachine): Ref => JSON.parse(host.secrets.read('snapshot') ?? '') as Ref

const writeRef = (machine: TestMachine, part: Partial<Ref>): void =>
  machine.host.secrets.write('snapshot', JSON.stringify({ ...readRef(machine), ...part }))

/** Any journal of a hundred entries. */
class HundredEntries {
  readonly id = 'journal-1'
  readonly #last = 100
  async read(sequence: number): Promise<JournalEntry[]> {
    return sequence > this.#last ? [] : [{ sequence, epoch: 1, payload: `entry ${sequence}` }]
  }
}
const journal = new HundredEntries()

/** Snapshots of `journal`, and the text of a state to save. */
async function setup() {
  const world = createTestWorld()
  const machine = world.machine('coordinator')
  const state = emptyState()
  foundCell(startTurn(state, 1_800_000_000_000, []))
  const snapshots = createSnapshots(machine.host, journal)
  return {
    world,
    machine,
    text: formatState(state),
    snapshots: {
      load: snapshots.load,
      save(text: string, sequence: number) {
        snapshots.save(text, sequence)
        return snapshots.settle()
      },
    },
  }
}
