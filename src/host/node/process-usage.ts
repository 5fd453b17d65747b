/** What a process and all below it use, from `/proc`. */
import { readdirSync, readFileSync } from 'node:fs'
import { type Nameless, sumNameless } from './nameless-files.ts'

export interface ProcessUsage {
  readonly residentBytes: number
  /** Of open files that have no name any more, or never had one, on disks and in memory. */
  readonly nameless: Nameless
  readonly cpuMs: number
  /** Threads count. */
  readonly processes: number
}

/** Of Linux on all that we run on. */
const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4_096

interface ProcessState {
  readonly parent: number
  readonly cpuTicks: number
  readonly threads: number
  readonly residentPages: number
}

/** Looks at a few hundred other processes take longer than all else that a watch does: they are looked at so rarely. */
const ALL_EVERY = 20

/**
 * Answers what `pid` and its descendants use; zeros when it is gone, or where there is no `/proc`. Each watch remembers
 * which processes are none of them, for a process never becomes another's child but its reaper's.
 */
export function watchTree(pid: number): () => ProcessUsage {
  let strangers: ReadonlySet<number> = new Set()
  let looks = 0
  return () => {
    const known = looks++ % ALL_EVERY === 0 ? new Set<number>() : strangers
    const ids = listIds()
    const states = readStates(ids.filter((id) => !known.has(id)))
    const tree = treeOf(pid, states)
    strangers = new Set(ids.filter((id) => !tree.has(id)))
    return { ...sumOf([...tree.values()]), nameless: sumNameless([...tree.keys()]) }
  }
}

/** Whether `pid` is `ancestor` or was started by it, at whatever remove. */
export function isBelow(pid: number, ancestor: number): boolean {
  for (let at = pid; at > 0; at = readState(at)?.parent ?? 0) if (at === ancestor) return true
  return false
}

function treeOf(pid: number, states: ReadonlyMap<number, ProcessState>): Map<number, ProcessState> {
  const children = Map.groupBy(states.keys(), (id) => states.get(id)?.parent ?? 0)
  const tree = new Map<number, ProcessState>()
  const queue = [pid]
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    const state = states.get(id)
    if (state === undefined) continue
    tree.set(id, state)
    queue.push(...(children.get(id) ?? []))
  }
  return tree
}

function sumOf(states: readonly ProcessState[]): Omit<ProcessUsage, 'nameless'> {
  const sum = (of: (state: ProcessState) => number): number =>
    states.reduce((total, state) => total + of(state), 0)
  return {
    residentBytes: sum(({ residentPages }) => residentPages) * PAGE_BYTES,
    cpuMs: (sum(({ cpuTicks }) => cpuTicks) * 1000) / TICKS_PER_SECOND,
    processes: sum(({ threads }) => threads),
  }
}

function readStates(ids: readonly number[]): Map<number, ProcessState> {
  const states = new Map<number, ProcessState>()
  for (const id of ids) {
    const state = readState(id)
    if (state !== null) states.set(id, state)
  }
  return states
}

const listIds = (): readonly number[] => list().map(Number).filter(Number.isInteger)

function list(): readonly string[] {
  try {
    return readdirSync('/proc')
  } catch {
    return []
  }
}

/** The name of the program, in brackets, may hold spaces and brackets: fields are counted from behind it. */
function readState(pid: number): ProcessState | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    const field = (at: number): number => Number(fields[at - 3] ?? 0)
    // Over, and only waiting for its parent to notice.
    if (fields[0] === 'Z') return null
    return {
      parent: field(4),
      cpuTicks: field(14) + field(15),
      threads: field(20),
      residentPages: field(24),
    }
  } catch {
    return null
  }
}
