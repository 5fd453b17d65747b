/** The parameters of a job: what the template says about them, and what they are in this one. */
import { type Path, refuse } from './refuse.ts'
import type { ParameterDefinition } from './template.ts'

export interface JobParameter {
  readonly definition: ParameterDefinition
  /** As text; paths relative to the inputs, or to the folder of the task where data flows out. */
  readonly value: string
}

/** Throws a `Problem` that names the parameter. */
export function resolveParameters(
  definitions: readonly ParameterDefinition[],
  given: Readonly<Record<string, string | number>>,
): ReadonlyMap<string, JobParameter> {
  const resolved = new Map<string, JobParameter>()
  for (const [at, definition] of definitions.entries()) {
    const path = ['parameterDefinitions', at]
    const { name } = definition
    if (resolved.has(name)) throw refuse(path, `there are two parameters named ${name}`)
    if (definition.default !== undefined) checkValue(definition, definition.default, [...path, 'default'])
    const own = Object.hasOwn(given, name) ? given[name] : undefined
    const value = own ?? definition.default
    if (value === undefined) throw refuse(path, `${name} has no value and no default: give ${name}=…`)
    resolved.set(name, { definition, value: checkValue(definition, value, [...path, name]) })
  }
  const unknown = Object.keys(given).find((name) => !resolved.has(name))
  if (unknown === undefined) return resolved
  const known = [...resolved.keys()].join(', ') || 'it has none'
  throw refuse(['parameterDefinitions'], `there is no parameter ${unknown}; there are: ${known}`)
}

/** The value as text. */
function checkValue(definition: ParameterDefinition, value: string | number, path: Path): string {
  const text =
    definition.type === 'INT' || definition.type === 'FLOAT'
      ? numberText(definition.type, value, path)
      : String(value)
  if (text.includes('{{')) throw refuse(path, `'${text}' holds '{{', which a value must not`)
  const { allowedValues } = definition
  if (allowedValues !== undefined && !allowedValues.some((allowed) => isSame(definition, allowed, text)))
    throw refuse(path, `'${text}' is none of ${allowedValues.join(', ')}`)
  if (definition.type === 'STRING' || definition.type === 'PATH') {
    const { minLength, maxLength } = definition
    if (minLength !== undefined && text.length < minLength)
      throw refuse(path, `'${text}' is shorter than ${minLength}`)
    if (maxLength !== undefined && text.length > maxLength)
      throw refuse(path, `'${text}' is longer than ${maxLength}`)
    return definition.type === 'PATH' ? checkPath(text, path) : text
  }
  const { minValue, maxValue } = definition
  if (minValue !== undefined && Number(text) < Number(minValue))
    throw refuse(path, `${text} is less than ${minValue}`)
  if (maxValue !== undefined && Number(text) > Number(maxValue))
    throw refuse(path, `${text} is more than ${maxValue}`)
  return text
}

const isSame = ({ type }: ParameterDefinition, allowed: string | number, text: string): boolean =>
  type === 'INT' || type === 'FLOAT' ? Number(allowed) === Number(text) : String(allowed) === text

/** Of a whole or a decimal number; what was written as text stays as it was written. */
export function numberText(type: 'INT' | 'FLOAT', value: string | number, path: Path): string {
  const text = String(value).trim()
  const isNumber =
    type === 'INT' ? /^[+-]?\d+$/.test(text) : /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)
  const isExact = type === 'FLOAT' ? Number.isFinite(Number(text)) : Number.isSafeInteger(Number(text))
  if (isNumber && isExact) return type === 'INT' ? String(Number(text)) : text
  throw refuse(path, `'${text}' is no ${type === 'INT' ? 'whole number' : 'number'}`)
}

/** `text` in its shortest form, when it is a path that stays below its folder. */
export function checkPath(text: string, path: Path): string {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.')
  const clean = parts.join('/') || '.'
  const isBelow = !/^([/\\]|[A-Za-z]:)/.test(text) && !parts.includes('..')
  if (isBelow && !/[\0\n]/.test(text)) return clean
  throw refuse(
    path,
    `the path '${text}' does not lie below the job's folder: put the file there and name it relative to the folder`,
  )
}
