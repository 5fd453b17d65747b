/** Whose fault it is that an attempt of a task came to nothing: what follows depends on it. */
import { z } from 'zod'
import { Problem, type ProblemCode } from './problem.ts'

/**
 * `infrastructure`: nobody's (a link, a killed process, an owner who wants the machine back); it never counts against the job.
 * `node`: this node's (no GPU after all, too little memory, a broken install); the task goes elsewhere.
 * `task`: the work's own (a scene that crashes the renderer, a missing texture); the same on several nodes, the job pauses.
 */
export const FailureClass = z.enum(['infrastructure', 'node', 'task'])
export type FailureClass = z.output<typeof FailureClass>

/** An attempt's failure as a node tells it. */
export const TaskFailure = z.object({
  class: FailureClass,
  /** What makes two failures the same one: a code, or a message without what differs from run to run. */
  signature: z.string().min(1).max(200),
  message: z.string().max(1_000),
  /** The end of the log. */
  tail: z.string().max(4_000),
})
export type TaskFailure = z.output<typeof TaskFailure>

/** A problem that says whose fault it is. */
export const failureProblem = (
  failureClass: FailureClass,
  code: ProblemCode,
  message: string,
  options: { readonly tail?: string; readonly cause?: unknown } = {},
): Problem =>
  new Problem(code, message, {
    details: { failureClass, ...(options.tail === undefined ? {} : { tail: options.tail }) },
    cause: options.cause,
  })

/** A problem that does not say is the node's: then the task is tried elsewhere, and the job is not blamed. */
export function failureClassOf({ details }: Problem): FailureClass {
  const parsed = FailureClass.safeParse(details['failureClass'])
  return parsed.success ? parsed.data : 'node'
}
