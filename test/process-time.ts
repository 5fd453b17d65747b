/** Processor time of programs that this process started and that are over, as the kernel counts it (proc_pid_stat(5), `cutime` and `cstime`). */
import { readFileSync } from 'node:fs'

/** Of a second: what Linux promises to programs, whatever its own clock is. */
const TICKS = 100

let countedMs = 0

/** In milliseconds, since the last call; with what those had started and waited for. 0 where the kernel tells nothing. */
export function takeChildrenMs(): number {
  const beforeMs = countedMs
  countedMs = childrenMs()
  return countedMs - beforeMs
}

function childrenMs(): number {
  try {
    const stat = readFileSync('/proc/self/stat', 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return ((Number(fields[13]) + Number(fields[14])) * 1_000) / TICKS
  } catch {
    return 0
  }
}
