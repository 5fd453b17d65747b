/**
 * `npm test`: system parts, types, lint, then every `*.test.ts` in a process of its own, as many at once as two cores
 * take.
 *
 *     npm test                     all of it
 *     npm test -- journal e2e      only test files whose path contains one of these, and no other step
 *     npm test -- --in DIR         only test files below DIR
 *
 * Ends with 0 when all is well, 1 when something failed, 130 when interrupted.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism, constants } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type FileReport, formatReport, formatSummary, type Step } from './reporter.ts'
import { runFile } from './run-file.ts'
import { inOrder, takeNext } from './run-order.ts'

const root = join(import.meta.dirname, '..')
const TEST_FOLDERS = ['test', 'src', 'bench', 'web']
const FILE_TIMEOUT_MS = 5 * 60_000
/** Many tests have limits of time, which were met on two cores. */
const CORES = Math.min(2, availableParallelism())

const programs: readonly (readonly [name: string, path: string, args: readonly string[]])[] = [
  ['system', 'bin/setup.ts', []],
  ['types', 'node_modules/typescript/bin/tsc', ['-p', '.']],
  ['types of web', 'node_modules/typescript/bin/tsc', ['-p', 'web']],
  ['lint', 'node_modules/@biomejs/biome/bin/biome', ['check']],
]

// Each file is a process of its own, and most of them load the same modules: compiled once, they are there for all.
process.env['NODE_COMPILE_CACHE'] ??= join(root, 'node_modules/.cache/compiled')

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (interrupted.signal.aborted) process.exit(128 + constants.signals[signal])
    print(`\n${signal}: ending the tests (once more to end at once)`)
    interrupted.abort()
  })
}

try {
  process.exit(await main())
} catch (error) {
  if (!(error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')))
    throw error
  print(error.message)
  process.exit(2)
}

async function main(): Promise<number> {
  const options = { in: { type: 'string' }, 'file-timeout-ms': { type: 'string' } } as const
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const folder = values.in === undefined ? root : resolve(values.in)
  const files = findTests(folder, values.in === undefined ? TEST_FOLDERS : ['.'], positionals)
  if (files.length === 0) {
    print(`No test file matches ${positionals.join(' ')}.`)
    return 1
  }
  process.chdir(root)
  const steps: Step[] = []
  const isAll = values.in === undefined && positionals.length === 0
  for (const [name, path, args] of isAll ? programs : []) {
    steps.push(await timed(name, () => runProgram(path, args)))
  }
  const reports: FileReport[] = []
  const timeoutMs = Number(values['file-timeout-ms'] ?? FILE_TIMEOUT_MS)
  steps.push(await timed('tests', () => runTests({ folder, files, reports, timeoutMs })))
  if (interrupted.signal.aborted) return 130
  print(formatSummary(steps, reports))
  return steps.every((step) => step.isGood) ? 0 : 1
}

function findTests(folder: string, below: readonly string[], patterns: readonly string[]): string[] {
  const found = below
    .filter((name) => existsSync(join(folder, name)))
    .flatMap((name) =>
      readdirSync(join(folder, name), { recursive: true, encoding: 'utf8' }).map((file) => join(name, file)),
    )
    .filter((file) => file.endsWith('.test.ts') && !file.includes('node_modules'))
    .filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)))
  return inOrder(found)
}

async function runTests(job: {
  folder: string
  files: readonly string[]
  reports: FileReport[]
  timeoutMs: number
}): Promise<boolean> {
  const queue = [...job.files]
  const running = new Map<string, Promise<void>>()
  const run = async (file: string): Promise<void> => {
    const path = join(job.folder, file)
    const report = await runFile({ path, name: file, timeoutMs: job.timeoutMs, signal: interrupted.signal })
    job.reports.push(report)
    if (!interrupted.signal.aborted) print(formatReport(report))
    running.delete(file)
  }
  for (;;) {
    const file = interrupted.signal.aborted ? undefined : takeNext(queue, [...running.keys()], CORES)
    if (file !== undefined) running.set(file, run(file))
    else if (running.size > 0) await Promise.race(running.values())
    else break
  }
  return job.reports.every((report) => report.failed === 0)
}

async function timed(name: string, work: () => Promise<boolean>): Promise<Step> {
  if (interrupted.signal.aborted) return { name, isGood: false, durationMs: 0 }
  const startedAt = performance.now()
  const isGood = await work()
  return { name, isGood, durationMs: performance.now() - startedAt }
}

function runProgram(path: string, args: readonly string[]): Promise<boolean> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [path, ...args], { stdio: 'inherit', cwd: root })
    const end = () => child.kill()
    interrupted.signal.addEventListener('abort', end)
    child.on('error', (error) => {
      print(`${path} does not start: ${error.message}`)
      done(false)
    })
    child.on('exit', (code) => {
      interrupted.signal.removeEventListener('abort', end)
      done(code === 0)
    })
  })
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
