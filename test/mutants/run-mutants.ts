/** Runs planted bugs, each in a process of its own. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

export interface Finding {
  readonly name: string
  readonly seed: number
  /** What the check said that failed; null when all held. */
  readonly found: string | null
}

const CHILD = join(import.meta.dirname, 'mutant-child.ts')

/** What the child that is started with `args` tells. Rejects when it ends otherwise than well or not in time. */
export function runChild(args: readonly string[], timeoutMs: number): Promise<Finding[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CHILD, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    const findings: Finding[] = []
    createInterface(child.stdout).on('line', (line) => findings.push(JSON.parse(line) as Finding))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(findings)
      else reject(new Error(`${args.join(' ')} ended with ${signal ?? code} after ${findings.length} runs`))
    })
  })
}

/** Runs `work` on all `items`, so many at a time. */
export async function inParallel<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>) {
  const queue = [...items]
  const next = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: atOnce }, next))
}
