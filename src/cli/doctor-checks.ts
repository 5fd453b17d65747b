/** What may be wrong with this machine for Shoal, each with the fix. The command that prints them is `doctor.ts`. */
import type { Clock } from '#host/host.ts'
import type { Machine } from '#host/machine.ts'
import { SECOND_MS } from '#kernel/time.ts'
import { type Check, type DoctorDeps, fail, gib, isClone, ok, warn } from './doctor-check.ts'
import { checkEngine, checkGpus } from './doctor-engine.ts'
import { checkNetwork, networkHere } from './doctor-network.ts'
import { checkPackages } from './doctor-packages.ts'
import { checkSystemParts } from './doctor-parts.ts'
import { checkRendering } from './doctor-rendering.ts'

type Computes = (deps: DoctorDeps) => Check | null | Promise<Check | readonly Check[] | null>

/** Every check that the role asks for, in the order in which one would mend them. Never rejects. */
export async function runDoctor(deps: DoctorDeps): Promise<readonly Check[]> {
  const { role } = deps
  const computes = role !== 'operate'
  const checks: readonly (readonly [isAsked: boolean, check: Computes])[] = [
    [true, checkNode],
    [true, checkPackages],
    [true, checkWindows],
    [true, ({ clock }) => checkClock(clock)],
    [true, checkNetwork],
    [true, checkCpu],
    [true, checkMemory],
    [true, checkFiles],
    [true, checkFolder],
    [true, checkDisk],
    [role !== 'provide', checkPort],
    [computes, checkEngine],
    [computes, checkGpus],
    [role === 'up' || role === 'provide', checkRendering],
    [role === 'test' || role === 'operate', checkSystemParts],
  ]
  const found = await Promise.all(checks.map(([isAsked, check]) => (isAsked ? check(deps) : null)))
  return found.flat().filter((check) => check !== null)
}

export const NODE_MAJOR_MIN = 24

export function checkNode(deps: Pick<DoctorDeps, 'machine' | 'rootFolder'>): Check {
  const { nodeVersion, nodePath } = deps.machine.facts()
  const line = { name: 'Node', found: `${nodeVersion} at ${nodePath}`, neededFor: 'everything' }
  if (Number.parseInt(nodeVersion, 10) >= NODE_MAJOR_MIN) return ok(line)
  const own = isClone(deps) ? '"npm start", which brings its own' : '"npx shoal", which brings its own'
  return fail(line, `Shoal needs Node ${NODE_MAJOR_MIN} or newer. Start it with ${own}.`)
}

/** Nothing on any other system. */
export function checkWindows({
  machine,
  dataFolder,
}: Pick<DoctorDeps, 'machine' | 'dataFolder'>): Check | null {
  const kernel = machine.readFile('/proc/version') ?? ''
  if (!/microsoft/i.test(kernel)) return null
  const line = { name: 'Windows', found: 'Linux inside Windows (WSL 2)', neededFor: 'everything' }
  if (!/microsoft-standard|WSL2/.test(kernel))
    return fail(
      { ...line, found: 'Linux inside Windows (WSL 1), whose files do not lock or sync as Linux promises' },
      'In a Windows terminal: wsl --set-version <distribution> 2.',
    )
  if (!/^\/mnt\/[a-z](\/|$)/.test(dataFolder)) return ok(line)
  return fail(
    {
      ...line,
      found: `${dataFolder} is on a Windows disk, where what was written may not be there after a crash`,
    },
    'Keep the data inside Linux: --data ~/.shoal.',
  )
}

const YEAR_2025_MS = 1_735_689_600_000
const YEAR_2100_MS = 4_102_444_800_000

export function checkClock(clock: Pick<Clock, 'nowMs'>): Check {
  const nowMs = clock.nowMs()
  const line = { name: 'Clock', found: new Date(nowMs).toISOString(), neededFor: 'bills and certificates' }
  if (nowMs >= YEAR_2025_MS && nowMs < YEAR_2100_MS) return ok(line)
  return fail(
    line,
    'Set it and keep it right: timedatectl set-ntp true, or date --set "2026-01-31 12:00 UTC".',
  )
}

export function checkCpu({ machine, role }: Pick<DoctorDeps, 'machine' | 'role'>): Check {
  const { cores, cpuModel } = machine.facts()
  const line = {
    name: 'CPU',
    found: `${cores} ${cores === 1 ? 'core' : 'cores'}, ${cpuModel}`,
    neededFor: 'answering while the engine computes',
  }
  if (cores >= 2 || role === 'provide' || role === 'operate') return ok(line)
  return warn(
    line,
    'The network and an engine share one core: give it two or more, or run the agent on another machine.',
  )
}

const MEMORY_MIB_MIN = 1024
const MEMORY_MIB_GOOD = 2048

export function checkMemory({ machine }: Pick<DoctorDeps, 'machine'>): Check {
  const { memoryMib, freeMemoryMib } = machine.facts()
  const line = {
    name: 'Memory',
    found: `${gib(memoryMib)} GiB, ${gib(freeMemoryMib)} GiB free`,
    neededFor: 'a network with its demo model, about 1 GiB; a model of 7 billion parameters takes 5 more',
  }
  const fix = `Give it ${gib(MEMORY_MIB_GOOD)} GiB, or end other programs.`
  if (memoryMib < MEMORY_MIB_MIN) return fail(line, fix)
  return freeMemoryMib < MEMORY_MIB_MIN || memoryMib < MEMORY_MIB_GOOD ? warn(line, fix) : ok(line)
}

const FILES_MIN = 4_096

/** Node raises its own limit as far as the hard one, which is the one that counts. */
export async function checkFiles({
  machine,
}: {
  readonly machine: Pick<Machine, 'run'>
}): Promise<Check | null> {
  const result = await machine.run('sh', ['-c', 'ulimit -Hn'], { timeoutMs: 10 * SECOND_MS })
  const limit = typeof result === 'string' ? '' : result.stdout.trim()
  if (!/^(\d+|unlimited)$/.test(limit)) return null
  const line = {
    name: 'Open files',
    found: limit === 'unlimited' ? 'as many as wanted' : `${limit} at most`,
    neededFor: 'a connection each, for callers and nodes',
  }
  if (limit === 'unlimited' || Number(limit) >= FILES_MIN) return ok(line)
  return warn(
    line,
    'Raise it: LimitNOFILE=65536 in a systemd unit, "* hard nofile 65536" in /etc/security/limits.conf for a login.',
  )
}

export async function checkFolder(deps: Pick<DoctorDeps, 'machine' | 'dataFolder'>): Promise<Check> {
  const line = { name: 'Data folder', found: deps.dataFolder, neededFor: 'the journal, keys and models' }
  const state = await deps.machine.folderState(deps.dataFolder)
  if (state.isWritable) return ok(line)
  const reasons = {
    read_only: 'is on a disk that is mounted read-only',
    no_permission: 'may not be written by this user',
    not_a_folder: 'is, or lies below, a file',
    failed: 'cannot be looked at',
  } satisfies Record<typeof state.reason, string>
  return fail(
    { ...line, found: `${deps.dataFolder} ${reasons[state.reason]}` },
    'Choose another folder with --data DIR.',
  )
}

const DISK_MIB_MIN = 512
const DISK_MIB_GOOD = 5 * 1024

export async function checkDisk(deps: Pick<DoctorDeps, 'machine' | 'dataFolder'>): Promise<Check> {
  const freeMib = await deps.machine.diskFreeMib(deps.dataFolder)
  const neededFor = 'the journal and models; one of 7 billion parameters takes about 5 GiB'
  const fix = 'Free some space, or choose a folder on another disk with --data DIR.'
  if (freeMib === null)
    return warn(
      { name: 'Disk', found: `the free space of ${deps.dataFolder} cannot be read`, neededFor },
      fix,
    )
  const line = { name: 'Disk', found: `${gib(freeMib)} GiB free`, neededFor }
  if (freeMib < DISK_MIB_MIN) return fail(line, fix)
  return freeMib < DISK_MIB_GOOD ? warn(line, fix) : ok(line)
}

export async function checkPort(
  deps: Pick<DoctorDeps, 'machine' | 'port' | 'dataFolder' | 'fetch'>,
): Promise<Check> {
  const state = await deps.machine.portState(deps.port)
  const line = { name: 'Port', found: `${deps.port} is free`, neededFor: 'listening for callers and nodes' }
  if (state === 'free') return ok(line)
  if (state === 'forbidden')
    return fail(
      { ...line, found: `this user may not listen on ${deps.port}` },
      'Choose a port above 1023 with --port N.',
    )
  const network = await networkHere(deps)
  if (network !== null)
    return ok({ ...line, found: `${deps.port} is in use by this network, "${network}", which runs` })
  return warn(
    { ...line, found: `${deps.port} is taken` },
    'All is well if that is Shoal itself. If not, end the other program or choose a port with --port N.',
  )
}
