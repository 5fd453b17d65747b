/** What a run of the fault matrix found: kept as JSON, and told as a table. */
import type { MachineState } from '../parts/machine.ts'
import type { PartResult, Verdict } from './part.ts'
import type { Row } from './rows.ts'

export interface RowResult {
  readonly id: string
  readonly fault: string
  readonly verdict: RowVerdict
  readonly parts: readonly PartResult[]
  readonly notRun: readonly string[]
  readonly machine: MachineState
}

export interface Report {
  readonly rows: readonly RowResult[]
}

export type RowVerdict = Verdict | 'not run'

/** Of its parts the worst. */
export function rowResult(row: Row, parts: readonly PartResult[], machine: MachineState): RowResult {
  const order = ['broken', 'missed', 'missing', 'passed'] as const
  const verdict = order.find((one) => parts.some((part) => part.verdict === one)) ?? 'not run'
  const notRun = [...(row.notRun ?? []), ...parts.flatMap((part) => part.notRun)]
  return { id: row.id, fault: row.fault, verdict, parts, notRun: [...new Set(notRun)], machine }
}

/** Parts of `next` in the place of those of `previous` with the same name, in the order of the matrix. */
export function merge(previous: Report, next: Report, matrix: readonly Row[]): Report {
  const merged = matrix.flatMap((row) => {
    const old = previous.rows.find(({ id }) => id === row.id)
    const fresh = next.rows.find(({ id }) => id === row.id)
    const byName = new Map([...(old?.parts ?? []), ...(fresh?.parts ?? [])].map((part) => [part.name, part]))
    const parts = row.parts.flatMap(({ name }) => byName.get(name) ?? [])
    const machine = (fresh ?? old)?.machine
    return machine === undefined ? [] : [rowResult(row, parts, machine)]
  })
  return { rows: merged }
}

const signs: Record<RowVerdict, string> = {
  passed: 'passed',
  missed: '**missed**',
  missing: 'no scenario yet',
  broken: '**broken**',
  'not run': 'not run',
}

/** The table of `docs/reference/reliability.md`: every row of the matrix, with what was found or the reason why nothing was. */
export function tableOf({ rows }: Report, matrix: readonly Row[]): string {
  const lines = matrix.flatMap((row) => {
    const result = rows.find(({ id }) => id === row.id)
    const found = row.parts.map((part) => {
      const of = result?.parts.find(({ name }) => name === part.name)
      return of
        ? foundCells(of)
        : [part.level, '', 'no run published', `\`--rows ${row.id} --parts '${part.name}'\``, '']
    })
    const notRun = (result?.notRun ?? row.notRun ?? []).map((why) => ['', why, 'not run', '', ''])
    return [...found, ...notRun].map((rest, index) =>
      cells([index === 0 ? `**${row.id}** ${row.fault}` : row.id, ...rest]),
    )
  })
  const head = ['row', 'level', 'found (asked)', 'verdict', 'command', 'when, commit, took']
  return [cells(head), cells(head.map(() => '---')), ...lines].join('\n')
}

function foundCells(part: PartResult): string[] {
  const { level, checks, problem, verdict, isQuick, command, measuredAt, commit, seconds } = part
  const found = checks.map(({ what, found: is, pass }) => `${what}: ${is} (${pass})`).join('<br>')
  return [
    level,
    found || (problem?.split(';')[0] ?? ''),
    `${signs[verdict]}${isQuick ? ' (short run)' : ''}`,
    `\`${command}\``,
    `${measuredAt.slice(0, 10)}, ${commit.slice(0, 8)}${commit.endsWith('+') ? '+' : ''}, ${Math.round(seconds)} s`,
  ]
}

const cells = (texts: readonly string[]): string =>
  `| ${texts.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`

/** For people who watch a run. */
export function tellRow({ id, fault, verdict, parts, notRun }: RowResult): string[] {
  return [
    `${id.padEnd(4)} ${verdict.toUpperCase().padEnd(8)} ${fault.replaceAll('`', '')}`,
    ...parts.flatMap(({ level, name, seconds, verdict: one, checks, problem }) => [
      `     ${level.padEnd(4)} ${name}: ${one} in ${Math.round(seconds)} s${problem === null ? '' : `: ${problem}`}`,
      ...checks.map(
        ({ what, found, pass, isPassed }) =>
          `          ${isPassed ? 'ok    ' : 'MISSED'} ${what}: ${found} (asked ${pass})`,
      ),
    ]),
    ...notRun.map((why) => `          not run: ${why}`),
  ]
}
