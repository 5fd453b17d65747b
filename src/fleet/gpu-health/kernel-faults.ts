/**
 * Faults of GPUs in the kernel's log. NVIDIA's driver numbers them (Xid): some are a program's own doing, some pass, and
 * some mean that the card does nothing right until it is reset. Pure: whoever reads the log passes its text in.
 */
import type { SicknessCode } from '#protocol/node-health.ts'
import { clip } from '../gpu-probe/gpu-probe.ts'

export interface KernelFault {
  /** Seconds since the machine started. */
  readonly atSeconds: number
  /** PCI address. */
  readonly device: string
  readonly code: SicknessCode
  readonly message: string
  /** One is enough; of others only several within an hour say something about the card. */
  readonly isGrave: boolean
}

interface Kind {
  readonly code: SicknessCode
  readonly isGrave: boolean
  readonly what: string
}
const grave = (code: SicknessCode, what: string): Kind => ({ code, isGrave: true, what })
const passing = (code: SicknessCode, what: string): Kind => ({ code, isGrave: false, what })

/** By NVIDIA's catalogue of Xid errors; what is not here is a program's fault or news. */
const xids: ReadonlyMap<number, Kind> = new Map([
  [13, passing('gpu_fault', 'graphics engine exception')],
  [31, passing('gpu_fault', 'memory page fault')],
  [46, grave('gpu_fault', 'the GPU stopped processing')],
  [48, grave('gpu_memory', 'double bit ECC error')],
  [56, passing('gpu_fault', 'display engine error')],
  [61, passing('gpu_fault', 'internal micro-controller breakpoint')],
  [62, grave('gpu_fault', 'internal micro-controller halt')],
  [64, grave('gpu_memory', 'a broken page or row of memory could not be retired')],
  [69, passing('gpu_fault', 'graphics engine class error')],
  [74, grave('gpu_fault', 'NVLink error')],
  [79, grave('gpu_lost', 'the GPU has fallen off the bus')],
  [92, passing('gpu_memory', 'high rate of single bit ECC errors')],
  [94, passing('gpu_memory', 'contained ECC error')],
  [95, grave('gpu_memory', 'uncontained ECC error')],
  [109, passing('gpu_fault', 'context switch timed out')],
  [110, grave('gpu_fault', 'security fault')],
  [119, grave('gpu_silent', 'the GPU system processor does not answer')],
  [120, grave('gpu_fault', 'error of the GPU system processor')],
  [136, grave('gpu_fault', 'link training failed')],
  [140, grave('gpu_memory', 'unrecovered ECC error')],
  [143, grave('gpu_fault', 'the GPU could not be initialised')],
])

const STAMP = /^(?:<\d+>)?\[\s*(\d+(?:\.\d+)?)\]\s+(.*)$/
const XID = /NVRM: Xid \(PCI:([0-9a-f:.]+)\): (\d+)(?:,|\b)/i
const FALLEN = /NVRM: .*?(?:PCI:)?([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}(?:\.\d)?).*fallen off the bus/i
const AMD = /amdgpu ([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.\d): (.*)$/i

const amdFaults: readonly (readonly [pattern: RegExp, kind: Kind])[] = [
  [/GPU reset\s?(?:\(\d+\) )?(?:failed|end with ret = -)/i, grave('gpu_lost', 'the GPU could not be reset')],
  [/device lost from bus/i, grave('gpu_lost', 'the GPU has fallen off the bus')],
  [/\b[1-9]\d* (?:new )?uncorrectable|poison/i, grave('gpu_memory', 'uncorrectable memory error')],
  [/SMU: .*(?:not responding|I'm not done)/i, passing('gpu_silent', 'the power controller does not answer')],
  [/ring \S+ timeout/i, passing('gpu_fault', 'a queue of the GPU hung')],
]

/** All faults in `text`, as `dmesg` or `journalctl -k -o short-monotonic` print it, oldest first. */
export function parseKernelFaults(text: string): KernelFault[] {
  return text.split('\n').flatMap((line) => {
    const [, seconds, said] = STAMP.exec(line.trim()) ?? []
    if (seconds === undefined || said === undefined) return []
    const found = ofNvidia(said) ?? ofAmd(said)
    return found ? { atSeconds: Number(seconds), ...found } : []
  })
}

function ofNvidia(said: string): Omit<KernelFault, 'atSeconds'> | null {
  const [, device, number] = XID.exec(said) ?? []
  if (device !== undefined) {
    const kind = xids.get(Number(number))
    return kind ? { device, ...toldOf(kind, `Xid ${number}`) } : null
  }
  const [, lost] = FALLEN.exec(said) ?? []
  return lost === undefined
    ? null
    : { device: lost, ...toldOf(grave('gpu_lost', 'the GPU has fallen off the bus')) }
}

function ofAmd(said: string): Omit<KernelFault, 'atSeconds'> | null {
  const [, device, rest = ''] = AMD.exec(said) ?? []
  const kind = amdFaults.find(([pattern]) => pattern.test(rest))?.[1]
  return device !== undefined && kind ? { device, ...toldOf(kind) } : null
}

const toldOf = ({ code, isGrave, what }: Kind, name?: string) => ({
  code,
  isGrave,
  message: clip(`The kernel reports: ${what}${name ? ` (${name})` : ''}.`),
})
