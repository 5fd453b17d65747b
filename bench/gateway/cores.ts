/** Programs that each keep to one core, and what the kernel counted of their work: the measured one, and all else. */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'

/** The measured program has the first core; what loads it and what is behind it share the second. */
export const MEASURED_CORE = 0
export const LOAD_CORE = 1

const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4096

export interface PinnedOptions extends SpawnOptions {
  readonly core: number
  /** 0 to 19: the higher, the sooner it waits for others. */
  readonly nice?: number
}

/** Starts `command` on one core; its children and threads stay there. It ends with this process at the latest. */
export function startOn(
  { core, nice = 0, ...options }: PinnedOptions,
  command: readonly string[],
): ChildProcess {
  const wrapped = [
    'taskset',
    '-c',
    String(core),
    ...(nice > 0 ? ['nice', '-n', String(nice)] : []),
    ...command,
  ]
  return endWithUs(spawn(wrapped[0] ?? '', wrapped.slice(1), options))
}

/** Nothing is left behind, however this process ends. */
export function endWithUs(child: ChildProcess): ChildProcess {
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  child.once('exit', () => process.off('exit', kill))
  return child
}

/** Signals end this process in order, so that what it started is ended too. */
export function obeySignals(): void {
  process.setMaxListeners(0)
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => process.exit(130))
}

/** Ends it, at once when it does not end in time. */
export async function end(child: ChildProcess, graceMs = 3_000): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
  await exited
  clearTimeout(timer)
}

/** Microseconds of processor time that `pid` and what it started have used, of all their threads, without `except`. */
export const cpuMicrosOf = (pid: number, except?: number): number =>
  treeOf(pid).reduce(
    (sum, each) => sum + (each === except ? 0 : cpuMicros(readOr(`/proc/${each}/stat`, ''))),
    0,
  )

/** Bytes of memory that `pid` and what it started hold. */
export const memoryOf = (pid: number): number =>
  treeOf(pid).reduce((sum, each) => sum + residentBytes(readOr(`/proc/${each}/statm`, '')), 0)

/** Microseconds that all cores together were busy since the machine started. */
export const busyMicros = (): number => busyMicrosIn(readFileSync('/proc/stat', 'utf8'))

/** The utime and stime of `/proc/PID/stat`; the name before them may hold anything. */
export function cpuMicros(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  return (ticks * 1_000_000) / TICKS_PER_SECOND
}

export const residentBytes = (statm: string): number => Number(statm.split(' ')[1] ?? 0) * PAGE_BYTES

/** User, nice, system, interrupts and stolen time of the first line of `/proc/stat`: all but idle and waiting for a disk. */
export function busyMicrosIn(stat: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (stat.split('\n', 1)[0] ?? '')
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return ((user + nice + system + irq + softirq + steal) * 1_000_000) / TICKS_PER_SECOND
}

function treeOf(pid: number): number[] {
  const children = listOr(`/proc/${pid}/task`).flatMap((thread) =>
    readOr(`/proc/${pid}/task/${thread}/children`, '').split(' ').filter(Boolean).map(Number),
  )
  return [pid, ...children.flatMap(treeOf)]
}

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return otherwise // It ended meanwhile.
  }
}

function listOr(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
