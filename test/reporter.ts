/** What is told of a test file: one line with its figures, then the notes of its tests, then each failure in full. */
import { inspect, styleText } from 'node:util'
import { formatDuration } from '#kernel/time.ts'

/** The parts that are read of what `run` of `node:test` emits. */
export interface TestResult {
  readonly name: string
  readonly file?: string | undefined
  readonly line?: number | undefined
  readonly skip?: string | boolean | undefined
  readonly todo?: string | boolean | undefined
  readonly details: { readonly duration_ms: number; readonly error?: unknown }
}

export interface Skipped {
  readonly file: string
  readonly name: string
  readonly reason: string
}

export interface FileReport {
  readonly file: string
  passed: number
  failed: number
  durationMs: number
  readonly skipped: Skipped[]
  /** Each with its place and its error, ready to print. */
  readonly failures: string[]
  /** What tests said by `t.diagnostic`: figures worth reading though all is well. */
  readonly notes: string[]
  /** The end of what the file wrote: shown only when it failed. */
  output: string
}

const OUTPUT_CHARS_MAX = 20_000

export const emptyReport = (file: string): FileReport => ({
  file,
  passed: 0,
  failed: 0,
  durationMs: 0,
  skipped: [],
  failures: [],
  notes: [],
  output: '',
})

/** `path` is the file's absolute one: a result of that name is the file's own, not one of its tests'. */
export function addPass(report: FileReport, result: TestResult, path: string): void {
  const reason = reasonOf(result)
  if (reason !== null) report.skipped.push({ file: report.file, name: result.name, reason })
  else if (result.name === path) addFailure(report, 'The file declares no tests.')
  else report.passed += 1
}

export function addFail(report: FileReport, result: TestResult, path: string): void {
  const reason = reasonOf(result)
  if (reason !== null) {
    report.skipped.push({ file: report.file, name: result.name, reason })
    return
  }
  report.failed += 1
  // A parent fails with its children: only they have something to say.
  if (failureType(result.details.error) === 'subtestsFailed') return
  const place = result.line === undefined ? report.file : `${report.file}:${result.line}`
  const name = result.name === path ? 'the file as a whole' : result.name
  report.failures.push(
    `${style('red', `✖ ${name}`)} (${place})\n${indent(describeError(result.details.error), '  ')}`,
  )
}

export function addFailure(report: FileReport, sentence: string): void {
  report.failed += 1
  report.failures.push(`${style('red', '✖')} ${sentence} (${report.file})`)
}

export function addOutput(report: FileReport, text: string): void {
  report.output = (report.output + text).slice(-OUTPUT_CHARS_MAX)
}

/** Why a test does not count as run, or `null` when it does. */
function reasonOf({ skip, todo }: TestResult): string | null {
  if (skip !== undefined && skip !== false) return typeof skip === 'string' ? skip : 'no reason given'
  if (todo !== undefined && todo !== false)
    return `to do: ${typeof todo === 'string' ? todo : 'no reason given'}`
  return null
}

const failureType = (error: unknown): unknown =>
  error instanceof Error && 'failureType' in error ? error.failureType : undefined

/** The runner wraps what a test threw; a test that ended otherwise has no more than the wrapper's message. */
function describeError(error: unknown): string {
  const thrown = error instanceof Error && error.cause !== undefined ? error.cause : error
  if (typeof thrown === 'string') return thrown
  return thrown instanceof Error && failureType(thrown) !== undefined
    ? thrown.message
    : withoutRunner(inspect(thrown, { colors: process.stdout.isTTY, depth: 6 }))
}

/** The frames of the runner itself tell nothing; one that ends in a brace opens the error's own fields. */
const withoutRunner = (stack: string): string =>
  stack
    .split('\n')
    .filter((line) => !/^\s+at .*\(?node:internal\/(?!.*\{$)/.test(line))
    .join('\n')

export function formatReport(report: FileReport): string {
  const isGood = report.failed === 0
  const counts = [
    `${report.passed} passed`,
    ...(isGood ? [] : [style('red', `${report.failed} failed`)]),
    ...(report.skipped.length === 0 ? [] : [style('yellow', `${report.skipped.length} skipped`)]),
  ]
  const mark = isGood ? style('green', '✔') : style('red', '✖')
  const lines = [
    `${mark} ${report.file}  ${counts.join(', ')}  ${style('dim', formatDuration(report.durationMs))}`,
  ]
  lines.push(...report.notes.map((note) => indent(note, '    ')))
  lines.push(...report.failures.map((failure) => indent(failure, '    ')))
  if (!isGood && report.output.trim() !== '')
    lines.push('    what it wrote:', indent(report.output.trimEnd(), '    | '))
  return lines.join('\n')
}

export interface Step {
  readonly name: string
  readonly isGood: boolean
  readonly durationMs: number
}

/** The end of the run. Its last line is the counts alone, for scripts to read. */
export function formatSummary(steps: readonly Step[], reports: readonly FileReport[]): string {
  const skipped = reports.flatMap((report) => report.skipped)
  const total = (of: (report: FileReport) => number) => reports.reduce((sum, report) => sum + of(report), 0)
  const failing = reports.filter((report) => report.failed > 0)
  return [
    '',
    ...steps.map(({ name, isGood, durationMs }) => {
      const verdict = isGood ? style('green', 'ok    ') : style('red', 'FAILED')
      return `${name.padEnd(12)} ${verdict} ${formatDuration(durationMs)}`
    }),
    ...(failing.length === 0 ? [] : ['', 'failed:', ...failing.flatMap(headsOf)]),
    ...(skipped.length === 0
      ? []
      : ['', 'skipped:', ...skipped.map((one) => `  ${one.file}: ${one.name}: ${one.reason}`)]),
    '',
    `${total((report) => report.passed)} passed, ${total((report) => report.failed)} failed, ${skipped.length} skipped`,
  ].join('\n')
}

/** A failing file with the beginning of each of its failures: the end of a long log is what is kept and read. */
const headsOf = ({ file, failures }: FileReport): string[] => [
  `  ${file}`,
  ...failures.map((failure) => indent(failure.split('\n').slice(0, HEAD_LINES).join('\n'), '    ')),
]

const HEAD_LINES = 6

const indent = (text: string, by: string): string =>
  text
    .split('\n')
    .map((line) => by + line)
    .join('\n')

const style = (format: Parameters<typeof styleText>[0], text: string): string => styleText(format, text)
