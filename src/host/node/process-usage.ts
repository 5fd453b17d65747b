/** What a process and all below it use, from `/proc`. */
import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessUsage {
  readonly residentBytes: number
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

/** Of `pid` and its descendants; zeros when it is gone, or where there is no `/proc`. */
export function usageOfTree(pid: number): ProcessUsage {
  const states = readStates()
  const children = Map.groupBy(states.keys(), (id) => states.get(id)?.parent ?? 0)
  let [residentPages, cpuTicks, processes] = [0, 0, 0]
  const queue = [pid]
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    const state = states.get(id)
    if (state === undefined) continue
    residentPages += state.residentPages
    cpuTicks += state.cpuTicks
    processes += state.threads
    queue.push(...(children.get(id) ?? []))
  }
  return {
    residentBytes: residentPages * PAGE_BYTES,
    cpuMs: (cpuTicks * 1000) / TICKS_PER_SECOND,
    processes,
  }
}

function readStates(): Map<number, ProcessState> {
  const states = new Map<number, ProcessState>()
  for (const name of list()) {
    const id = Number(name)
    if (!Number.isInteger(id)) continue
    const state = readState(id)
    if (state !== null) states.set(id, state)
  }
  return states
}

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
