/** Why a job file cannot be taken: where in it, what is there, and what to do. */
import type { z } from 'zod'
import { formatPath } from '#protocol/describe-issue.ts'
import { Problem } from '#protocol/problem.ts'

const SHOWN_MAX = 5

/** `steps[0].name` and the like; empty for the whole. */
export type Path = readonly (string | number)[]

export const refuse = (at: Path, message: string): Problem =>
  new Problem('invalid_request', `${formatPath(at) || 'The job file'}: ${message}.`)

/** All that does not have the shape of a template, the first few by name. */
export function refuseShape({ issues }: z.core.$ZodError): Problem {
  const sentences = issues.flatMap((issue) => {
    const at = formatPath(issue.path)
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => `${formatPath([...issue.path, key])}: there is no such key here`)
    const message = issue.message.replace(/^Invalid (input|string|option): /, '')
    return [at === '' ? message : `${at}: ${message}`]
  })
  const more = sentences.length > SHOWN_MAX ? ` And ${sentences.length - SHOWN_MAX} more.` : ''
  return new Problem('invalid_request', `${sentences.slice(0, SHOWN_MAX).join('. ')}.${more}`)
}
