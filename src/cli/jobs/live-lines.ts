import type { CliContext } from '../context.ts'

/** Lines at the lower end of the terminal that are drawn again and again, with others above them that stay. */
export interface LiveLines {
  /** On a terminal alone. */
  readonly isLive: boolean
  draw(lines: readonly string[]): void
  /** Takes them away, so that others may write. */
  clear(): void
}

const COLUMNS_DEFAULT = 80

/** A line that the terminal would fold is two when it is taken away. What has colours was fitted by whoever coloured it. */
function withinLine(line: string, columns: number): string {
  const letters = [...line]
  return letters.length < columns || line.includes('\u001b')
    ? line
    : `${letters.slice(0, columns - 2).join('')}…`
}

export function createLiveLines({ stderr, env }: Pick<CliContext, 'stderr' | 'env'>): LiveLines {
  const isLive = stderr.isTty && env['TERM'] !== 'dumb'
  let shown = 0
  const clear = (): void => {
    // Up to the first of them, and all below is gone.
    if (shown > 0) stderr.write(`\u001b[${shown}A\r\u001b[J`)
    shown = 0
  }
  return {
    isLive,
    clear,
    draw(lines) {
      if (!isLive) return
      clear()
      const columns = stderr.columns ?? COLUMNS_DEFAULT
      stderr.write(lines.map((line) => `${withinLine(line, columns)}\n`).join(''))
      shown = lines.length
    },
  }
}
