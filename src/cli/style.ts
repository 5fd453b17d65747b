import { styleText } from 'node:util'
import type { CliContext, CliOutput } from './context.ts'

export type Tone = 'plain' | 'bold' | 'dim' | 'good' | 'warning' | 'bad' | 'accent'

/** Colours `text` for one output, or leaves it as it is. */
export type Style = (tone: Tone, text: string) => string

const formats = {
  bold: 'bold',
  dim: 'dim',
  good: 'green',
  warning: 'yellow',
  bad: 'red',
  accent: 'cyan',
} as const

/** Colour only where somebody looks: not in a pipe, a dumb terminal or under `NO_COLOR`, unless `FORCE_COLOR` asks. */
export function styleFor(output: CliOutput, env: CliContext['env']): Style {
  const { NO_COLOR: no, FORCE_COLOR: force, TERM: terminal } = env
  const isForced = force !== undefined && force !== '0' && force !== ''
  const isColoured = isForced || (output.isTty && !no && terminal !== 'dumb' && force !== '0')
  if (!isColoured) return (_tone, text) => text
  return (tone, text) =>
    tone === 'plain' || text === '' ? text : styleText(formats[tone], text, { validateStream: false })
}
