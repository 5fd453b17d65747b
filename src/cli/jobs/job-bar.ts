/** How far a job is: two lines on a terminal, one elsewhere. */
import type { Style } from '../style.ts'
import { printable } from '../table.ts'
import type { JobFacts } from './job-client.ts'
import { etaText, factsOf, formatPercent, pauseText, stepsText } from './job-words.ts'

export interface BarPage {
  readonly columns: number
  readonly style: Style
  /** What else is known here, such as how many files were fetched. */
  readonly more: readonly string[]
}

const BAR_MIN = 10
const BAR_MAX = 40

export function barLines(job: JobFacts, { columns, style, more }: BarPage): string[] {
  const width = Math.max(20, columns - 1)
  const beside = `${formatPercent(job.progress).padStart(6)}  ${[printable(stepsText(job)), etaText(job)].filter(isSaid).join(' · ')}`
  const room = Math.min(BAR_MAX, width - [...beside].length)
  const first = room < BAR_MIN ? cutTo(beside.trim(), width) : drawBar(job.progress, room, style) + beside
  const pause = pauseText(job)
  return [
    first,
    style('dim', fitted([...factsOf(job), ...more], width)),
    ...(pause === null ? [] : [style('warning', cutTo(`paused: ${printable(pause)}`, width))]),
  ]
}

const cutTo = (text: string, width: number): string =>
  [...text].length <= width ? text : `${[...text].slice(0, width - 1).join('')}…`

function drawBar(share: number, width: number, style: Style): string {
  const full = Math.floor(share * width)
  return style('good', '█'.repeat(full)) + style('dim', '░'.repeat(width - full))
}

/** As many of `facts` as one line has room for. */
function fitted(facts: readonly string[], width: number): string {
  let text = ''
  for (const fact of facts) {
    const longer = text === '' ? fact : `${text} · ${fact}`
    if ([...longer].length > width) break
    text = longer
  }
  return text
}

/** For a pipe or a log. */
export const plainLine = (job: JobFacts, more: readonly string[]): string =>
  printable(
    [formatPercent(job.progress), stepsText(job), etaText(job), ...factsOf(job), ...more]
      .filter(isSaid)
      .join(' · '),
  )

const isSaid = (text: string): boolean => text !== ''
