/** What `nvidia-smi` tells of the health of GPUs. Pure: whoever runs it passes its output in. */
import type { SicknessCode } from '#protocol/node-health.ts'
import { clip, readCount, type ToolResult } from '../gpu-probe/gpu-probe.ts'

/** What is asked, in this order. Drivers from 535 on call what slows the clock an event, older ones know only the first name. */
export const healthFields = [
  'index',
  'pci.bus_id',
  'ecc.errors.uncorrected.volatile.total',
  'clocks_throttle_reasons.active',
  'clocks_event_reasons.active',
] as const
export type HealthField = (typeof healthFields)[number]

export const healthQuery = (fields: readonly HealthField[]): readonly string[] => [
  `--query-gpu=${fields.join(',')}`,
  '--format=csv,noheader,nounits',
]

/** The field that this version of the tool does not know: ask again without it. */
export function unknownHealthField(result: ToolResult): HealthField | null {
  if (typeof result === 'string') return null
  const name = /Field "([^"]+)" is not a valid field to query/.exec(result.stdout + result.stderr)?.[1]
  return healthFields.find((field) => field === name) ?? null
}

/** One GPU at one moment. `code`: what is wrong with it for certain; heat and power only count when they last. */
export interface GpuCondition {
  readonly device: string
  readonly fault: { readonly code: SicknessCode; readonly message: string } | null
  readonly isHot: boolean
  readonly isBraked: boolean
}

const BROKEN = /unknown error|requires reset|gpu is lost|fallen off|\berr!/i
const LOST =
  /(?:unable to determine the device handle for|lost:) ?GPU\s*(?:\d+: )?([0-9a-f]+(?:[:.][0-9a-f]+)+)/i
/** Bits of what slows the clock, by NVML. */
const HW_SLOWDOWN = 0x8n
const HW_THERMAL = 0x40n
const HW_POWER_BRAKE = 0x80n

/** `null` when the tool is not there or did not answer as it should: that says nothing of any one GPU. */
export function parseNvidiaHealth(
  result: ToolResult,
  fields: readonly HealthField[] = healthFields,
): GpuCondition[] | null {
  if (typeof result === 'string') return null
  const conditions = `${result.stdout}\n${result.stderr}`.split('\n').flatMap((line) => {
    const [, lost] = LOST.exec(line) ?? []
    if (lost !== undefined) return [lostGpu(lost, 'The driver cannot reach it.')]
    return readLine(line, fields) ?? []
  })
  return conditions.length === 0 && result.code !== 0 ? null : conditions
}

function readLine(line: string, fields: readonly HealthField[]): GpuCondition | null {
  const cells = line.split(',').map((cell) => cell.trim())
  if (cells.length !== fields.length || !/^\d+$/.test(cells[0] ?? '')) return null
  const cellOf = (field: HealthField): string | undefined => cells[fields.indexOf(field)]
  const device = `GPU ${cells[0]}`
  const broken = cells.find((cell) => BROKEN.test(cell))
  if (broken) return lostGpu(device, `The driver answers ${broken}.`)
  const errors = readCount(cellOf('ecc.errors.uncorrected.volatile.total'), Number.MAX_SAFE_INTEGER) ?? 0
  const bits = bitsOf(cellOf('clocks_throttle_reasons.active') ?? cellOf('clocks_event_reasons.active'))
  const isBraked = (bits & HW_POWER_BRAKE) !== 0n
  return {
    device,
    fault:
      errors > 0
        ? { code: 'gpu_memory', message: `Its memory had ${errors} uncorrected errors since it was reset.` }
        : null,
    isHot: (bits & HW_THERMAL) !== 0n || ((bits & HW_SLOWDOWN) !== 0n && !isBraked),
    isBraked,
  }
}

const lostGpu = (device: string, message: string): GpuCondition => ({
  device: clip(device).slice(0, 64),
  fault: { code: 'gpu_lost', message: clip(message) },
  isHot: false,
  isBraked: false,
})

const bitsOf = (text: string | undefined): bigint =>
  text !== undefined && /^0x[0-9a-f]{1,16}$/i.test(text) ? BigInt(text) : 0n
