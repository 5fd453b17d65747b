/** Whole numbers as Open Job Description lists them: `1-10,15,20-40:5,-3`. */

const ELEMENT = /^(-?\d+)(?:\s*-\s*(-?\d+)(?:\s*:\s*(-?\d+))?)?$/
const MOST = Number.MAX_SAFE_INTEGER

/** The numbers of `text` in the order in which they stand there, or what is wrong with it. At most `countMax`. */
export function parseIntRange(text: string, countMax: number): readonly number[] | string {
  const values: number[] = []
  for (const part of text.split(',').map((one) => one.trim())) {
    const element = parseElement(part)
    if (typeof element === 'string') return element
    const { first, last, step } = element
    const count = Math.floor((last - first) / step) + 1
    if (values.length + count > countMax) return `has more than ${countMax} numbers`
    for (let at = 0; at < count; at += 1) values.push(first + at * step)
  }
  const seen = new Set<number>()
  for (const value of values) {
    if (seen.has(value)) return `has ${value} twice`
    seen.add(value)
  }
  return values
}

function parseElement(part: string): { first: number; last: number; step: number } | string {
  if (part === '') return "has an empty part: expected numbers like '1-10,15,20-40:5'"
  const match = ELEMENT.exec(part)
  if (match === null) return `has '${part}': expected a number, 'first-last' or 'first-last:step'`
  const first = Number(match[1])
  const last = match[2] === undefined ? first : Number(match[2])
  const step = match[3] === undefined ? 1 : Number(match[3])
  if (Math.abs(first) > MOST || Math.abs(last) > MOST) return `has '${part}', which is too large`
  if (step === 0) return `has '${part}': a step of 0 gets nowhere`
  if ((last - first) * step < 0)
    return `has '${part}': ${last} does not come after ${first} ${step > 0 ? 'going up' : 'going down'}`
  return { first, last, step }
}

/** Rising numbers as a range again, in as few parts as there are runs of equal steps of three or more. */
export function formatIntRange(values: readonly number[]): string {
  const parts: string[] = []
  for (let at = 0; at < values.length; ) {
    const run = runFrom(values, at)
    const first = values[at] ?? 0
    const last = values[at + run.count - 1] ?? 0
    if (run.count >= 3 || (run.count === 2 && run.step === 1))
      parts.push(run.step === 1 ? `${first}-${last}` : `${first}-${last}:${run.step}`)
    else parts.push(...values.slice(at, at + run.count).map(String))
    at += run.count
  }
  return parts.join(',')
}

/** How many numbers from `at` on have one distance. Two that are not neighbours are no run, so that `1,5,6,7` is `1,5-7`. */
function runFrom(values: readonly number[], at: number): { count: number; step: number } {
  const step = (values[at + 1] ?? 0) - (values[at] ?? 0)
  let count = Math.min(2, values.length - at)
  while (at + count < values.length && (values[at + count] ?? 0) - (values[at + count - 1] ?? 0) === step)
    count += 1
  return count === 2 && step !== 1 ? { count: 1, step: 1 } : { count, step }
}
