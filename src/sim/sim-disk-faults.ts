/** What disks do to the processes that rely on them. */
import { assert } from '#kernel/assert.ts'
import type { Random } from '#kernel/random.ts'
import type { DiskFaultKind } from './sim-plan.ts'
import type { ServerMachine, SimWorld } from './sim-world.ts'

/** One strike of a fault: where, by which chances, whether it is still time for it, and what counts it. */
export interface Strike {
  readonly world: SimWorld
  readonly random: Random
  readonly isHealed: () => boolean
  readonly struck: () => void
}

const WATCH_EVERY_MS = 50
const WATCH_MS_MAX = 60_000

const pick = <T>(items: readonly T[], random: Random): T => items[random.int(items.length)] as T

/** The coordinator's as often as all gateways' together. */
const pickMachine = ({ world, random }: Strike): ServerMachine => {
  const [coordinator, ...gateways] = world.machines()
  return random.chance(1, 2) ? (coordinator as ServerMachine) : pick(gateways, random)
}
const pickGateway = ({ world, random }: Strike): ServerMachine => pick(world.machines().slice(1), random)

/** Waits for the moment at which `isSo`, and gives up after a while. */
function whenever(strike: Strike, isSo: () => boolean, run: () => void): void {
  const { scheduler } = strike.world
  const untilMs = scheduler.nowMs() + WATCH_MS_MAX
  const look = (): void => {
    if (strike.isHealed() || scheduler.nowMs() > untilMs) return
    if (isSo()) run()
    else scheduler.after(WATCH_EVERY_MS, look)
  }
  look()
}

const startLater = ({ world, random }: Strike, machine: ServerMachine): void =>
  void world.scheduler.after(200 + random.int(20_000), () => machine.start())

/** All that this gateway ever metered is in the ledger. */
const isDrained = ({ disk, journal }: ServerMachine): boolean => disk.durable(journal).length === 0

export const diskFaults: Record<DiskFaultKind, (strike: Strike) => void> = {
  power_cut(strike) {
    const machine = pickMachine(strike)
    strike.struck()
    machine.cutPower()
    startLater(strike, machine)
  },
  /** A bit flips in a durable entry: the next start refuses it, or a person who reads all of it finds it, and mends it. */
  disk_flip(strike) {
    const machine = pickMachine(strike)
    const { disk, journal } = machine
    const { scheduler } = strike.world
    whenever(
      strike,
      () => machine.isUp() && disk.damage === null && disk.durable(journal).length > 0,
      () => {
        machine.kill()
        if (!disk.flip(journal)) return
        strike.struck()
        scheduler.after(100 + strike.random.int(5_000), () => machine.start())
        scheduler.after(10_000 + strike.random.int(20_000), () => mendDisk(machine))
      },
    )
  },
  /** The kept snapshot, or what refers to it, is no longer what was written; then the coordinator starts anew. */
  snapshot_harm(strike) {
    const [machine] = strike.world.machines() as [ServerMachine]
    machine.kill()
    if (machine.disk.harmSnapshot()) strike.struck()
    startLater(strike, machine)
  },
  sync_failure(strike) {
    strike.struck()
    pickMachine(strike).disk.faults.failsNextSync = true
  },
  disk_full(strike) {
    const { faults } = pickMachine(strike).disk
    strike.struck()
    faults.isFull = true
    strike.world.scheduler.after(2_000 + strike.random.int(20_000), () => {
      faults.isFull = false
    })
  },
  /** Nothing lands for a while, or every sync takes long. */
  disk_slow(strike) {
    const { scheduler } = strike.world
    const { faults } = pickMachine(strike).disk
    strike.struck()
    const durationMs = 500 + strike.random.int(10_000)
    if (strike.random.chance(1, 2)) faults.stalledUntilMs = scheduler.nowMs() + durationMs
    else faults.delayMsMax = 2_000
    scheduler.after(2 * durationMs, () => {
      faults.delayMsMax = 0
    })
  },
  /** A gateway comes back on an empty disk: its spool begins at one again, under a new id. */
  disk_replaced(strike) {
    const machine = pickGateway(strike)
    whenever(
      strike,
      () => machine.isUp() && machine.disk.damage === null && isDrained(machine),
      () => {
        strike.struck()
        machine.kill()
        machine.disk.replace()
        startLater(strike, machine)
      },
    )
  },
  /** A gateway comes back on an older copy of its disk: the ledger knows more of its spool than it does. */
  disk_restored(strike) {
    const machine = pickGateway(strike)
    const { disk } = machine
    if (disk.damage) return
    const image = disk.backup()
    strike.world.scheduler.after(10_000 + strike.random.int(60_000), () =>
      whenever(
        strike,
        () => machine.isUp() && disk.damage === null && isDrained(machine),
        () => {
          strike.struck()
          machine.kill()
          disk.restore(image)
          startLater(strike, machine)
        },
      ),
    )
  },
}

/** A person reads the whole record, finds by its number the entry that is damaged, and puts it back from a backup. */
export function mendDisk({ disk, start }: ServerMachine): void {
  const { damage } = disk
  if (!damage) return
  const found = disk.verify(damage.journal)
  assert(found === damage.sequence, `entry ${damage.sequence} is damaged, and reading finds ${found}`)
  damage.repair()
  assert(disk.verify(damage.journal) === null, 'a mended record is whole')
  start()
}

/** Nothing is wrong with any disk from here on. */
export function healDisks(world: SimWorld): void {
  for (const machine of world.machines()) {
    Object.assign(machine.disk.faults, {
      isFull: false,
      failsNextSync: false,
      stalledUntilMs: 0,
      delayMsMax: 0,
    })
    mendDisk(machine)
  }
}
