import { Problem } from '#protocol/problem.ts'

/** A call whose answer was lost may have happened; the message says how to find out without doing it twice. */
export function withRepeat(
  error: unknown,
  { what, option, id }: { what: string; option: string; id: string },
): unknown {
  if (!(error instanceof Problem) || !(error.retriable || error.code === 'cancelled')) return error
  const message = `${error.message} The ${what} may have happened: repeat it with ${option} ${id}, which makes it once only.`
  return new Problem(error.code, message, { details: { ...error.details, id }, cause: error })
}
