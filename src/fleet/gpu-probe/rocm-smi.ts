import type { Gpu } from '#protocol/capability.ts'
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

export const rocmQuery: readonly string[] = [
  '--showproductname',
  '--showuniqueid',
  '--showmeminfo',
  'vram',
  '--showuse',
  '--showpower',
  '--showmaxpower',
  '--showtemp',
  '--showdriverversion',
  '--json',
]

/** Names of one value over the releases of ROCm, best first, in lower case: the case changed between releases too. */
const keys = {
  name: ['card series', 'device name', 'card model'],
  uuid: ['unique id', 'serial number'],
  /** Of a card's kind and place: machines of one kind all have the same. */
  place: ['guid'],
  vramTotal: ['vram total memory (b)'],
  vramUsed: ['vram total used memory (b)'],
  use: ['gpu use (%)'],
  power: [
    'average graphics package power (w)',
    'current socket graphics package power (w)',
    'current graphics package power (w)',
  ],
  powerLimit: ['max graphics package power (w)'],
  temperature: [
    'temperature (sensor edge) (c)',
    'temperature (sensor junction) (c)',
    'temperature (sensor memory) (c)',
  ],
} as const

type Card = ReadonlyMap<string, string>

/** Reads the answer to `rocmQuery`. Warnings before the JSON are ROCm's habit and ignored. */
export function parseRocmSmi(result: ToolResult): GpuProbe {
  if (result === 'not_found') return noGpus
  if (result === 'timed_out') return { gpus: [], problems: [TIMED_OUT] }
  const report = readJson(result.stdout)
  if (report === null) return { gpus: [], problems: explain(result) }
  const driver = toCard(report.get('system')).get('driver version') ?? null
  const gpus = [...report]
    .map(([key, value]) => [/^card(\d{1,3})$/.exec(key)?.[1], value] as const)
    .filter((entry): entry is readonly [string, unknown] => entry[0] !== undefined)
    .map(([index, value]) => toGpu(Number(index), toCard(value), driver))
    .toSorted((a, b) => a.index - b.index)
  return { gpus, problems: [] }
}

function toGpu(index: number, card: Card, driver: string | null): Gpu {
  const vramBytes = readCount(find(card, keys.vramTotal), Number.MAX_SAFE_INTEGER)
  const reason =
    vramBytes === null || vramBytes === 0
      ? `rocm-smi cannot read its memory: see dmesg for amdgpu errors and restart the machine.`
      : null
  return {
    index,
    uuid: clip(find(card, keys.uuid) ?? `amd-${find(card, keys.place) ?? index}`),
    vendor: 'amd',
    name: clip(find(card, keys.name) ?? 'AMD GPU'),
    vramMib: toMib(vramBytes) ?? 0,
    vramUsedMib: toMib(readCount(find(card, keys.vramUsed), Number.MAX_SAFE_INTEGER)),
    utilisationPercent: readPercent(find(card, keys.use)),
    powerWatts: readWatts(find(card, keys.power)),
    powerLimitWatts: readWatts(find(card, keys.powerLimit)),
    temperatureC: readTemperature(find(card, keys.temperature)),
    driver: driver === null ? null : clip(driver),
    pcieGeneration: null,
    pcieLanes: null,
    mig: null,
    healthy: reason === null,
    unhealthyReason: reason,
  }
}

const toMib = (bytes: number | null): number | null => (bytes === null ? null : Math.floor(bytes / 2 ** 20))

/** The first of `names` that the card has a real value for. */
const find = (card: Card, names: readonly string[]): string | undefined =>
  names
    .map((name) => card.get(name))
    .find((value) => value !== undefined && !/^$|^n\/a$|not supported|^unknown$/i.test(value))

/** The values of a card as text, by lower-case name. Releases disagree on whether numbers are quoted. */
function toCard(value: unknown): Card {
  const entries = value !== null && typeof value === 'object' ? Object.entries(value) : []
  return new Map(entries.map(([key, item]) => [key.toLowerCase(), String(item).trim()]))
}

function readJson(stdout: string): ReadonlyMap<string, unknown> | null {
  const text = stdout.slice(stdout.indexOf('{'), stdout.lastIndexOf('}') + 1)
  try {
    const value: unknown = JSON.parse(text)
    return value !== null && typeof value === 'object' ? new Map(Object.entries(value)) : null
  } catch {
    return null
  }
}

const TIMED_OUT = 'rocm-smi did not answer in time: the AMD driver hangs. Restart the machine.'

/** What it means that there is no JSON. */
function explain(result: Exclude<ToolResult, string>): string[] {
  const text = `${result.stdout}\n${result.stderr}`
  if (/not initialized|amdgpu not found/i.test(text)) {
    return [
      'rocm-smi is installed but the amdgpu driver is not running: load it (modprobe amdgpu), or install it for this kernel.',
    ]
  }
  if (/No JSON data to report|No AMD GPU/i.test(text)) return []
  const line = text.split('\n').find((part) => part.trim() !== '')
  return [clip(`rocm-smi failed with code ${result.code}: ${line ?? 'it said nothing'}`)]
}
