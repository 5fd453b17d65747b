/** Places in texts: what is known when the job is made is filled in; what only the node knows stays, if it means something. */
import { fillFormat, parseFormat } from '#protocol/format-string.ts'
import type { JobParameter } from './job-parameters.ts'
import { type Path, refuse } from './refuse.ts'

export type Parameters = ReadonlyMap<string, JobParameter>

/** For texts that only the job's own parameters may stand in: its name, ranges, counts. */
export const fillJob =
  (parameters: Parameters) =>
  (text: string, path: Path): string => {
    const filled = fillFormat(text, (name) => jobMeaning(parameters, name))
    if ('text' in filled) return filled.text
    throw refuse(path, `${filled.wrong}; there are: ${jobNames(parameters)}`)
  }

function jobMeaning(parameters: Parameters, name: string): string | null {
  const [kind, key = '', rest] = name.split('.')
  const parameter = parameters.get(key)
  if (rest !== undefined || parameter === undefined) return null
  if (kind === 'RawParam') return parameter.value
  // Where a path lies is for the node to know.
  return kind === 'Param' && parameter.definition.type !== 'PATH' ? parameter.value : null
}

const jobNames = (parameters: Parameters): string =>
  [...parameters.values()]
    .map(({ definition: { name, type } }) => (type === 'PATH' ? `RawParam.${name}` : `Param.${name}`))
    .join(', ') || 'none'

export interface TaskNames {
  /** Of the step's parameters, and which of them are paths. */
  readonly params: readonly string[]
  readonly paths: readonly string[]
  readonly files: readonly string[]
}

/** For texts of a script: what the node fills in later is left standing, in the names that nodes know. */
export const fillScript =
  (parameters: Parameters, names: TaskNames) =>
  (text: string, path: Path): string => {
    const parts = parseFormat(text)
    if (typeof parts === 'string') throw refuse(path, parts)
    return parts
      .map((part) => {
        if ('text' in part) return part.text
        const meaning = jobMeaning(parameters, part.name) ?? nodeMeaning(part.name, parameters, names)
        if (meaning !== null) return meaning
        throw refuse(path, `{{${part.name}}} means nothing here${hint(part.name)}`)
      })
      .join('')
  }

function nodeMeaning(
  name: string,
  parameters: Parameters,
  { params, paths, files }: TaskNames,
): string | null {
  if (['Session.WorkingDirectory', 'Session.HasPathMappingRules', 'Shoal.Inputs'].includes(name))
    return `{{${name}}}`
  const [kind, what = '', key = '', rest] = name.split('.')
  if (kind === 'Param') return parameters.has(what) && key === '' ? pathMeaning(parameters.get(what)) : null
  if (kind !== 'Task' || rest !== undefined) return null
  if (what === 'File') return files.includes(key) ? `{{${name}}}` : null
  if ((what !== 'Param' && what !== 'RawParam') || !params.includes(key)) return null
  return what === 'Param' && paths.includes(key) ? `{{Shoal.Inputs}}/{{Task.RawParam.${key}}}` : `{{${name}}}`
}

function pathMeaning(parameter: JobParameter | undefined): string | null {
  if (parameter?.definition.type !== 'PATH') return null
  const folder = parameter.definition.dataFlow === 'OUT' ? '{{Session.WorkingDirectory}}' : '{{Shoal.Inputs}}'
  return parameter.value === '.' ? folder : `${folder}/${parameter.value}`
}

function hint(name: string): string {
  if (name.startsWith('Env.')) return ': environments are not supported'
  if (name === 'Session.PathMappingRulesFile') return ': paths are the same on every node, there are no rules'
  if (name.startsWith('Task.File.')) return ': the step has no embedded file of that name'
  if (name.startsWith('Task.')) return ': the step has no such parameter'
  return ''
}
