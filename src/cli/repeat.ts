import { Problem } from '#protocol/problem.ts'

/** A call whose answer was lost may have happened; the message says how to find out without doing it twice. */
export function withRepeat(
  error: unknown,
  { what, option, id }: { what: string; option: string; id: string },
): unknown {
  if (!mayHaveHappened(error)) return error
  const message = `${error.message} The ${what} may have happened: repeat it with ${option} ${id}, which makes it once only.`
  return new Problem(error.code, message, { details: { ...error.details, id }, cause: error })
}

/** The same of what no option repeats: a list says whether it is there. */
export function withList(error: unknown, { what, command }: { what: string; command: string }): unknown {
  if (!mayHaveHappened(error)) return error
  const message = `${error.message} The ${what} may have begun all the same: see ${command} before you begin another.`
  return new Problem(error.code, message, {
    details: { ...error.details, mayHaveBegun: true },
    cause: error,
  })
}

const mayHaveHappened = (error: unknown): error is Problem =>
  error instanceof Problem && (error.retriable || error.code === 'cancelled')
