/** What a machine's signs come to: which of its devices are at fault now. Pure, and in steps, since heat counts only when it lasts. */
import { HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import type { DeviceFault } from '#protocol/node-health.ts'
import type { KernelFault } from './kernel-faults.ts'
import type { GpuCondition } from './nvidia-health.ts'

/** What one look found. */
export interface Signs {
  /** Seconds since the machine started; `null` where it does not tell: then its log says nothing either. */
  readonly uptimeSeconds: number | null
  /** `null`: its log could not be read. */
  readonly kernel: readonly KernelFault[] | null
  /** `null`: the driver was asked and did not answer. Empty where there is nothing to ask. */
  readonly gpus: readonly GpuCondition[] | null
}

/** How many looks in a row found the same, by device. Begin with `newCourse`. */
export interface Course {
  readonly hot: ReadonlyMap<string, Streak>
  readonly braked: ReadonlyMap<string, Streak>
  readonly silent: number
  readonly kernel: Reported
}
/** The faults in the kernel's log. */
interface Reported {
  /** The stamp of the newest; `null` before the log was read. */
  readonly newest: number | null
  /** The uptime, in seconds, at which each was first seen. */
  readonly seenAt: ReadonlyMap<string, number>
}
interface Streak {
  readonly looks: number
  /** Looks since it last was so; once it counted it is over only when it has been gone for a while. */
  readonly gone: number
  readonly counts: boolean
}
export const newCourse: Course = {
  hot: new Map(),
  braked: new Map(),
  silent: 0,
  kernel: { newest: null, seenAt: new Map() },
}

const LOOKS_TO_COUNT = 3
const LOOKS_TO_PASS = 6
const SILENT_LOOKS = 2
/** What the kernel reported holds for so long: a reset leaves no line behind. */
const GRAVE_FOR_MS = 30 * MINUTE_MS
/** So many passing faults of one device within an hour are no accident. */
const PASSING_MAX = 3
const FAULTS_MAX = 64

export function diagnose(before: Course, signs: Signs): { course: Course; faults: DeviceFault[] } {
  const { gpus } = signs
  const course: Course = {
    hot: gpus ? stepStreaks(before.hot, gpus, ({ isHot }) => isHot) : before.hot,
    braked: gpus ? stepStreaks(before.braked, gpus, ({ isBraked }) => isBraked) : before.braked,
    silent: gpus ? 0 : before.silent + 1,
    kernel: stepReported(before.kernel, signs),
  }
  const faults: DeviceFault[] = [
    ...ofKernel(signs, course.kernel.seenAt),
    ...(gpus ?? []).flatMap(({ device, fault }) => (fault ? { device, ...fault } : [])),
    ...lasting(course.hot, 'gpu_hot', 'It is so hot that it slows itself down.'),
    ...lasting(course.braked, 'gpu_power', 'The power supply brakes it.'),
  ]
  if (course.silent >= SILENT_LOOKS)
    faults.push({ device: 'driver', code: 'gpu_silent', message: 'nvidia-smi does not answer.' })
  return { course, faults: faults.slice(0, FAULTS_MAX) }
}

const nameOf = ({ device, code, atSeconds }: KernelFault): string => `${device} ${code} ${atSeconds}`

/**
 * The stamps of the log stand still while the machine sleeps, and the uptime does not: after one night in all no stamp is of the
 * last hour any more. So what was not there at the look before is of now, whatever its stamp. Only of what was there at the
 * first look nothing but the stamp is known.
 */
function stepReported(before: Reported, { kernel, uptimeSeconds }: Signs): Reported {
  if (!kernel || uptimeSeconds === null) return before
  const seenAt = new Map<string, number>()
  let newest = before.newest ?? 0
  for (const fault of kernel) {
    const { atSeconds } = fault
    // Another way to the log may show what is older than all that was seen.
    const isNew = before.newest !== null && atSeconds > before.newest
    seenAt.set(nameOf(fault), before.seenAt.get(nameOf(fault)) ?? (isNew ? uptimeSeconds : atSeconds))
    newest = Math.max(newest, atSeconds)
  }
  return { newest, seenAt }
}

function ofKernel({ kernel, uptimeSeconds }: Signs, seenAt: Reported['seenAt']): DeviceFault[] {
  if (!kernel || uptimeSeconds === null) return []
  const ageMs = (fault: KernelFault): number =>
    (uptimeSeconds - (seenAt.get(nameOf(fault)) ?? fault.atSeconds)) * 1_000
  const lately = kernel.filter((fault) => ageMs(fault) < HOUR_MS)
  const byDevice = new Map<string, KernelFault>()
  for (const fault of lately) {
    const { device, isGrave, code } = fault
    const alike = lately.filter((other) => other.device === device && other.code === code && !other.isGrave)
    const counts = isGrave ? ageMs(fault) < GRAVE_FOR_MS : alike.length >= PASSING_MAX
    if (counts) byDevice.set(`${device} ${code}`, fault)
  }
  return [...byDevice.values()].map(({ device, code, message }) => ({ device, code, message }))
}

function stepStreaks(
  before: ReadonlyMap<string, Streak>,
  gpus: readonly GpuCondition[],
  isSo: (gpu: GpuCondition) => boolean,
): ReadonlyMap<string, Streak> {
  return new Map(
    gpus.map((gpu) => {
      const { looks, gone, counts } = before.get(gpu.device) ?? { looks: 0, gone: 0, counts: false }
      if (isSo(gpu)) {
        const next = looks + 1
        return [gpu.device, { looks: next, gone: 0, counts: counts || next >= LOOKS_TO_COUNT }]
      }
      return [gpu.device, { looks: 0, gone: gone + 1, counts: counts && gone + 1 < LOOKS_TO_PASS }]
    }),
  )
}

const lasting = (
  streaks: ReadonlyMap<string, Streak>,
  code: DeviceFault['code'],
  message: string,
): DeviceFault[] => [...streaks].flatMap(([device, { counts }]) => (counts ? { device, code, message } : []))
