/** All meters of the machine, read in one round. */
import type { Clock } from '#host/host.ts'
import type { Machine } from '#host/machine.ts'
import { readCounters } from '#host/rapl.ts'
import { toProblem } from '#protocol/problem.ts'
import { createGpuPower } from './gpu-power.ts'
import type { MeterReading } from './integrate-power.ts'
import type { MeterRound } from './machine-energy.ts'
import type { SmartPlug } from './smart-plug.ts'

export interface MeterReadings extends MeterRound {
  /** By what they are about: what is wrong now, or `null` that all is well. */
  readonly problems: readonly (readonly [about: string, problem: string | null])[]
}

export interface Meters {
  /** The plug's address; `null` without one. */
  readonly plugHost: string | null
  /** Never rejects. */
  read(): Promise<MeterReadings>
}

/** A plug that reads less than this share of what the GPUs draw is on another socket. */
const PLUG_SHARE_MIN = 0.8
const GPU_WATTS_MIN = 100
/** Rounds in a row, for the two are read at different moments. */
const SUSPICIOUS_ROUNDS = 6

export function createMeters(
  clock: Pick<Clock, 'nowMs' | 'elapsedMs'>,
  machine: Pick<Machine, 'run' | 'readFile' | 'listFolder'>,
  plug: SmartPlug | null,
): Meters {
  const readGpus = createGpuPower(machine)
  let suspiciousRounds = 0

  async function readPlug(): Promise<{ reading: MeterReading | null; problem: string | null }> {
    if (!plug) return { reading: null, problem: null }
    try {
      const { watts, wattHours } = await plug.read()
      return { reading: { atMs: clock.elapsedMs(), watts, wattHours }, problem: null }
    } catch (error) {
      const { message } = toProblem(error)
      return {
        reading: null,
        problem: `The plug is silent, so the readings of the GPUs and the CPU count instead: a lower bound. ${message}`,
      }
    }
  }

  async function readGpu() {
    const { watts, problem } = await readGpus()
    return { reading: watts === null ? null : { atMs: clock.elapsedMs(), watts }, problem }
  }

  function isElsewhere(gpuWatts: number, plugWatts: number): boolean {
    const isLess = gpuWatts >= GPU_WATTS_MIN && plugWatts < PLUG_SHARE_MIN * gpuWatts
    suspiciousRounds = isLess ? suspiciousRounds + 1 : 0
    return suspiciousRounds >= SUSPICIOUS_ROUNDS
  }

  return {
    plugHost: plug?.host ?? null,
    async read() {
      const [gpu, socket] = await Promise.all([readGpu(), readPlug()])
      const counters = readCounters(machine)
      const elapsedMs = clock.elapsedMs()
      const elsewhere =
        gpu.reading && socket.reading && isElsewhere(gpu.reading.watts, socket.reading.watts)
          ? `The plug reads ${Math.round(socket.reading.watts)} W while the GPUs alone draw ${Math.round(gpu.reading.watts)} W: is it this machine's?`
          : null
      return {
        elapsedMs,
        nowMs: clock.nowMs(),
        gpu: gpu.reading,
        cpu: counters.size === 0 ? null : { atMs: elapsedMs, counters },
        plug: socket.reading,
        problems: [
          ['GPU power', gpu.problem],
          ['plug', socket.problem ?? elsewhere],
        ],
      }
    },
  }
}
