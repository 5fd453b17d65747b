/** What is wrong with a file, for people: a wrong file has a fault in each line, and a terminal is soon full. */
import { formatCount } from './format.ts'

const SHOWN = 10

/** The first faults, a line each, and how many more there are. */
export const faultLines = (faults: readonly string[]): string[] =>
  faults.length <= SHOWN + 1
    ? [...faults]
    : [...faults.slice(0, SHOWN), `... and ${formatCount(faults.length - SHOWN)} more (--json has all).`]

/** For a file of which no line could be read: another one was meant. */
export const foreignFileText = (file: {
  readonly path: string
  readonly expected: string
  readonly command: string
}): string =>
  `No line of ${file.path} could be read: it is no ${file.expected}. Give a file that \`${file.command}\` wrote.`
