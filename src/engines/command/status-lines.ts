/** What a program says about itself on its output, as Open Job Description has it: `openjd_progress: 42.5`. */

const LINE_CHARS_MAX = 16_384

export interface StatusLines {
  /** Takes pieces of output as they come. */
  read(text: string): void
  /** Nothing comes any more: what stands without a line feed is a line, too. */
  end(): void
  /** The newest of each; `null` while there is none. */
  readonly status: string | null
  readonly failure: string | null
}

/** `onProgress` gets fractions from 0 to 1 that never fall. */
export function readStatusLines(onProgress: (fraction: number) => void): StatusLines {
  let rest = ''
  let best = 0
  const told: { status: string | null; failure: string | null } = { status: null, failure: null }
  const take = (line: string): void => {
    const [head, kind] = /^openjd_(progress|status|fail):/.exec(line) ?? ['']
    const value = line.slice(head.length).trim()
    if (kind === 'status') told.status = value.slice(0, 1_000)
    else if (kind === 'fail') told.failure = value.slice(0, 1_000)
    else if (kind === 'progress' && /^\d+(\.\d+)?$/.test(value)) {
      const fraction = Math.min(1, Number(value) / 100)
      if (fraction <= best) return
      best = fraction
      onProgress(fraction)
    }
  }
  return {
    read(text) {
      const lines = (rest + text).split('\n')
      rest = (lines.pop() ?? '').slice(0, LINE_CHARS_MAX)
      for (const line of lines) if (line.startsWith('openjd_')) take(line)
    },
    end() {
      if (rest.startsWith('openjd_')) take(rest)
      rest = ''
    },
    get status() {
      return told.status
    },
    get failure() {
      return told.failure
    },
  }
}
