/** What a figure was measured on: without it, a figure says nothing. */
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'

export interface MachineState {
  readonly cpuModel: string
  readonly cores: number
  readonly memoryGib: number
  readonly node: string
  /** Processes that wanted a core in the minute before it began: so much of the machine others had. */
  readonly loadAverage: number
  readonly measuredAt: string
}

const loadBefore = loadavg()[0] ?? 0
/** Before a bench leaves some of them to what it measures. */
const cores = availableParallelism()

export const machineState = (): MachineState => ({
  cpuModel: cpus()[0]?.model.trim() ?? 'unknown processor',
  cores,
  memoryGib: Math.round(totalmem() / 2 ** 30),
  node: process.versions.node,
  loadAverage: Math.round(loadBefore * 10) / 10,
  measuredAt: new Date().toISOString(),
})

export function describeMachine(machine: MachineState): string {
  const { cpuModel, cores, memoryGib, node, loadAverage, measuredAt } = machine
  const shared = loadAverage > 0.5 ? ' (not ours: the machine is shared)' : ''
  return `${cpuModel}, ${cores} cores, ${memoryGib} GiB, Node ${node}, load before ${loadAverage}${shared}, ${measuredAt}`
}

/** Prints a figure for people, or the whole result as one line of JSON. */
export function print(isJson: boolean, result: object, describe: () => readonly string[]): void {
  if (isJson) console.log(JSON.stringify({ machine: machineState(), ...result }))
  else for (const line of [describeMachine(machineState()), '', ...describe()]) console.log(line)
}

export const whole = (value: number): string => Math.round(value).toLocaleString('en')
