/** Devices of simulated machines: those of a few nodes fall ill now and then, and get well by themselves. */
import type { HealthWatch } from '#agent/health/health-watch.ts'
import type { Clock } from '#host/host.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import type { DeviceFault } from '#protocol/node-health.ts'

const ILL_EVERY = 7
const FIRST_AFTER_MS = 20 * SECOND_MS
const ILL_MS = 30 * SECOND_MS
const AGAIN_AFTER_MS = 3 * MINUTE_MS
const FAULT: DeviceFault = { device: 'GPU 0', code: 'gpu_fault', message: 'The kernel reports: it is ill.' }

/** Begins anew with the process that `clock` belongs to. */
export function createSimHealth(
  clock: Pick<Clock, 'after'>,
  { index, staysWell }: { readonly index: number; readonly staysWell: boolean },
): Pick<HealthWatch, 'faults' | 'onChange'> {
  const listeners: (() => void)[] = []
  let faults: readonly DeviceFault[] = []
  function become(next: readonly DeviceFault[]): void {
    faults = next
    for (const run of listeners) run()
  }
  function fall(): void {
    become([FAULT])
    clock.after(ILL_MS, () => {
      become([])
      clock.after(AGAIN_AFTER_MS, fall)
    })
  }
  if (!staysWell && index % ILL_EVERY === 3) clock.after(FIRST_AFTER_MS + index * SECOND_MS, fall)
  return { faults: () => faults, onChange: (run) => void listeners.push(run) }
}
