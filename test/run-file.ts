import { run } from 'node:test'
import {
  addFail,
  addFailure,
  addOutput,
  addPass,
  emptyReport,
  type FileReport,
  type TestResult,
} from './reporter.ts'

export interface RunFileOptions {
  readonly path: string
  /** The file's name for people. */
  readonly name: string
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** How long a file that was told to end may take to do so. */
const GRACE_MS = 10_000

/**
 * Runs one test file in a process of its own. The runner's own time-out does not reach a file whose tests are over but
 * which something keeps alive, so it is kept here.
 */
export async function runFile({ path, name, timeoutMs, signal }: RunFileOptions): Promise<FileReport> {
  const report = emptyReport(name)
  const startedAt = performance.now()
  const hung = new AbortController()
  const stream = run({ files: [path], isolation: 'process', signal: AbortSignal.any([signal, hung.signal]) })
  const isMine = (result: { file?: string }) => result.file === path
  stream.on('test:pass', (result) => isSuite(result) || addPass(report, result, path))
  stream.on('test:fail', (result) => isSuite(result) || hung.signal.aborted || addFail(report, result, path))
  const running = new Set<string>()
  stream.on('test:dequeue', (test) => test.name === path || running.add(test.name))
  stream.on('test:complete', (test) => running.delete(test.name))
  stream.on('test:diagnostic', (note) => isMine(note) && report.notes.push(note.message))
  stream.on('test:stdout', ({ message }) => addOutput(report, message))
  stream.on('test:stderr', ({ message }) => addOutput(report, message))
  const limit = setTimeout(() => hung.abort(), timeoutMs)
  let surrender: NodeJS.Timeout | undefined
  await new Promise<void>((done) => {
    stream.on('end', done)
    hung.signal.addEventListener('abort', () => {
      surrender = setTimeout(done, GRACE_MS)
    })
    stream.resume()
  })
  clearTimeout(limit)
  clearTimeout(surrender)
  if (hung.signal.aborted) addFailure(report, describeHang(timeoutMs, [...running]))
  report.durationMs = performance.now() - startedAt
  return report
}

const describeHang = (timeoutMs: number, running: readonly string[]): string =>
  running.length > 0
    ? `Not over after ${timeoutMs / 1000} s: ${running.join(', ')}.`
    : `Its tests are over, but after ${timeoutMs / 1000} s something still keeps the process alive: a timer, a server, a child.`

const isSuite = (result: TestResult & { details: { type?: string } }): boolean =>
  result.details.type === 'suite'
