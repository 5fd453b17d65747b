/** The tasks of a step: every combination of its parameters' values that its `combination` asks for. */
import { TASKS_MAX } from '#protocol/job.ts'
import type { TaskParams } from '#protocol/task.ts'
import { formatIntRange, parseIntRange } from './int-range.ts'
import { checkPath, numberText } from './job-parameters.ts'
import { type Path, refuse } from './refuse.ts'
import type { Step, TaskParameter } from './template.ts'

/** Fills in what is known of the job; throws for what is not. */
export type FillIn = (text: string, path: Path) => string

type Value = string | number

/** Throws a `Problem` that names the parameter. At least one task; `[{}]` for a step without parameters. */
export function planTasks(
  space: Step['parameterSpace'],
  { path, fill }: { readonly path: Path; readonly fill: FillIn },
): readonly TaskParams[] {
  if (space === undefined) return [{}]
  const dimensions = new Map<string, readonly Value[]>()
  const at: Path = [...path, 'taskParameterDefinitions']
  for (const [index, parameter] of space.taskParameterDefinitions.entries()) {
    if (dimensions.has(parameter.name))
      throw refuse([...at, index], `there are two parameters named ${parameter.name}`)
    dimensions.set(parameter.name, valuesOf(parameter, { path: [...at, index], fill }))
  }
  const chunked = space.taskParameterDefinitions
    .filter(({ type }) => type === 'CHUNK[INT]')
    .map(({ name }) => name)
  if (chunked.length > 1)
    throw refuse(at, `${chunked.join(' and ')} are both CHUNK[INT]: a step may have one`)
  const text = space.combination ?? [...dimensions.keys()].join(' * ')
  const combinationPath = [...path, 'combination']
  const expression = parseCombination(text, combinationPath)
  checkNames(expression, dimensions, combinationPath)
  return combine(expression, { dimensions, chunked, path: combinationPath })
}

interface Place {
  readonly path: Path
  readonly fill: FillIn
}

function valuesOf(parameter: TaskParameter, { path, fill }: Place): readonly Value[] {
  const rangePath = [...path, 'range']
  const { type, range } = parameter
  if (type === 'INT' || type === 'CHUNK[INT]') {
    const numbers = intsOf(range, { path: rangePath, fill })
    return type === 'INT' ? numbers : chunksOf(parameter, numbers, { path, fill })
  }
  return range.map((value, at) => {
    const text = fill(String(value), [...rangePath, at])
    if (type === 'PATH') return checkPath(text, [...rangePath, at])
    if (type === 'STRING') return text
    const number = numberText('FLOAT', text, [...rangePath, at])
    return typeof value === 'number' ? value : number
  })
}

function intsOf(range: string | readonly Value[], { path, fill }: Place): readonly number[] {
  if (typeof range !== 'string')
    return range.map((value, at) =>
      Number(numberText('INT', fill(String(value), [...path, at]), [...path, at])),
    )
  const text = fill(range, path)
  const numbers = parseIntRange(text, TASKS_MAX)
  if (typeof numbers === 'string') throw refuse(path, `'${text}' ${numbers}`)
  return numbers
}

function chunksOf(
  { chunks }: Extract<TaskParameter, { type: 'CHUNK[INT]' }>,
  numbers: readonly number[],
  { path, fill }: Place,
): readonly string[] {
  const countPath = [...path, 'chunks', 'defaultTaskCount']
  const count = Number(numberText('INT', fill(String(chunks.defaultTaskCount), countPath), countPath))
  if (count < 1) throw refuse(countPath, 'expected at least 1')
  const runtimePath = [...path, 'chunks', 'targetRuntimeSeconds']
  const runtime = Number(
    numberText('INT', fill(String(chunks.targetRuntimeSeconds ?? 0), runtimePath), runtimePath),
  )
  if (runtime < 0) throw refuse(runtimePath, 'expected 0 or more seconds')
  const rising = [...new Set(numbers)].toSorted((a, b) => a - b)
  if (rising.length < numbers.length) throw refuse([...path, 'range'], 'has a number twice')
  const isContiguous = chunks.rangeConstraint === 'CONTIGUOUS'
  const parts: number[][] = []
  for (const value of rising) {
    const last = parts.at(-1)
    const fits = last !== undefined && last.length < count && (!isContiguous || last.at(-1) === value - 1)
    if (fits) last.push(value)
    else parts.push([value])
  }
  return parts.map((part) => (isContiguous ? `${part[0]}-${part.at(-1)}` : formatIntRange(part)))
}

type Expression =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'product' | 'together'; readonly parts: readonly Expression[] }

/** `(A, B) * C`. */
function parseCombination(text: string, path: Path): Expression {
  const tokens = text.match(/[A-Za-z_][A-Za-z0-9_]*|[(),*]|\S/g) ?? []
  let at = 0
  const wrong = (expected: string) =>
    refuse(
      path,
      `'${text}' has ${tokens[at] === undefined ? 'its end' : `'${tokens[at]}'`} where ${expected} is expected`,
    )
  const list = (separator: string, kind: 'product' | 'together', part: () => Expression): Expression => {
    const parts = [part()]
    while (tokens[at] === separator) {
      at += 1
      parts.push(part())
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind, parts }
  }
  const element = (): Expression => {
    const token = tokens[at] ?? ''
    if (/^[A-Za-z_]/.test(token)) {
      at += 1
      return { kind: 'name', name: token }
    }
    if (token !== '(') throw wrong("a parameter or '('")
    at += 1
    const inner = list(',', 'together', product)
    if (tokens[at] !== ')') throw wrong("')' or ','")
    at += 1
    return inner
  }
  const product = (): Expression => list('*', 'product', element)
  const whole = product()
  if (at < tokens.length) throw wrong("'*' or the end")
  return whole
}

const namesOf = (expression: Expression): readonly string[] =>
  expression.kind === 'name' ? [expression.name] : expression.parts.flatMap(namesOf)

function checkNames(expression: Expression, dimensions: ReadonlyMap<string, unknown>, path: Path): void {
  const names = namesOf(expression)
  const unknown = names.find((name) => !dimensions.has(name))
  if (unknown !== undefined) throw refuse(path, `there is no parameter ${unknown}`)
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw refuse(path, `${twice} stands there twice`)
  const missing = [...dimensions.keys()].find((name) => !names.includes(name))
  if (missing !== undefined) throw refuse(path, `the parameter ${missing} is missing there`)
}

interface Space {
  readonly dimensions: ReadonlyMap<string, readonly Value[]>
  readonly chunked: readonly string[]
  readonly path: Path
}

/** The last part of a product changes fastest. */
function combine(expression: Expression, space: Space): readonly TaskParams[] {
  if (expression.kind === 'name') {
    const { name } = expression
    return (space.dimensions.get(name) ?? []).map((value) => ({ [name]: value }))
  }
  if (expression.kind === 'together') return together(expression.parts, space)
  return expression.parts.reduce<readonly TaskParams[]>(
    (tasks, part) => {
      const more = combine(part, space)
      if (tasks.length * more.length > TASKS_MAX)
        throw refuse(
          space.path,
          `that makes ${tasks.length * more.length} tasks and more, and a step may have ${TASKS_MAX}`,
        )
      return tasks.flatMap((task) => more.map((one) => ({ ...task, ...one })))
    },
    [{}],
  )
}

function together(parts: readonly Expression[], space: Space): readonly TaskParams[] {
  const { path, chunked } = space
  const chunk = parts.flatMap(namesOf).find((name) => chunked.includes(name))
  if (chunk !== undefined)
    throw refuse(path, `${chunk} is CHUNK[INT] and cannot stand between ( and ) with others`)
  const columns = parts.map((part) => combine(part, space))
  const lengths = columns.map((column) => column.length)
  if (new Set(lengths).size > 1)
    throw refuse(
      path,
      `what stands between ( and ) must have equally many values, and has ${lengths.join(' and ')}`,
    )
  return (columns[0] ?? []).map(
    (_, at) => Object.assign({}, ...columns.map((column) => column[at])) as TaskParams,
  )
}
