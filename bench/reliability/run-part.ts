/** Runs one program to its end, in a process group of its own, and reads what it printed. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Part, PartOptions, PartReading, PartResult, Verdict } from './part.ts'

const root = join(import.meta.dirname, '../..')
const KILL_AFTER_MS = 15_000
const TAIL_CHARS = 600

const running = new Set<ChildProcess>()
let isEnding = false

/** Ends what runs, politely and then not; resolves when it is gone. Nothing is begun any more. */
export async function endParts(): Promise<void> {
  isEnding = true
  await Promise.all([...running].map(end))
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), KILL_AFTER_MS)
    child.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
    signalGroup(child, 'SIGTERM')
  })
}

function signalGroup({ pid }: ChildProcess, name: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** The commit, with a plus where the files are others than the commit's. */
export function readCommit(): string {
  try {
    const git = (args: readonly string[]): string =>
      execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' })
    const isChanged = git(['status', '--porcelain', '--untracked-files=no']).trim() !== ''
    return `${git(['rev-parse', '--short=12', 'HEAD']).trim()}${isChanged ? '+' : ''}`
  } catch {
    return 'unknown'
  }
}

/** Never rejects, and never resolves once all is to end. */
export async function runPart(part: Part, options: PartOptions): Promise<PartResult> {
  const args = part.command(options)
  const commit = readCommit()
  const startedMs = performance.now()
  const { code, stdout, stderr, isLate } = await runToEnd(args, part.limitMinutes * 60_000)
  if (isEnding) await new Promise(() => undefined)
  let reading: PartReading = { figures: {}, checks: [], notRun: [] }
  let problem: string | null = null
  try {
    reading = part.read({ stdout, code })
    problem = contradictionOf(reading, code)
  } catch (error) {
    const said = (stderr.trim() || stdout.trim()).slice(-TAIL_CHARS)
    problem = isLate
      ? `not over after ${part.limitMinutes} minutes`
      : `${error instanceof Error ? error.message : error}; it said: ${said}`
  }
  return {
    level: part.level,
    name: part.name,
    command: `node ${args.join(' ')}`,
    verdict: verdictOf(reading, problem, { code, stderr }),
    ...options,
    commit,
    seconds: Math.round((performance.now() - startedMs) / 100) / 10,
    measuredAt: new Date().toISOString(),
    problem,
    ...reading,
  }
}

/** Whoever finds nothing wrong ends with 0: one that does not has not told all. */
export function contradictionOf({ checks }: PartReading, code: number): string | null {
  const isContradiction = code !== 0 && checks.every(({ isPassed }) => isPassed)
  return isContradiction ? `all that it printed passed, and yet it ended with ${code} instead of 0` : null
}

/** How programs say that they know no such scenario. */
const UNKNOWN = /no scenario|unknown option|Unknown option/

export function verdictOf(
  reading: PartReading,
  problem: string | null,
  { code, stderr }: { code: number; stderr: string },
): Verdict {
  if (problem !== null) return code !== 0 && UNKNOWN.test(stderr) ? 'missing' : 'broken'
  return reading.checks.every(({ isPassed }) => isPassed) ? 'passed' : 'missed'
}

function runToEnd(args: readonly string[], limitMs: number) {
  return new Promise<{ code: number; stdout: string; stderr: string; isLate: boolean }>((resolve, reject) => {
    const child = spawn(process.execPath, [...args], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(child)
    let stdout = ''
    let stderr = ''
    let isLate = false
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-100_000)
      process.stderr.write(text)
    })
    const timer = setTimeout(() => {
      isLate = true
      void end(child)
    }, limitMs)
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      running.delete(child)
      resolve({ code: code ?? 1, stdout, stderr, isLate })
    })
  })
}
