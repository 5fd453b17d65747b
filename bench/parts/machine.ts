/** What a figure was measured on: without it, a figure says nothing. */
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'

export interface MachineState {
  readonly cpuModel: string
  readonly cores: number
  readonly memoryGib: number
  readonly node: string
  /** Processes that wanted a core, on average over the last minute: above `cores`, others took part of the machine. */
  readonly loadAverage: number
  readonly measuredAt: string
}

export const machineState = (): MachineState => ({
  cpuModel: cpus()[0]?.model.trim() ?? 'unknown processor',
  cores: availableParallelism(),
  memoryGib: Math.round(totalmem() / 2 ** 30),
  node: process.versions.node,
  loadAverage: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  measuredAt: new Date().toISOString(),
})

export function describeMachine(machine: MachineState): string {
  const { cpuModel, cores, memoryGib, node, loadAverage, measuredAt } = machine
  const shared = loadAverage > cores ? ' (shared: more wanted to run than there are cores)' : ''
  return `${cpuModel}, ${cores} cores, ${memoryGib} GiB, Node ${node}, load ${loadAverage}${shared}, ${measuredAt}`
}

/** Prints a figure for people, or the whole result as one line of JSON. */
export function print(isJson: boolean, result: object, describe: () => readonly string[]): void {
  if (isJson) console.log(JSON.stringify({ machine: machineState(), ...result }))
  else for (const line of [describeMachine(machineState()), '', ...describe()]) console.log(line)
}

export const whole = (value: number): string => Math.round(value).toLocaleString('en')
