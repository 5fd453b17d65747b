import { TASK_FILES_BYTES_MAX, TASK_FILES_MAX, TASK_OUTPUTS_MAX } from '#protocol/work-link.ts'
import type { WorkCommand } from '#work/decide-work.ts'
import { jobOf, type Work } from '#work/work.ts'
import type { JobPlan, TaskPlace } from '#work/work-events.ts'

export type PlanRefusal =
  /** A job of a customer is paid from what is held for it, and that is its cap. */
  | 'cap_missing'
  /** A step takes more results of others than a task may have files. */
  | 'files_too_many'

/** What the desk refuses of a plan, or of a change to it, before money is asked. */
export function planRefusal(command: WorkCommand): PlanRefusal | null {
  if (command.kind === 'set_cap') return command.cap === null ? 'cap_missing' : null
  if (command.kind !== 'submit') return null
  const { plan } = command
  if (isPaidByCustomer(plan) && plan.cap === null) return 'cap_missing'
  // Each task makes one file at least.
  return plan.steps.some((_, step) => takenWith(plan.steps, step) > TASK_FILES_MAX) ? 'files_too_many' : null
}

export const isPaidByCustomer = ({ purpose = 'work' }: Pick<JobPlan, 'purpose'>): boolean =>
  purpose === 'work'

interface StepShape {
  readonly dependsOn: readonly number[]
  readonly takesResults?: boolean | undefined
  readonly tasks: readonly unknown[]
}

/** How many files each task of this step may make, so that those who take them all are not given too many. */
export function outputsMaxOf(
  work: Work,
  { jobId, step }: { readonly jobId: string; readonly step: number },
): number {
  const takers = takersOf(work, { jobId, step })
  return Math.min(TASK_OUTPUTS_MAX, ...takers.map((tasks) => Math.floor(TASK_FILES_MAX / tasks)))
}

/** How many tasks' results each step takes that takes those of this one. */
function takersOf(work: Work, { jobId, step }: { readonly jobId: string; readonly step: number }): number[] {
  const { steps } = jobOf(work, jobId)
  return steps.flatMap(({ takesResults, dependsOn }, index) =>
    takesResults && dependsOn.includes(step) ? [takenWith(steps, index)] : [],
  )
}

/** Of a file's entry in a grant beside its path. */
const ENTRY_BYTES = 160
const encoder = new TextEncoder()

/** Says so where names are so long that later steps could not be told of all their files; else `null`. */
export function namesTooLong(
  work: Work,
  place: TaskPlace & { readonly jobId: string },
  names: readonly string[],
): string | null {
  const max = Math.min(...takersOf(work, place).map((tasks) => Math.floor(TASK_FILES_BYTES_MAX / tasks)))
  if (max === Number.POSITIVE_INFINITY) return null
  const step = encoder.encode(jobOf(work, place.jobId).steps[place.step]?.name ?? '').length
  const bytes = names.reduce((sum, name) => sum + ENTRY_BYTES + step + encoder.encode(name).length, 0)
  if (bytes <= max) return null
  return `The names of its ${names.length} files are too long for the steps that take them: ${bytes} bytes, and there is room for ${max}. Make fewer files, or give them shorter names.`
}

/** Says so where another task of a step whose results are taken made a file of one of these names; else `null`. */
export function nameTaken(
  work: Work,
  { jobId, step, task }: TaskPlace & { readonly jobId: string },
  names: readonly string[],
): string | null {
  const { steps } = jobOf(work, jobId)
  if (!steps.some(({ takesResults, dependsOn }) => takesResults && dependsOn.includes(step))) return null
  const own = new Set(names)
  for (const [other, { result }] of (steps[step]?.tasks ?? []).entries()) {
    const same = other === task ? undefined : result?.outputs.find(({ name }) => own.has(name))
    if (same) return `Its file '${same.name}' has the name of one that task ${other} of its step made.`
  }
  return null
}

/** Tasks whose results each task of the step takes. */
function takenWith(steps: readonly StepShape[], step: number): number {
  const { takesResults, dependsOn = [] } = steps[step] ?? {}
  return takesResults ? dependsOn.reduce((sum, before) => sum + (steps[before]?.tasks.length ?? 0), 0) : 0
}
