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

/** Rows of `next` in the place of those of `previous` with the same id; in the order of `ids`. */
export function merge(previous: Report, next: Report, ids: readonly string[]): Report {
  const byId = new Map([...previous.rows, ...next.rows].map((row) => [row.id, row]))
  return { rows: ids.flatMap((id) => byId.get(id) ?? []) }
}

const signs: Record<RowVerdict, string> = {
  passed: 'passed',
  missed: '**missed**',
  missing: 'no scenario yet',
  broken: '**broken**',
  'not run': 'not run',
}

/** The table of `docs/reference/reliability.md`. */
export function tableOf({ rows }: Report): string {
  const lines = rows.flatMap((row) => [
    ...row.parts.map((part, index) =>
      cells([
        index === 0 ? `${row.id} ${row.fault}` : row.id,
        part.level,
        part.checks.map(({ what, found, pass }) => `${what}: ${found} (${pass})`).join('<br>') ||
          (part.problem?.split(';')[0] ?? ''),
        `${signs[part.verdict]}${part.isQuick && part.verdict === 'passed' ? ' (short run)' : ''}`,
        `\`${part.command}\``,
        `${part.measuredAt.slice(0, 10)}, ${part.commit.slice(0, 8)}${part.commit.endsWith('+') ? '+' : ''}, ${Math.round(part.seconds)} s`,
      ]),
    ),
    ...row.notRun.map((why) =>
      cells([row.parts.length === 0 ? `${row.id} ${row.fault}` : row.id, '', why, 'not run', '', '']),
    ),
  ])
  return [
    cells(['row', 'level', 'found (asked)', 'verdict', 'command', 'when, commit, took']),
    cells(['---', '---', '---', '---', '---', '---']),
    ...lines,
  ].join('\n')
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
