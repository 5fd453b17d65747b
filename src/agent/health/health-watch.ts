/**
 * Looks every few seconds how the machine's GPUs are: the kernel's log and the driver's own counters. A machine without a
 * GPU is never looked at.
 */
import { type Course, diagnose, newCourse, type Signs } from '#fleet/gpu-health/diagnose.ts'
import { parseKernelFaults } from '#fleet/gpu-health/kernel-faults.ts'
import {
  type GpuCondition,
  type HealthField,
  healthFields,
  healthQuery,
  parseNvidiaHealth,
  unknownHealthField,
} from '#fleet/gpu-health/nvidia-health.ts'
import type { Clock, Log } from '#host/host.ts'
import type { Machine } from '#host/machine.ts'
import type { Gpu } from '#protocol/capability.ts'
import type { DeviceFault } from '#protocol/node-health.ts'

export interface HealthWatch {
  /** What is wrong with the machine's devices, as found last. */
  faults(): readonly DeviceFault[]
  /** Runs whenever that changed. */
  onChange(run: () => void): void
  close(): void
}

export const LOOK_EVERY_MS = 10_000
const TIMEOUT_MS = 15_000

export function startHealthWatch(
  parts: { clock: Pick<Clock, 'after'>; log: Log; machine: Pick<Machine, 'run' | 'readFile'> },
  gpus: readonly Pick<Gpu, 'vendor'>[],
): HealthWatch {
  const { clock, log, machine } = parts
  const listeners: (() => void)[] = []
  const readLog = createKernelLog(machine)
  const hasNvidia = gpus.some(({ vendor }) => vendor === 'nvidia')
  let fields: readonly HealthField[] = healthFields
  let course: Course = newCourse
  let faults: readonly DeviceFault[] = []
  let isClosed = false

  async function conditions(): Promise<readonly GpuCondition[] | null> {
    if (!hasNvidia) return []
    let result = await machine.run('nvidia-smi', healthQuery(fields), { timeoutMs: TIMEOUT_MS })
    for (let unknown = unknownHealthField(result); unknown; unknown = unknownHealthField(result)) {
      const known = fields.filter((field) => field !== unknown)
      if (known.length === fields.length) break
      fields = known
      result = await machine.run('nvidia-smi', healthQuery(fields), { timeoutMs: TIMEOUT_MS })
    }
    return parseNvidiaHealth(result, fields)
  }

  async function look(): Promise<void> {
    const [text, found] = await Promise.all([readLog(), conditions()])
    if (isClosed) return
    const signs: Signs = {
      uptimeSeconds: uptimeOf(machine.readFile('/proc/uptime')),
      kernel: text === null ? null : parseKernelFaults(text),
      gpus: found,
    }
    const next = diagnose(course, signs)
    course = next.course
    if (JSON.stringify(next.faults) !== JSON.stringify(faults)) {
      faults = next.faults
      for (const { device, code, message } of faults) log.warn('device.fault', { device, code, message })
      if (faults.length === 0) log.info('device.well')
      for (const run of listeners) run()
    }
    clock.after(LOOK_EVERY_MS, () => void look())
  }

  if (gpus.length > 0) void look()
  return {
    faults: () => faults,
    onChange: (run) => void listeners.push(run),
    close() {
      isClosed = true
    },
  }
}

/** By whichever way this user may read it; `null` where there is none. */
function createKernelLog(machine: Pick<Machine, 'run'>): () => Promise<string | null> {
  let ways = [
    ['dmesg', ['--kernel']],
    ['journalctl', ['-k', '-b', '-n', '2000', '-o', 'short-monotonic', '--no-pager', '-q']],
  ] as const
  return async () => {
    for (const [command, args] of ways) {
      const result = await machine.run(command, args, { timeoutMs: TIMEOUT_MS })
      if (typeof result === 'string' || result.code !== 0) continue
      ways = [[command, args]] as unknown as typeof ways
      return result.stdout
    }
    return null
  }
}

const uptimeOf = (text: string | null): number | null => {
  const seconds = Number.parseFloat(text ?? '')
  return Number.isFinite(seconds) ? seconds : null
}
