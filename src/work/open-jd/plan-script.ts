/** A step with a script as settings of kind `command`. */
import { parseFormat } from '#protocol/format-string.ts'
import type { StepSettings } from '#protocol/task.ts'
import { fillJob, fillScript, type Parameters, type TaskNames } from './fill-in.ts'
import { numberText } from './job-parameters.ts'
import { type Path, refuse } from './refuse.ts'
import type { Script, TaskParameter } from './template.ts'

/** Seven days. */
const TIMEOUT_SECONDS_MAX = 604_800

export interface ScriptParts {
  readonly path: Path
  readonly parameters: Parameters
  readonly taskParameters: readonly TaskParameter[]
}

export function planScript(script: Script, { path, parameters, taskParameters }: ScriptParts): StepSettings {
  const embedded = script.embeddedFiles ?? []
  const names: TaskNames = {
    params: taskParameters.map(({ name }) => name),
    paths: taskParameters.filter(({ type }) => type === 'PATH').map(({ name }) => name),
    files: embedded.map(({ name }) => name),
  }
  checkFiles(script, path)
  const fill = fillScript(parameters, names)
  const { command, args = [], timeout } = script.actions.onRun
  const onRun: Path = [...path, 'actions', 'onRun']
  const settings = {
    command: fill(command, [...onRun, 'command']),
    args: args.map((arg, at) => fill(arg, [...onRun, 'args', at])),
    files: embedded.map(({ name, filename, data, runnable }, at) => ({
      name,
      ...(filename === undefined ? {} : { filename }),
      data: fill(data, [...path, 'embeddedFiles', at, 'data']),
      isRunnable: runnable,
    })),
    ...(timeout === undefined
      ? {}
      : { timeoutMs: timeoutMs(timeout, { path: [...onRun, 'timeout'], parameters }) }),
  }
  const used = namedIn([command, ...args, ...embedded.map(({ data }) => data)])
  return { ...settings, outputs: outputsOf(parameters, used) }
}

function checkFiles({ embeddedFiles = [] }: Script, path: Path): void {
  const places = embeddedFiles.map(({ name, filename }) => filename ?? name)
  for (const [at, place] of places.entries()) {
    const where = [...path, 'embeddedFiles', at]
    if (place.includes('/') || place === '.' || place === '..')
      throw refuse([...where, 'filename'], `'${place}' is no name of a file without folders`)
    if (places.indexOf(place) !== at) throw refuse(where, `there are two files named ${place}`)
  }
}

function timeoutMs(
  timeout: string | number,
  { path, parameters }: Pick<ScriptParts, 'path' | 'parameters'>,
): number {
  const seconds = Number(numberText('INT', fillJob(parameters)(String(timeout), path), path))
  if (seconds >= 1 && seconds <= TIMEOUT_SECONDS_MAX) return seconds * 1_000
  throw refuse(path, `expected 1 to ${TIMEOUT_SECONDS_MAX} seconds, found ${seconds}`)
}

/** The job's parameters that a text names. */
function namedIn(texts: readonly string[]): ReadonlySet<string> {
  const names = texts.flatMap((text) => {
    const parts = parseFormat(text)
    return typeof parts === 'string' ? [] : parts.flatMap((part) => ('name' in part ? [part.name] : []))
  })
  return new Set(names.flatMap((name) => /^(?:Raw)?Param\.(.+)$/.exec(name)?.[1] ?? []))
}

/** What flows out by a parameter of the script; all that it leaves where no parameter says it. */
function outputsOf(parameters: Parameters, used: ReadonlySet<string>): string[] {
  const outputs = [...parameters.values()].flatMap(({ definition, value }) => {
    if (definition.type !== 'PATH' || definition.dataFlow !== 'OUT' || !used.has(definition.name)) return []
    if (definition.objectType === 'FILE') return [value]
    return [value === '.' ? '**' : `${value}/**`]
  })
  return outputs.length === 0 ? ['**'] : outputs
}
