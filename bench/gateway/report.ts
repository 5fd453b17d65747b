/** What was measured, as a table for people. */
import { whole } from '../parts/machine.ts'
import type { Measurement, Spread } from './measure.ts'
import type { Load, Part } from './parts.ts'

export interface Row {
  readonly part: string
  readonly load: string
  readonly target: string
  readonly streams: number
  readonly measurement: Measurement
}

/** The network that all others are set in relation to. */
export const OURS = 'Shoal'
const DIRECT = 'direct'

const COLUMNS = [
  'target',
  'per s',
  'tokens/s',
  'first p50/p99',
  'whole p50/p99',
  'added p50/p99',
  'CPU µs',
  'µs/token',
  'core',
  'MiB',
  'foreign',
  'ours ×',
]

/** Latencies in microseconds. `ours ×` is how many times as many our gateway does as that one. */
export function describePart({ name, what, loads }: Part, rows: readonly Row[]): string[] {
  const lines = [`${name}: ${what}`]
  for (const load of loads) {
    const found = rows.filter((row) => row.part === name && row.load === load.name)
    if (found.length === 0) continue
    lines.push(
      '',
      `  ${load.name}`,
      ...formatTable([COLUMNS, ...found.map((row) => describeRow(row, found, load))]),
    )
  }
  return lines
}

function describeRow(row: Row, beside: readonly Row[], { pace }: Load): string[] {
  const { target, measurement } = row
  const { perSecond, tokensPerSecond, first, total, errors, wrongTokens } = measurement
  const of = (name: string) => beside.find((other) => other.target === name)?.measurement
  const direct = of(DIRECT)
  const ours = of(OURS)
  // Of a paced stream the whole takes as long as its tokens do: what a gateway adds is in the first.
  const [spread, base] = pace === 'paced' ? [first, direct?.first] : [total, direct?.total]
  const isBad = errors > 0 || wrongTokens > 0
  return [
    isBad ? `${target} (${errors} failed, ${wrongTokens} wrong tokens)` : target,
    whole(perSecond),
    tokensPerSecond > 0 ? whole(tokensPerSecond) : '',
    pair(first),
    pair(total),
    target === DIRECT || !spread || !base
      ? ''
      : `${whole(spread.p50 - base.p50)}/${whole(spread.p99 - base.p99)}`,
    number(measurement.cpuMicrosPerRequest),
    number(measurement.cpuMicrosPerToken),
    measurement.corePercent === null ? '' : `${Math.round(measurement.corePercent)} %`,
    measurement.memoryBytes === null ? '' : whole(measurement.memoryBytes / 2 ** 20),
    `${measurement.foreignPercent.toFixed(0)} %`,
    ours && target !== OURS && target !== DIRECT ? (ours.perSecond / perSecond).toFixed(2) : '',
  ]
}

const pair = (spread: Spread | null): string => (spread ? `${whole(spread.p50)}/${whole(spread.p99)}` : '')
const number = (value: number | null): string => (value === null ? '' : value.toFixed(1))

/** KiB that each further stream takes, from the fewest to the most that were open; null where that was not measured. */
export function memoryPerStream(rows: readonly Row[], target: string): number | null {
  const paced = rows
    .filter((row) => row.target === target && row.streams > 0 && row.measurement.memoryBytes !== null)
    .toSorted((a, b) => a.streams - b.streams)
  const [fewest, most] = [paced[0], paced.at(-1)]
  if (!fewest || !most || fewest.streams === most.streams) return null
  const bytes = (most.measurement.memoryBytes ?? 0) - (fewest.measurement.memoryBytes ?? 0)
  return bytes / (most.streams - fewest.streams) / 1_024
}

/** Columns as wide as their widest cell; numbers to the right. */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
}
