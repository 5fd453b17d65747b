import type { z } from 'zod'
import { failureProblem } from '#protocol/task-failure.ts'
import type { SessionInput } from './task-engine.ts'

/** A step's settings as its kind reads them; what is wrong with them is the job's own fault, and is named. */
export function readSettings<Settings>(
  schema: z.ZodType<Settings>,
  { settings }: Pick<SessionInput, 'settings'>,
): Settings {
  const parsed = schema.safeParse(settings)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const message = `The step's ${issue?.path.join('.') || 'settings'}: ${issue?.message ?? 'cannot be read'}.`
  throw failureProblem('task', 'invalid_request', message)
}
