import type { z } from 'zod'

/** `messages[0].content`: a path as OpenAI and JavaScript write it; empty for the whole. */
export const formatPath = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`,
    '',
  )

/** One sentence for people on the first thing wrong with a value, e.g. `amount in the body: expected …`. */
export function describeIssue(error: z.core.$ZodError, where: string): string {
  const issue = error.issues[0]
  if (!issue) return `${where} is not valid.`
  if (issue.code === 'unrecognized_keys') {
    const names = issue.keys.map((key) => `\`${formatPath([...issue.path, key])}\``).join(', ')
    return `${where} has ${names}, which this call does not know.`
  }
  const path = formatPath(issue.path)
  const message = issue.message.replace(/^Invalid (input|string|option): /, '')
  return path === '' ? `${where}: ${message}.` : `\`${path}\` in ${where}: ${message}.`
}
