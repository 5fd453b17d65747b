import type { CliContext } from '../context.ts'

/** Lines at the lower end of the terminal that are drawn again and again, with others above them that stay. */
export interface LiveLines {
  /** On a terminal alone. */
  readonly isLive: boolean
  draw(lines: readonly string[]): void
  /** Takes them away, so that others may write. */
  clear(): void
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
      stderr.write(lines.map((line) => `${line}\n`).join(''))
      shown = lines.length
    },
  }
}
