/** A core for the engine that measures, as on a machine where what it serves runs elsewhere, and the others for all else. */
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { MEASURED_CORE } from '../gateway/cores.ts'

export interface Cores {
  readonly isSplit: boolean
  /** The process, with all its threads, has the core of the engines from now on. */
  giveOwn(pid: number): void
}

/** This process and all that it starts from now on leave the first core to whom `giveOwn` names. */
export function splitCores(): Cores {
  const cores = availableParallelism()
  if (cores < 2 || spawnSync('taskset', ['--version']).status !== 0)
    throw new Error('This takes two cores and `taskset`; --together measures without.')
  keepTo(process.pid, `${MEASURED_CORE + 1}-${cores - 1}`)
  return { isSplit: true, giveOwn: (pid) => keepTo(pid, String(MEASURED_CORE)) }
}

/** The system places everything as it likes. */
export const commonCores: Cores = { isSplit: false, giveOwn: () => undefined }

function keepTo(pid: number, cores: string): void {
  const { status, stderr } = spawnSync('taskset', ['-a', '-p', '-c', cores, String(pid)])
  if (status !== 0) throw new Error(`taskset cannot place ${pid}: ${String(stderr)}`)
}
