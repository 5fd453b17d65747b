/** Programs as people start them, each in a process group of its own as a shell does it, and what runs on this machine. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ProgramEnd {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export interface Program {
  /** Of the program itself, and of its group. */
  readonly pid: number
  readonly stdin: ChildProcessWithoutNullStreams['stdin']
  /** Everything it wrote so far, both streams in the order in which it came. */
  output(): string
  isOver(): boolean
  /** Once it has ended and its output is complete. Its children may live on. */
  readonly end: Promise<ProgramEnd>
  /** To the program alone, as `kill` does it. */
  signal(name: NodeJS.Signals): void
  /** To the whole group, as a terminal does it at Ctrl-C. */
  signalGroup(name: NodeJS.Signals): void
}

export interface ProgramOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
}

/** What the test runner and npm tell their children about themselves would make a program behave as a part of them. */
const MISLEADING = /^NODE_TEST|^NODE_COMPILE_CACHE$|^npm_|^NO_COLOR$|^FORCE_COLOR$|^SHOAL_/

export function startProgram(command: readonly string[], { cwd, env = {} }: ProgramOptions): Program {
  const [file = '', ...args] = command
  const clean = Object.entries(process.env).filter(([name]) => !MISLEADING.test(name))
  const child = spawn(file, args, {
    cwd,
    env: { ...Object.fromEntries(clean), ...env },
    detached: true,
  })
  const written = { stdout: '', stderr: '', both: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      written[name] += text
      written.both += text
    })
  }
  // A program that ended has closed its input: whoever writes there learns the rest from `end`.
  child.stdin.on('error', () => undefined)
  let isOver = false
  const end = new Promise<ProgramEnd>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      isOver = true
      resolve({ code, signal, stdout: written.stdout, stderr: written.stderr })
    })
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`${file} cannot be started`)
  return {
    pid,
    stdin: child.stdin,
    output: () => written.both,
    isOver: () => isOver,
    end,
    signal: (name) => void child.kill(name),
    signalGroup: (name) => signalGroup(pid, name),
  }
}

function signalGroup(group: number, name: NodeJS.Signals): void {
  try {
    process.kill(-group, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

export interface ProcessFacts {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly title: string
}

/** The living processes of a group. */
export const groupMembers = (group: number): ProcessFacts[] =>
  listProcesses().filter((facts) => facts.group === group)

/** The living processes whose home folder is `home`: whatever was started there, in whatever group it is by now. */
export const processesAtHome = (home: string): ProcessFacts[] =>
  listProcesses().filter(({ pid }) =>
    readIfThere(`/proc/${pid}/environ`).split('\0').includes(`HOME=${home}`),
  )

export const isAlive = (pid: number): boolean => readProcess(pid) !== null

/** Every living process, from `/proc`. Dead ones that nobody has asked after yet do not count. */
function listProcesses(): ProcessFacts[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? [])
}

function readProcess(pid: number): ProcessFacts | null {
  const folder = `/proc/${pid}`
  if (!existsSync(folder)) return null
  try {
    const stat = readFileSync(`${folder}/stat`, 'utf8')
    // The name stands in brackets and may hold anything, brackets too.
    const [state = '', parent = '', group = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // Dead, but for threads that may still have files open.
    if (/[ZX]/.test(state) && readdirSync(`${folder}/task`).length < 2) return null
    const title = readFileSync(`${folder}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    return { pid, parent: Number(parent), group: Number(group), title }
  } catch {
    return null // It ended while it was read.
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

const POLL_MS = 50
const LIMIT_MS = 120_000

/** Looks again and again until `look` finds something (neither null, undefined nor false), at most two minutes. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
): Promise<Exclude<T, null | undefined | false>> {
  const startedMs = performance.now()
  for (;;) {
    const found = await look()
    if (found !== null && found !== undefined && found !== false) {
      return found as Exclude<T, null | undefined | false>
    }
    if (performance.now() - startedMs > LIMIT_MS) {
      throw new Error(`waited ${LIMIT_MS / 1000} s in vain for ${what}`)
    }
    await sleep(POLL_MS)
  }
}
