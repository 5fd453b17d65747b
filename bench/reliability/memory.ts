/** What a process has in memory, and the most that it had while somebody looked. */
import { readFileSync } from 'node:fs'

/** MiB; 0 for a process that is gone. */
export function residentMib(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024
  } catch {
    return 0
  }
}
