/** A step of an engine of ours (`shoal: {kind, settings, task}`): its settings, and its tasks of the step's parameters. */

import { fillFormat } from '#protocol/format-string.ts'
import type { NewStep } from '#protocol/job.ts'
import type { StepSettings, TaskParams } from '#protocol/task.ts'
import { fillJob, type Parameters } from './fill-in.ts'
import { type Path, refuse } from './refuse.ts'
import type { EngineStep } from './template.ts'

type Json = StepSettings[string]

export function planEngineStep(
  { settings, task }: EngineStep,
  { path, parameters, tasks }: { path: Path; parameters: Parameters; tasks: readonly TaskParams[] },
): Pick<NewStep, 'settings' | 'tasks'> {
  const filled = Object.entries(settings).map(([key, value]) => [
    key,
    fillDeep(value, { path: [...path, 'settings', key], parameters }),
  ])
  return {
    settings: Object.fromEntries(filled) as StepSettings,
    tasks: tasks.map((params) => taskOf(task, { params, parameters, path: [...path, 'task'] })),
  }
}

function fillDeep(value: Json, { path, parameters }: { path: Path; parameters: Parameters }): Json {
  if (typeof value === 'string') return typed(value, parameters) ?? fillJob(parameters)(value, path)
  if (Array.isArray(value)) return value.map((one, at) => fillDeep(one, { path: [...path, at], parameters }))
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).map(([key, one]) => [
    key,
    fillDeep(one, { path: [...path, key], parameters }),
  ])
  return Object.fromEntries(entries) as Json
}

/** A text that is one number of the job's parameters and nothing else is that number. */
function typed(text: string, parameters: Parameters): number | null {
  const name = /^\{\{\s*(?:Raw)?Param\.(\w+)\s*\}\}$/.exec(text)?.[1]
  const parameter = name === undefined ? undefined : parameters.get(name)
  const isNumber = parameter?.definition.type === 'INT' || parameter?.definition.type === 'FLOAT'
  return isNumber ? Number(parameter.value) : null
}

interface TaskParts {
  readonly params: TaskParams
  readonly parameters: Parameters
  readonly path: Path
}

function taskOf(task: EngineStep['task'], { params, parameters, path }: TaskParts): TaskParams {
  const meaningOf = (name: string): string | null => {
    const key = /^Task\.(?:Raw)?Param\.(\w+)$/.exec(name)?.[1]
    if (key !== undefined) return Object.hasOwn(params, key) ? String(params[key]) : null
    const [kind, own = ''] = name.split('.')
    return kind === 'Param' || kind === 'RawParam' ? (parameters.get(own)?.value ?? null) : null
  }
  const entries = Object.entries(task).map(([key, value]): [string, TaskParams[string]] => {
    if (typeof value !== 'string') return [key, value]
    const alone = /^\{\{\s*Task\.(?:Raw)?Param\.(\w+)\s*\}\}$/.exec(value)?.[1]
    const own = alone === undefined ? undefined : params[alone]
    if (own !== undefined) return [key, own]
    const number = typed(value, parameters)
    if (number !== null) return [key, number]
    const filled = fillFormat(value, meaningOf)
    if ('text' in filled) return [key, filled.text]
    throw refuse([...path, key], filled.wrong)
  })
  return Object.fromEntries(entries)
}
