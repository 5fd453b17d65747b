import { type GpuProbe, noGpus } from '#fleet/gpu-probe/gpu-probe.ts'
import {
  hasMig,
  type NvidiaField,
  nvidiaFields,
  nvidiaQuery,
  parseNvidiaSmi,
  unknownField,
} from '#fleet/gpu-probe/nvidia-smi.ts'
import { parseRocmSmi, rocmQuery } from '#fleet/gpu-probe/rocm-smi.ts'
import type { CommandResult, Machine } from './machine.ts'

/** The driver wakes sleeping GPUs first: ten seconds with eight of them is ordinary, a minute is a hang. */
const TIMEOUT_MS = 30_000

/** Asks the vendors' tools for every GPU of the machine. Never rejects: what fails becomes a problem of the probe. */
export async function probeGpus(
  machine: Pick<Machine, 'run' | 'readFile' | 'listFolder'>,
): Promise<GpuProbe> {
  const [nvidia, amd] = await Promise.all([probeNvidia(machine), probeAmd(machine)])
  return { gpus: [...nvidia.gpus, ...amd.gpus], problems: [...nvidia.problems, ...amd.problems] }
}

async function probeNvidia(machine: Pick<Machine, 'run' | 'readFile' | 'listFolder'>): Promise<GpuProbe> {
  let fields: NvidiaField[] = [...nvidiaFields]
  let result = await ask(machine, fields)
  if (result === 'not_found') return withoutTool(machine, NVIDIA)
  // An old driver names one field that it does not know at a time.
  for (
    let unknown = unknownField(result);
    unknown !== null && fields.includes(unknown);
    unknown = unknownField(result)
  ) {
    fields = fields.filter((field) => field !== unknown)
    result = await ask(machine, fields)
  }
  const probe = parseNvidiaSmi(result, fields)
  if (!hasMig(probe)) return probe
  return parseNvidiaSmi(result, fields, await machine.run('nvidia-smi', ['-L'], { timeoutMs: TIMEOUT_MS }))
}

const ask = (machine: Pick<Machine, 'run'>, fields: readonly NvidiaField[]): Promise<CommandResult> =>
  machine.run('nvidia-smi', nvidiaQuery(fields), { timeoutMs: TIMEOUT_MS })

async function probeAmd(machine: Pick<Machine, 'run' | 'readFile' | 'listFolder'>): Promise<GpuProbe> {
  const result = await machine.run('rocm-smi', rocmQuery, { timeoutMs: TIMEOUT_MS })
  return result === 'not_found' ? withoutTool(machine, AMD) : parseRocmSmi(result)
}

interface Vendor {
  readonly pciId: string
  readonly advice: string
}
const NVIDIA: Vendor = {
  pciId: '0x10de',
  advice: 'The machine has an NVIDIA card but no nvidia-smi: install the NVIDIA driver to offer it.',
}
const AMD: Vendor = {
  pciId: '0x1002',
  advice: 'The machine has an AMD card but no rocm-smi: install ROCm to offer it.',
}

const PCI_FOLDER = '/sys/bus/pci/devices'
/** VGA controllers and the 3D controllers of data centres, not the audio device of a card. */
const DISPLAY_CLASS = /^0x03(00|02)/

/** A card without its tool is a problem; neither is an ordinary machine. */
function withoutTool(machine: Pick<Machine, 'readFile' | 'listFolder'>, vendor: Vendor): GpuProbe {
  const read = (device: string, name: string) =>
    machine.readFile(`${PCI_FOLDER}/${device}/${name}`)?.trim() ?? ''
  const hasCard = machine
    .listFolder(PCI_FOLDER)
    .some((device) => read(device, 'vendor') === vendor.pciId && DISPLAY_CLASS.test(read(device, 'class')))
  return hasCard ? { gpus: [], problems: [vendor.advice] } : noGpus
}
