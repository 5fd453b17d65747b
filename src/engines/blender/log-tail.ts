/**
 * The end of what Blender printed. Of lines by which Cycles says how far it is, only the newest of a run of them stays: a frame
 * has hundreds, which would leave no room for what went wrong.
 */
export interface LogTail {
  add(text: string): void
  readonly text: string
}

const CHARACTERS_MAX = 4_000
const PROGRESS = /^\s*Fra:-?\d/

export function createLogTail(): LogTail {
  let whole = ''
  /** The line that is not at its end yet. */
  let open = ''

  function addLine(line: string): void {
    if (PROGRESS.test(line)) {
      const from = whole.lastIndexOf('\n', whole.length - 2) + 1
      if (PROGRESS.test(whole.slice(from))) whole = whole.slice(0, from)
    }
    whole = `${whole}${line}\n`.slice(-CHARACTERS_MAX)
  }

  return {
    add(text) {
      const lines = (open + text).split('\n')
      open = (lines.pop() ?? '').slice(-CHARACTERS_MAX)
      for (const line of lines) addLine(line)
    },
    get text() {
      return `${whole}${open}`.slice(-CHARACTERS_MAX)
    },
  }
}
