import { foldersOf, placeOf } from '#blobs/tree.ts'
import type { OutputFile } from '#protocol/task.ts'
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

/** Says so where another task of a step whose results are taken made a file that cannot lie beside these; else `null`. */
export function nameTaken(
  work: Work,
  { jobId, step, task }: TaskPlace & { readonly jobId: string },
  names: readonly string[],
): string | null {
  const { steps } = jobOf(work, jobId)
  if (!steps.some(({ takesResults, dependsOn }) => takesResults && dependsOn.includes(step))) return null
  const own = placesOf(names)
  for (const [other, { result }] of (steps[step]?.tasks ?? []).entries()) {
    if (other === task || !result) continue
    const places = placesMade(result.outputs)
    for (let at = 0; at < places.length; at++) {
      const clash = clashOf(own, places[at] ?? '')
      if (clash === null) continue
      const name = result.outputs[at]?.name
      if (clash === name) return `Its file '${name}' has the name of one that task ${other} of its step made.`
      return `Its file '${clash}' and '${name}', which task ${other} of its step made, cannot lie in one folder everywhere: they are the same but for capitals, or one is a folder of the other. Give each task names of its own.`
    }
  }
  return null
}

/** By place, the name that has it: files, and the folders that they are in. */
interface Places {
  readonly files: ReadonlyMap<string, string>
  readonly folders: ReadonlyMap<string, string>
}

function placesOf(names: readonly string[]): Places {
  const places = names.map((name) => [placeOf(name), name] as const)
  const folders = places.flatMap(([place, name]) => foldersOf(place).map((folder) => [folder, name] as const))
  return { files: new Map(places), folders: new Map(folders) }
}

/** Of each file that was made: every later commit of its step asks for them, and a step may have 10,000. */
const made = new WeakMap<readonly OutputFile[], readonly string[]>()

function placesMade(outputs: readonly OutputFile[]): readonly string[] {
  const known = made.get(outputs)
  if (known) return known
  const places = outputs.map(({ name }) => placeOf(name))
  made.set(outputs, places)
  return places
}

/** Which of them cannot lie beside what has that place. */
function clashOf({ files, folders }: Places, place: string): string | null {
  const own = files.get(place) ?? folders.get(place)
  if (own !== undefined || !place.includes('/')) return own ?? null
  const folder = foldersOf(place).find((one) => files.has(one))
  return folder === undefined ? null : (files.get(folder) ?? null)
}

/** Tasks whose results each task of the step takes. */
function takenWith(steps: readonly StepShape[], step: number): number {
  const { takesResults, dependsOn = [] } = steps[step] ?? {}
  return takesResults ? dependsOn.reduce((sum, before) => sum + (steps[before]?.tasks.length ?? 0), 0) : 0
}
