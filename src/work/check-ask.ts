/** What cannot be a job, told in a sentence before anything is run for it. */
import { toCanonical } from '#kernel/canonical.ts'
import { FfmpegSettings } from '#protocol/ffmpeg-settings.ts'
import { type AskQuote, type NewStep, TASKS_MAX } from '#protocol/job.ts'
import type { TaskParams } from '#protocol/task.ts'
import { PARAMS_BYTES_MAX, SETTINGS_BYTES_MAX, TASK_FILES_MAX } from '#protocol/work-link.ts'
import { SERIES_MAX, seriesOf } from './probe-plan.ts'

/** Why nobody could run it; `null` where nothing is wrong by itself. */
export function whyNoJob({ steps }: Pick<AskQuote, 'steps'>): string | null {
  const tasks = steps.reduce((sum, step) => sum + step.tasks.length, 0)
  if (tasks > TASKS_MAX)
    return `It has ${tasks} tasks, more than the ${TASKS_MAX} of a job. Cut it into several jobs.`
  const before = new Set<string>()
  const countOf = new Map(steps.map((step) => [step.name, step.tasks.length]))
  for (const step of steps) {
    const reason = whyNoStep(step, before) ?? whyTooMany(step, countOf)
    if (reason !== null) return `Step "${step.name}": ${reason}`
    before.add(step.name)
  }
  return null
}

function whyNoStep(step: NewStep, before: ReadonlySet<string>): string | null {
  const { name, kind, dependsOn, takesResults, inputRoot, tasks } = step
  if (before.has(name)) return 'another step has the same name. Give each a name of its own.'
  const like = [...before].find((other) => other.toLowerCase() === name.toLowerCase())
  if (like !== undefined)
    return `step "${like}" has the same name but for capitals, and their results would be one folder. Give each a name of its own.`
  const unknown = dependsOn.find((other) => !before.has(other))
  if (unknown !== undefined) return `it depends on "${unknown}", which is no earlier step.`
  if (new Set(dependsOn).size < dependsOn.length) return 'it depends on the same step twice.'
  if (takesResults && dependsOn.length === 0)
    return 'it takes results and depends on no step. Name in dependsOn the steps whose results it takes.'
  const odd = takesResults && dependsOn.find((other) => NO_FOLDER.test(other))
  if (odd)
    return `it takes the results of "${odd}", and no folder can have that name everywhere: it ends in a dot or a blank, or is a device's. Name that step otherwise.`
  if (kind === 'blender' && inputRoot === null)
    return 'it renders and has no inputs. Upload the scene, and give the hash of its tree as inputRoot.'
  const wrong = whyTooLong(step) ?? (kind === 'ffmpeg' ? whyNoVideo(step) : null)
  if (wrong !== null) return wrong
  return kind === 'blender' ? whyNoRender(step) : whyTwice(tasks, toCanonical, 'the same parameters')
}

/** Results of a step lie in a folder of its name; devices of Windows are none, with whatever ending. */
const NO_FOLDER = /[. ]$|^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)/i

/** Each task makes one file at least. */
function whyTooMany(
  { takesResults, dependsOn }: NewStep,
  countOf: ReadonlyMap<string, number>,
): string | null {
  const taken = dependsOn.reduce((sum, name) => sum + (countOf.get(name) ?? 0), 0)
  return takesResults && taken > TASK_FILES_MAX
    ? `it takes the results of ${taken} tasks, and a task may take ${TASK_FILES_MAX} files. Make several jobs of it, or put a step between that gathers them.`
    : null
}

/** A node is told of a task in one piece. */
function whyTooLong({ settings, tasks }: NewStep): string | null {
  const own = bytesOf(settings)
  if (own > SETTINGS_BYTES_MAX)
    return `its settings have ${kib(own)} as JSON, and may have ${kib(SETTINGS_BYTES_MAX)}. Put long lists into a file of its inputs.`
  const long = tasks.findIndex((params) => bytesOf(params) > PARAMS_BYTES_MAX)
  return long === -1
    ? null
    : `the parameters of task ${long} have ${kib(bytesOf(tasks[long] ?? {}))} as JSON, and may have ${kib(PARAMS_BYTES_MAX)}. Put what is long into a file of its inputs.`
}

/** Its frames are rendered, and paid, by the time that it would be told. */
function whyNoVideo({ settings }: NewStep): string | null {
  const issue = FfmpegSettings.safeParse(settings).error?.issues[0]
  if (issue === undefined) return null
  return `no video can be made by its settings: ${issue.path.join('.') || 'they'}: ${issue.message}.`
}

const encoder = new TextEncoder()
const bytesOf = (value: NewStep['settings']): number => encoder.encode(JSON.stringify(value)).length
const kib = (bytes: number): string => `${Math.ceil(bytes / 1024)} KiB`

function whyNoRender(step: NewStep): string | null {
  const wrong = step.tasks.findIndex(({ do: does, frame }) => {
    const hasFrame = Number.isSafeInteger(frame)
    return does !== 'inspect' && !(hasFrame && typeof does === 'string' && DOES.has(does))
  })
  if (wrong !== -1)
    return `task ${wrong} says neither what to do nor of which frame. Expected do: "frame", "range", "crops" or "merge", and frame: a whole number.`
  for (const [at, { scale = 1, samples = 1 }] of step.tasks.entries()) {
    if (!(typeof scale === 'number' && scale > 0 && scale <= 1))
      return `task ${at} has a scale of ${scale}. Expected a number above 0, at most 1.`
    if (!(Number.isSafeInteger(samples) && Number(samples) > 0))
      return `task ${at} asks for ${samples} samples. Expected a whole number from 1 on.`
  }
  const twice = whyTwice(step.tasks, outputOf, 'the same file to make')
  if (twice !== null) return twice
  const { size } = seriesOf(step)
  return size > SERIES_MAX
    ? `its tasks have ${size} different settings of samples and scale, and a step may have ${SERIES_MAX}. Put the others in steps of their own.`
    : null
}
const DOES = new Set(['frame', 'range', 'crops', 'merge'])

/** What tells the files of one task from those of another, whatever else differs. */
const outputOf = ({ do: does, frame, samples, sampleOffset, ...more }: TaskParams): string => {
  if (does === 'frame' || does === 'merge') return `frame ${frame}`
  return toCanonical(
    does === 'range' ? { frame, samples, sampleOffset } : { does, frame, samples, sampleOffset, ...more },
  )
}

function whyTwice(tasks: readonly TaskParams[], keyOf: (params: TaskParams) => string, what: string) {
  const seen = new Map<string, number>()
  for (const [at, params] of tasks.entries()) {
    const key = keyOf(params)
    const first = seen.get(key)
    if (first !== undefined) return `tasks ${first} and ${at} have ${what}. Leave one of them out.`
    seen.set(key, at)
  }
  return null
}
