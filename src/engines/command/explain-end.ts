/** Whose fault it is how a program ended. */
import type { Problem } from '#protocol/problem.ts'
import { type FailureClass, failureProblem } from '#protocol/task-failure.ts'
import type { BoxedEnd } from '../boxed-run.ts'

export interface EndedTask {
  readonly program: string
  /** What it said itself about why, by `openjd_fail`. */
  readonly failure: string | null
  /** The step's own limit. */
  readonly timeoutMs: number | null
  readonly memoryBytesMax: number | null
}

const SIGNAL_BASE = 128
const [KILLED, TERMINATED, FILE_TOO_LARGE] = [SIGNAL_BASE + 9, SIGNAL_BASE + 15, SIGNAL_BASE + 25]
const [NOT_RUNNABLE, NOT_FOUND] = [126, 127]

/** `null` where all is well. */
export function explainEnd(end: BoxedEnd, task: EndedTask): Problem | null {
  const { code, cause, tail, wallMs } = end
  const { timeoutMs } = task
  const program = task.program.slice(0, 100)
  const failed = (whose: FailureClass, message: string): Problem =>
    failureProblem(whose, whose === 'infrastructure' ? 'node_failed' : 'engine_failed', message, { tail })
  switch (cause) {
    case 'memory':
      return failed(
        'node',
        `${program} needs more than the ${mib(task.memoryBytesMax)} of memory that a task may use here.`,
      )
    case 'processes':
      return failed('task', `${program} started more processes than a task may, and was ended.`)
    case 'disk':
      return failed('task', `${program} left more files or bytes than a task may, and was ended.`)
    case 'stranger':
      return failed('infrastructure', `${program} was ended by somebody else.`)
    case 'time': {
      const isOwn = timeoutMs !== null && wallMs >= timeoutMs
      const limit = isOwn ? 'its own limit' : 'the most that a task may take here'
      const taken = isOwn ? timeoutMs : wallMs
      return failed(isOwn ? 'task' : 'node', `${program} took longer than ${seconds(taken)} s, ${limit}.`)
    }
    case null:
      break
  }
  if (code === 0) return null
  if (code === NOT_FOUND)
    return failed(
      'node',
      `There is no program ${program} here, or it misses one: nodes have what lies in /usr, and a job may bring its own.`,
    )
  if (code === NOT_RUNNABLE)
    return failed('task', `${program} cannot be run: it is no program, or not marked as one.`)
  if (code === FILE_TOO_LARGE) return failed('task', `${program} wrote a file larger than a task may.`)
  // The box stands, so that it was not the whole that somebody ended. Not `infrastructure`: a program that ends itself
  // like that would be tried for ever.
  if (code === KILLED || code === TERMINATED)
    return failed('node', `${program} was ended by a signal: by the system for lack of memory, or by itself.`)
  const how = code > SIGNAL_BASE ? `died of signal ${code - SIGNAL_BASE}` : `ended with exit code ${code}`
  const why = task.failure ?? lastLine(tail)
  return failed('task', `${program} ${how}${why === '' ? '' : `: ${why.replace(/\.$/, '')}`}.`)
}

const mib = (bytes: number | null): string => `${Math.round((bytes ?? 0) / 2 ** 20)} MiB`
const seconds = (ms: number): number => Math.round(ms / 100) / 10

/** Of what it printed, without the lines that tell how far it is. */
const lastLine = (tail: string): string =>
  tail
    .trim()
    .split('\n')
    .findLast((line) => line.trim() !== '' && !line.startsWith('openjd_'))
    ?.trim()
    .slice(0, 500) ?? ''
