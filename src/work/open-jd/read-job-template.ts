/**
 * Job templates of Open Job Description 2023-09, read into the steps of a job. Takes the document as plain data, so that it
 * does not matter whether it was YAML or JSON. `docs/reference/job-files.md` says which part of the specification runs here.
 */
import { FfmpegSettings } from '#protocol/ffmpeg-settings.ts'
import { NewStep } from '#protocol/job.ts'
import { fillJob, type Parameters } from './fill-in.ts'
import { resolveParameters } from './job-parameters.ts'
import { planEngineStep } from './plan-engine-step.ts'
import { planScript } from './plan-script.ts'
import { type Path, refuse, refuseShape } from './refuse.ts'
import { planRequirements } from './requirements.ts'
import { planTasks } from './task-space.ts'
import { JobTemplate, type ParameterDefinition, type Step } from './template.ts'

const NAME_CHARS_MAX = 100

export interface JobFile {
  readonly name: string
  readonly steps: readonly NewStep[]
}

export interface JobFileInput {
  /** Of the job's parameters, by name. */
  readonly parameters: Readonly<Record<string, string | number>>
  /** Tree of the job's folder, uploaded before; every step has it as its inputs. */
  readonly inputRoot: string | null
}

/** The steps in an order in which none comes before one that it depends on. Throws `Problem('invalid_request')`. */
export function readJobTemplate(document: unknown, input: JobFileInput): JobFile {
  const template = parse(document)
  const parameters = resolveParameters(template.parameterDefinitions ?? [], input.parameters)
  const name = fillJob(parameters)(template.name, ['name']).trim().slice(0, NAME_CHARS_MAX)
  if (name === '') throw refuse(['name'], 'is empty')
  const steps = template.steps.map((step, at) => planStep(step, { at, template, parameters, input }))
  return { name, steps: inOrder(template.steps, steps) }
}

/** What a job of this template can be given. Throws `Problem('invalid_request')` when it is no template. */
export const parametersOf = (document: unknown): readonly ParameterDefinition[] =>
  parse(document).parameterDefinitions ?? []

/** By step, its task parameters of type PATH. Throws `Problem('invalid_request')` when it is no template. */
export const taskPathsOf = (document: unknown): ReadonlyMap<string, readonly string[]> =>
  new Map(
    parse(document).steps.map(({ name, parameterSpace }) => [
      name,
      (parameterSpace?.taskParameterDefinitions ?? [])
        .filter(({ type }) => type === 'PATH')
        .map((parameter) => parameter.name),
    ]),
  )

function parse(document: unknown): JobTemplate {
  const parsed = JobTemplate.safeParse(document)
  if (parsed.success) return parsed.data
  throw refuseShape(parsed.error)
}

interface StepParts {
  readonly at: number
  readonly template: JobTemplate
  readonly parameters: Parameters
  readonly input: JobFileInput
}

function planStep(step: Step, { at, template, parameters, input }: StepParts): NewStep {
  const path: Path = ['steps', at]
  if (template.steps.findIndex(({ name }) => name === step.name) !== at)
    throw refuse([...path, 'name'], `there are two steps named ${step.name}`)
  checkExtensions(step, template, path)
  const taskParameters = step.parameterSpace?.taskParameterDefinitions ?? []
  const tasks = planTasks(step.parameterSpace, {
    path: [...path, 'parameterSpace'],
    fill: fillJob(parameters),
  })
  const dependsOn = (step.dependencies ?? []).map(({ dependsOn }) => dependsOn)
  const common = {
    name: step.name,
    dependsOn,
    takesResults: dependsOn.length > 0,
    inputRoot: input.inputRoot,
    requirements: planRequirements(step.hostRequirements, [...path, 'hostRequirements']),
  }
  if (step.shoal !== undefined) {
    const planned = planEngineStep(step.shoal, { path: [...path, 'shoal'], parameters, tasks })
    if (step.shoal.kind === 'ffmpeg') checkVideo(planned.settings, [...path, 'shoal', 'settings'])
    return checkStep({ ...common, kind: step.shoal.kind, ...planned }, path)
  }
  if (step.script === undefined) throw refuse(path, 'expected a script')
  const settings = planScript(step.script, { path: [...path, 'script'], parameters, taskParameters })
  return checkStep({ ...common, kind: 'command', settings, tasks: [...tasks] }, path)
}

/** What the API takes is narrower than the specification here and there: told now instead of after an upload. */
function checkStep(step: unknown, path: Path): NewStep {
  const parsed = NewStep.safeParse(step)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw refuse(
    [...path, ...(issue?.path.map((key) => (typeof key === 'symbol' ? String(key) : key)) ?? [])],
    issue?.message ?? 'cannot be taken',
  )
}

function checkVideo(settings: NewStep['settings'], path: Path): void {
  const issue = FfmpegSettings.safeParse(settings).error?.issues[0]
  if (issue === undefined) return
  const keys = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : issue.path.map(String)
  throw refuse(
    [...path, ...keys],
    issue.code === 'unrecognized_keys' ? 'there is no such key here' : issue.message,
  )
}

function checkExtensions(step: Step, { extensions = [] }: JobTemplate, path: Path): void {
  const isChunked = step.parameterSpace?.taskParameterDefinitions.some(({ type }) => type === 'CHUNK[INT]')
  if (isChunked && !extensions.includes('TASK_CHUNKING'))
    throw refuse([...path, 'parameterSpace'], 'CHUNK[INT] needs the line extensions: [TASK_CHUNKING]')
  if (step.shoal === undefined) return
  if (!extensions.includes('SHOAL')) throw refuse([...path, 'shoal'], 'needs the line extensions: [SHOAL]')
  if (step.script !== undefined) throw refuse(path, 'has both a script and shoal: one of them runs')
}

/** Stable: steps stay as they stand there wherever their dependencies allow it. */
function inOrder(templates: readonly Step[], steps: readonly NewStep[]): readonly NewStep[] {
  const names = new Set(steps.map(({ name }) => name))
  const ordered: NewStep[] = []
  const left = [...steps]
  for (const [at, { dependsOn, name }] of steps.entries()) {
    const path: Path = ['steps', at, 'dependencies']
    for (const [index, other] of dependsOn.entries()) {
      if (!names.has(other)) throw refuse([...path, index, 'dependsOn'], `there is no step ${other}`)
      if (other === name) throw refuse([...path, index, 'dependsOn'], `${name} cannot wait for itself`)
    }
  }
  while (left.length > 0) {
    const next = left.findIndex(({ dependsOn }) =>
      dependsOn.every((other) => ordered.some(({ name }) => name === other)),
    )
    if (next === -1) {
      const at = templates.findIndex(({ name }) => name === left[0]?.name)
      throw refuse(
        ['steps', at, 'dependencies'],
        `${left.map(({ name }) => name).join(', ')} wait for each other`,
      )
    }
    ordered.push(...left.splice(next, 1))
  }
  return ordered
}
