/**
 * Disks that fail: syncs that end with an error, a disk that takes a second for each, one that became read-only, and bits that flipped. Nothing
 * acknowledged is lost, and no harm is served in silence.
 */
import { cpSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { mountSmallDisk } from '#host/node/small-disk.ts'
import { createRandom } from '#kernel/random.ts'
import { buildChaosLibc, type ChaosLibc } from '../../test/chaos/chaos-libc.ts'
import { proveBooks, settle } from '../../test/e2e/books.ts'
import { until } from '../../test/e2e/process-group.ts'
import { type Network, openRig, type Rig } from '../../test/e2e/rig.ts'
import {
  balanceOf,
  type CommandLoad,
  founderAccount,
  proveDeposits,
  startCommands,
} from '../../test/e2e/takeover-load.ts'
import { type Check, none, type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { startWrapped } from './wrapped-network.ts'

const PER_SECOND = 50
const DISK_KIB = 256 * 1024
/** Each of one nano-USD, before the disk is write-protected. */
const COMMANDS = 100

export async function disk({ seed, isQuick }: ScenarioOptions): Promise<ScenarioResult> {
  const rig = openRig()
  try {
    const libc = buildChaosLibc(rig)
    const notRun = typeof libc === 'string' ? [`syncs that fail or are slow: ${libc}`] : []
    const parts = [
      ...(typeof libc === 'string' ? [] : [await failingSyncs(rig, libc, isQuick)]),
      await readOnly(rig),
      await flippedBits(rig, { seed, flips: isQuick ? 6 : 40 }),
    ]
    return {
      figures: Object.assign({}, ...parts.map(({ figures }) => figures)) as Record<string, unknown>,
      checks: parts.flatMap(({ checks }) => checks),
      notRun: [...notRun, ...parts.flatMap(({ notRun: some = [] }) => some)],
    }
  } finally {
    await rig.dispose()
  }
}

/** Commands all the while; answers how many were acknowledged, and proves that each happened once. */
async function underCommands(
  network: Network,
  run: (commands: CommandLoad) => Promise<void>,
): Promise<number> {
  const accountId = await founderAccount(network)
  const before = await balanceOf(network, accountId)
  const commands = startCommands(network.operator, accountId, PER_SECOND)
  await run(commands)
  await commands.stop()
  const usage = await settle(network, 0)
  await proveBooks(network.operator, usage)
  await proveDeposits(network, { accountId, before, usage, commands })
  return commands.acknowledged.length
}

async function failingSyncs(rig: Rig, libc: ChaosLibc, isQuick: boolean): Promise<ScenarioResult> {
  const faults = libc.faults('disk')
  const network = await startWrapped(rig, faults.command, { folder: rig.path('syncs') })
  let whileFailing = 0
  let slowest = 0
  const acknowledged = await underCommands(network, async (commands) => {
    await commands.firstAfter(performance.now())
    for (let time = 0; time < (isQuick ? 2 : 10); time++) {
      faults.setSync('fails')
      const failedMs = performance.now()
      await sleep(3_000)
      // What was synced before may still be told of: only what was sent later counts.
      whileFailing += commands.acknowledged.filter(({ sentMs }) => sentMs > failedMs).length
      faults.setSync('works')
      await commands.firstAfter(performance.now())
    }
    tell('syncs take a second each')
    faults.setSync(1_000)
    for (let time = 0; time < (isQuick ? 2 : 10); time++) {
      const sentMs = performance.now()
      slowest = Math.max(slowest, (await commands.firstAfter(sentMs)).acknowledgedMs - sentMs)
    }
    faults.setSync('works')
  })
  await end(network)
  return {
    figures: { acknowledgedAroundFailingSyncs: acknowledged, slowDiskMs: Math.round(slowest) },
    checks: [none('commands sent and acknowledged while no sync worked', whileFailing)],
  }
}

async function readOnly(rig: Rig): Promise<ScenarioResult> {
  const small = mountSmallDisk(DISK_KIB)
  if (typeof small === 'string')
    return { figures: {}, checks: [], notRun: [`a write-protected disk: ${small}`] }
  try {
    const folder = join(small.folder, 'data')
    const network = await startWrapped(rig, [], { folder })
    const accountId = await founderAccount(network)
    const deposit = (index: number): Promise<boolean> =>
      network.operator
        .depositToAccount({
          params: { accountId },
          body: { transferId: `ro-${index}`, createdAtMs: Date.now(), amount: 1n, memo: '', isTest: true },
        })
        .then(
          () => true,
          () => false,
        )
    const start = await balanceOf(network, accountId)
    let acknowledged = 0
    for (let index = 0; index < COMMANDS; index++) if (await deposit(index)) acknowledged++
    const before = await balanceOf(network, accountId)
    await killAll(rig)
    // Whoever is ending may still have files open there.
    await until('the disk to be protected', () => isDone(() => small.protect()))
    const refused = await rig.run(['up', '--data', folder, '--port', '0', '--no-agent'])
    const isNamed = /^shoal: .* cannot be written/m.test(refused.stderr) && !/^\s+at /m.test(refused.stderr)
    small.resize(DISK_KIB)
    await writable(small.folder)
    const again = await startWrapped(rig, [], { folder })
    const kept = await balanceOf(again, accountId)
    await end(again)
    return {
      figures: { readOnlySays: refused.stderr.trim().split('\n')[0] },
      checks: [
        {
          what: 'a write-protected disk',
          found: isNamed ? 'refused with the reason' : 'not refused so',
          pass: 'refused with the reason',
          isPassed: isNamed,
        },
        ...judgeKept({ acknowledged, start, before, kept }),
      ],
    }
  } finally {
    await killAll(rig)
    await until('the disk to be free', () => isDone(() => small.dispose()))
  }
}

/** Nothing can be lost of commands that were refused. */
export function judgeKept(found: {
  readonly acknowledged: number
  readonly start: bigint
  readonly before: bigint
  readonly kept: bigint
}): Check[] {
  const { acknowledged, start, before, kept } = found
  const happened = Number(before - start)
  return [
    {
      what: 'commands acknowledged before',
      found: `${acknowledged}, of which ${happened} happened`,
      pass: `${COMMANDS}`,
      isPassed: acknowledged === COMMANDS && happened === COMMANDS,
    },
    none(`of ${COMMANDS} commands acknowledged before, lost`, Number(before - kept)),
  ]
}

function isDone(act: () => void): boolean {
  try {
    act()
    return true
  } catch {
    return false
  }
}

/** At this point nothing else of the rig runs. */
const killAll = (rig: Rig): Promise<true> =>
  until('all processes to be gone', () => {
    for (const { pid } of rig.processes()) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It ended by itself.
      }
    }
    return rig.processes().length === 0
  })

const writable = (folder: string): Promise<true> =>
  until('the disk to take writes', () => isDone(() => writeFileSync(join(folder, 'probe'), '')))

/** Each in a copy of the journal of a network that ended: refused by name, or without effect; never another state in silence. */
async function flippedBits(
  rig: Rig,
  { seed, flips }: { seed: number; flips: number },
): Promise<ScenarioResult> {
  const network = await startWrapped(rig, [], { folder: rig.path('flips') })
  await underCommands(network, async (commands) => {
    for (let time = 0; time < 3; time++) await commands.firstAfter(performance.now())
  })
  await end(network)
  const sound = await verifyAt(rig, network.folder)
  if (sound === null) throw new Error('`shoal journal verify` refuses a journal that nobody has harmed')
  const random = createRandom(seed)
  const found: Record<Flip, number> = { refused: 0, harmless: 0, silent: 0 }
  const copy = rig.path('flipped')
  for (let flip = 0; flip < flips; flip++) {
    rmSync(copy, { recursive: true, force: true })
    cpSync(network.folder, copy, { recursive: true })
    const file = join(copy, 'journals/journal.db')
    const at = random.int(statSync(file).size)
    const bytes = readFileSync(file)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.int(8))
    writeFileSync(file, bytes)
    found[flipOf(sound, await verifyAt(rig, copy))]++
  }
  tell(`${flips} bits flipped: ${JSON.stringify(found)}`)
  const checks: Check[] = [
    none(`of ${flips} flipped bits, those that changed the state in silence`, found.silent),
  ]
  return { figures: { flips, ...found }, checks }
}

/** What `shoal journal verify` says that a journal comes to. */
export interface Verified {
  /** How many entries, events and leaders it has, and its id, as it is printed. */
  readonly contents: string
  readonly digest: string
}

/** `null` when the journal is refused. Throws when it is taken, and what it comes to is not told. */
export function readVerified({ code, stdout }: { code: number | null; stdout: string }): Verified | null {
  if (code !== 0) return null
  const contents = /^\s+([\d,]+ entries, .+)$/m.exec(stdout)?.[1]
  const digest = /^\s+state (\S+)$/m.exec(stdout)?.[1]
  if (contents === undefined || digest === undefined)
    throw new Error(`\`shoal journal verify\` tells no entries or no state: ${stdout}`)
  return { contents, digest }
}

type Flip = 'refused' | 'harmless' | 'silent'

/** A journal that is taken with another state, or fewer entries, was harmed in silence. */
export function flipOf(sound: Verified, flipped: Verified | null): Flip {
  if (flipped === null) return 'refused'
  return flipped.digest === sound.digest && flipped.contents === sound.contents ? 'harmless' : 'silent'
}

const verifyAt = async (rig: Rig, folder: string): Promise<Verified | null> =>
  readVerified(await rig.run(['journal', 'verify', '--data', folder]))

async function end(network: Network): Promise<void> {
  network.program.signal('SIGINT')
  await network.program.end
}
