import type { Gpu, MigDevice } from '#protocol/capability.ts'
import {
  clip,
  type GpuProbe,
  noGpus,
  readCount,
  readPercent,
  readTemperature,
  readWatts,
  type ToolResult,
} from './gpu-probe.ts'
import { readMigList } from './nvidia-mig.ts'

/** What is asked of `nvidia-smi`, in this order. The first six are as old as the tool. */
export const nvidiaFields = [
  'index',
  'uuid',
  'name',
  'memory.total',
  'memory.used',
  'driver_version',
  'utilization.gpu',
  'power.draw',
  'power.limit',
  'temperature.gpu',
  'pcie.link.gen.current',
  'pcie.link.width.current',
  'mig.mode.current',
  'ecc.errors.uncorrected.volatile.total',
] as const
export type NvidiaField = (typeof nvidiaFields)[number]

export const nvidiaQuery = (fields: readonly NvidiaField[]): readonly string[] => [
  `--query-gpu=${fields.join(',')}`,
  '--format=csv,noheader,nounits',
]

/** The field that this version of `nvidia-smi` does not know, when that is what it complains of: ask again without it. */
export function unknownField(result: ToolResult): NvidiaField | null {
  if (typeof result === 'string') return null
  const name = /Field "([^"]+)" is not a valid field to query/.exec(result.stdout + result.stderr)?.[1]
  return nvidiaFields.find((field) => field === name) ?? null
}

/**
 * Reads the answer to `nvidiaQuery(fields)`, and for GPUs in MIG mode the answer to `nvidia-smi -L` in `migList`.
 * Lines that are not of that form are the driver's complaints: they become problems.
 */
export function parseNvidiaSmi(
  result: ToolResult,
  fields: readonly NvidiaField[] = nvidiaFields,
  migList: ToolResult = 'not_found',
): GpuProbe {
  if (result === 'not_found') return noGpus
  if (result === 'timed_out') return { gpus: [], problems: [TIMED_OUT] }
  const gpus: Gpu[] = []
  const problems: string[] = []
  const devicesByGpu = readMigList(migList)
  for (const line of `${result.stdout}\n${result.stderr}`.split('\n').filter((text) => text.trim() !== '')) {
    const row = readRow(line, fields)
    if (row === null) problems.push(...explain(line))
    else gpus.push(toGpu(row, devicesByGpu.get(row.get('uuid') ?? '') ?? [], typeof migList !== 'string'))
  }
  if (gpus.length === 0 && problems.length === 0 && result.code !== 0) {
    problems.push(
      `nvidia-smi failed with code ${result.code} and said nothing. Run it by hand, and reinstall the NVIDIA driver if it fails there too.`,
    )
  }
  return { gpus, problems: [...new Set(problems)] }
}

/** True when some GPU is partitioned, so that `nvidia-smi -L` is worth asking. */
export const hasMig = (probe: GpuProbe): boolean => probe.gpus.some((gpu) => gpu.mig !== null)

/** The cells of one GPU's line. */
type Row = ReadonlyMap<NvidiaField, string>

/** The cells by name, or `null` when the line is not a GPU's. Only the name may hold commas of its own. */
function readRow(line: string, fields: readonly NvidiaField[]): Row | null {
  const cells = line.split(',').map((cell) => cell.trim())
  const nameAt = fields.indexOf('name')
  const surplus = cells.length - fields.length
  if (surplus < 0 || !/^\d+$/.test(cells[0] ?? '')) return null
  cells.splice(nameAt, surplus + 1, cells.slice(nameAt, nameAt + surplus + 1).join(', '))
  return new Map(fields.map((field, at) => [field, cells[at] ?? '']))
}

const BROKEN = /unknown error|requires reset|gpu is lost|fallen off|\berr!/i

function toGpu(row: Row, devices: readonly MigDevice[], isListed: boolean): Gpu {
  const isPartitioned = row.get('mig.mode.current') === 'Enabled'
  const reason = findFault(row, isPartitioned && isListed && devices.length === 0)
  const has = (text: string | undefined): string | null =>
    text && !/^\[|^N\/A$|error/i.test(text) ? clip(text) : null
  return {
    index: readCount(row.get('index'), 1024) ?? 0,
    uuid: has(row.get('uuid')) ?? `nvidia-${row.get('index')}`,
    vendor: 'nvidia',
    name: has(row.get('name')) ?? 'NVIDIA GPU',
    vramMib: readCount(row.get('memory.total'), MIB_MAX) ?? 0,
    vramUsedMib: readCount(row.get('memory.used'), MIB_MAX),
    utilisationPercent: readPercent(row.get('utilization.gpu')),
    powerWatts: readWatts(row.get('power.draw')),
    powerLimitWatts: readWatts(row.get('power.limit')),
    temperatureC: readTemperature(row.get('temperature.gpu')),
    driver: has(row.get('driver_version')),
    pcieGeneration: readCount(row.get('pcie.link.gen.current'), 100),
    pcieLanes: readCount(row.get('pcie.link.width.current'), 100),
    mig: isPartitioned ? { devices: [...devices] } : null,
    healthy: reason === null,
    unhealthyReason: reason,
  }
}
const MIB_MAX = 2 ** 40

/** Why this GPU must not get work, or `null`. */
function findFault(row: Row, isEmptyMig: boolean): string | null {
  const broken = [...row].find(([, cell]) => BROKEN.test(cell))
  if (broken) {
    const [field, cell] = broken
    return clip(
      `The driver answers ${cell} for ${field}: reset the GPU (nvidia-smi --gpu-reset -i ${row.get('index')}) or restart the machine.`,
    )
  }
  const errors = readCount(row.get('ecc.errors.uncorrected.volatile.total'), Number.MAX_SAFE_INTEGER) ?? 0
  if (errors > 0) {
    return `Its memory had ${errors} uncorrected errors since the driver started: reset the GPU, and replace it if they come back.`
  }
  if (isEmptyMig)
    return 'It is in MIG mode without an instance, so nothing can run on it: create instances or turn MIG off.'
  return null
}

const TIMED_OUT = 'nvidia-smi did not answer in time: the NVIDIA driver hangs. Restart the machine.'
const DRIVER_ABSENT =
  'The NVIDIA driver is installed but not running: load it (modprobe nvidia), or reinstall it for this kernel.'

/** What the driver's complaints mean, in order of precedence. An empty advice is a line that adds nothing. */
const complaints: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/^NVML library version/i, ''],
  [/^Make sure that the latest NVIDIA driver is installed/i, ''],
  [
    /No devices were found/i,
    'The NVIDIA driver runs but finds no GPU: check that the card is seated and powered, and in a container that it was passed in.',
  ],
  [
    /Driver\/library version mismatch/i,
    'The NVIDIA driver was updated while its old version still runs: restart the machine.',
  ],
  [/couldn't communicate with the NVIDIA driver|Driver Not Loaded/i, DRIVER_ABSENT],
  [
    /couldn't find libnvidia-ml|NVML Shared Library/i,
    'nvidia-smi is there but the library libnvidia-ml.so is not: install the whole NVIDIA driver, and in a container pass it in.',
  ],
  [
    /Insufficient Permissions/i,
    'This user may not ask the NVIDIA driver: add it to the group that owns /dev/nvidia*.',
  ],
]

function explain(line: string): string[] {
  const text = clip(line)
  const known = complaints.find(([pattern]) => pattern.test(text))
  if (known) return known[1] === '' ? [] : [known[1]]
  const lost = /device handle for GPU\s*(?:\d+: )?([0-9a-f:.]+):/i.exec(text)
  if (lost)
    return [
      `The GPU at PCI address ${lost[1]} does not answer the driver: restart the machine, and reseat the card if it comes back.`,
    ]
  return [clip(`nvidia-smi says: ${text}`)]
}
