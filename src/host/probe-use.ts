/** What other programs and people do with this machine: asked of Linux, and of the driver of NVIDIA's cards. */
import { SECOND_MS } from '#kernel/time.ts'
import type { Machine } from './machine.ts'

export interface UseProbe {
  /** From 0 to 1 of the processor since the last time it was asked; `null` the first time, and where nobody tells. */
  othersCpuShare(): number | null
  /** Of the busiest GPU, of this moment; `null` where nobody tells. */
  othersGpuShare(): Promise<number | null>
  /** Since somebody typed into a terminal or used the desktop; `null` where nobody tells. */
  idleMs(nowMs: number): Promise<number | null>
}

const TIMEOUT_MS = 5 * SECOND_MS

/** `pid`: this process; what it started is its own too. */
export function createUseProbe(
  machine: Pick<Machine, 'listFolder' | 'readFile' | 'run'>,
  pid: number,
): UseProbe {
  let before: { readonly busy: number; readonly total: number; readonly own: number } | null = null
  return {
    othersCpuShare() {
      const whole = readWhole(machine.readFile('/proc/stat'))
      if (!whole) return null
      const now = { ...whole, own: ownTicks(readProcesses(machine), pid) }
      const last = before
      before = now
      if (!last || now.total <= last.total) return null
      const others = now.busy - last.busy - Math.max(0, now.own - last.own)
      return Math.min(1, Math.max(0, others / (now.total - last.total)))
    },
    async othersGpuShare() {
      const said = await machine.run('nvidia-smi', ['pmon', '-c', '1', '-s', 'u'], { timeoutMs: TIMEOUT_MS })
      if (typeof said === 'string' || said.code !== 0) return null
      return readGpuUse(said.stdout, new Set(ownOf(readProcesses(machine), pid)))
    },
    async idleMs(nowMs) {
      const seen = [...(await terminalsUsedMs(machine)), ...(await desktopsUsedMs(machine, nowMs))]
      return seen.length === 0 ? null : Math.max(0, nowMs - Math.max(...seen))
    },
  }
}

/** Of all processors together, in ticks: waiting for a disk is idle. */
function readWhole(text: string | null): { busy: number; total: number } | null {
  const [, fields] = /^cpu +(.+)$/m.exec(text ?? '') ?? []
  if (fields === undefined) return null
  const ticks = fields.split(' ').map(Number).slice(0, 8)
  const total = ticks.reduce((sum, part) => sum + part, 0)
  return { total, busy: total - (ticks[3] ?? 0) - (ticks[4] ?? 0) }
}

interface ProcessTicks {
  readonly pid: number
  readonly parent: number
  /** Its own, and of its children that are gone. */
  readonly ticks: number
}

function readProcesses({ listFolder, readFile }: Pick<Machine, 'listFolder' | 'readFile'>): ProcessTicks[] {
  return listFolder('/proc').flatMap((name) => {
    const text = /^\d+$/.test(name) ? readFile(`/proc/${name}/stat`) : null
    // The name of a program may have blanks and brackets in it.
    const fields = text
      ?.slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    if (!fields) return []
    const ticks = fields.slice(11, 15).reduce((sum, part) => sum + part, 0)
    return [{ pid: Number(name), parent: fields[1] ?? 0, ticks }]
  })
}

const ownTicks = (processes: readonly ProcessTicks[], pid: number): number => {
  const own = new Set(ownOf(processes, pid))
  return processes.reduce((sum, one) => sum + (own.has(one.pid) ? one.ticks : 0), 0)
}

function ownOf(processes: readonly ProcessTicks[], pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const { pid: child, parent } of processes)
    children.set(parent, [...(children.get(parent) ?? []), child])
  const own = [pid]
  // It grows while it is gone through.
  for (const parent of own) own.push(...(children.get(parent) ?? []))
  return own
}

/** Lines as `0 4711 C 85 12 - - - - python`: a card, a process, and what it uses in percent. */
export function readGpuUse(text: string, own: ReadonlySet<number>): number | null {
  const byCard = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, card = '', pid = '', share = ''] = /^\s*(\d+)\s+(\d+|-)\s+\S+\s+(\d+|-)/.exec(line) ?? []
    if (card === '') continue
    const others = pid === '-' || share === '-' || own.has(Number(pid)) ? 0 : Number(share) / 100
    byCard.set(card, (byCard.get(card) ?? 0) + others)
  }
  return byCard.size === 0 ? null : Math.min(1, Math.max(...byCard.values()))
}

async function terminalsUsedMs({ listFolder, run }: Pick<Machine, 'listFolder' | 'run'>): Promise<number[]> {
  const terminals = listFolder('/dev/pts')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => `/dev/pts/${name}`)
  const consoles = listFolder('/dev')
    .filter((name) => /^tty\d+$/.test(name))
    .map((name) => `/dev/${name}`)
  if (terminals.length + consoles.length === 0) return []
  const said = await run('stat', ['-c', '%X', ...terminals, ...consoles], { timeoutMs: TIMEOUT_MS })
  if (typeof said === 'string') return []
  return said.stdout.split('\n').flatMap((line) => (/^\d+$/.test(line) ? [Number(line) * SECOND_MS] : []))
}

/** A desktop that nobody uses says so, and since when. */
async function desktopsUsedMs({ run }: Pick<Machine, 'run'>, nowMs: number): Promise<number[]> {
  const listed = await run('loginctl', ['list-sessions', '--no-legend'], { timeoutMs: TIMEOUT_MS })
  if (typeof listed === 'string' || listed.code !== 0) return []
  const ids = listed.stdout.split('\n').flatMap((line) => /^\s*(\w+)\s/.exec(line)?.[1] ?? [])
  if (ids.length === 0) return []
  const properties = ['Type', 'IdleHint', 'IdleSinceHint'].flatMap((name) => ['-p', name])
  const said = await run('loginctl', ['show-session', ...ids, ...properties], { timeoutMs: TIMEOUT_MS })
  if (typeof said === 'string') return []
  return said.stdout.split('\n\n').flatMap((session) => {
    if (!/^Type=(x11|wayland|mir)$/m.test(session)) return []
    const since = /^IdleHint=yes$/m.test(session) ? /^IdleSinceHint=(\d+)$/m.exec(session)?.[1] : undefined
    return [since === undefined ? nowMs : Number(since) / 1_000]
  })
}
