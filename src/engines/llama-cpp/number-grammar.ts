/** Numbers within bounds, as a grammar. */
import { type GrammarRules, literal } from './grammar-rules.ts'
import { inexpressible, type Schema } from './schema-place.ts'

interface NumberPlace {
  readonly rules: GrammarRules
  readonly path: string
  readonly isInteger: boolean
}

/** Beyond this many digits numbers lose exactness. */
const DIGITS_MAX = 15

/** Bounds must be whole numbers: a digit at a time can't be held to others. */
export function numberRule(schema: Schema, { rules, path, isInteger }: NumberPlace): string {
  const low = boundOf(schema, ['minimum', 'exclusiveMinimum'], { path, isInteger })
  const high = boundOf(schema, ['maximum', 'exclusiveMaximum'], { path, isInteger })
  if (low === null && high === null) return isInteger ? '"-"? ("0" | [1-9] [0-9]{0,15})' : rules.number()
  const [min, max] = [low ?? Number.NEGATIVE_INFINITY, high ?? Number.POSITIVE_INFINITY]
  if (min > max) throw inexpressible(`${path}.minimum`, 'is above the maximum: no number can meet both')
  const parts: string[] = []
  if (max >= 0) parts.push(magnitudes({ min: Math.max(0, min), max, isInteger }))
  if (min < 0)
    parts.push(`"-" (${magnitudes({ min: Math.max(isInteger ? 1 : 0, -max), max: -min, isInteger })})`)
  return `(${parts.join(' | ')})`
}

function boundOf(
  schema: Schema,
  [inclusive, exclusive]: readonly ['minimum' | 'maximum', 'exclusiveMinimum' | 'exclusiveMaximum'],
  { path, isInteger }: Pick<NumberPlace, 'path' | 'isInteger'>,
): number | null {
  const key = schema[exclusive] === undefined ? inclusive : exclusive
  const value = schema[key]
  if (value === undefined) return null
  if (schema[inclusive] !== undefined && schema[exclusive] !== undefined) {
    throw inexpressible(`${path}.${exclusive}`, `stands beside ${inclusive}: give one of them`)
  }
  const isWhole = typeof value === 'number' && Math.abs(value) < 10 ** DIGITS_MAX
  if (!isWhole) throw inexpressible(`${path}.${key}`, 'is no number, or too large')
  const isMinimum = inclusive === 'minimum'
  if (isInteger) {
    const rounded = isMinimum ? Math.ceil(value) : Math.floor(value)
    return key === exclusive && rounded === value ? rounded + (isMinimum ? 1 : -1) : rounded
  }
  if (key === exclusive || !Number.isInteger(value)) {
    throw inexpressible(
      `${path}.${key}`,
      'cannot be expressed as a grammar for decimals, only whole inclusive bounds can',
    )
  }
  return value
}

/** Numbers without sign from `min` to `max`, both included; `max` may be infinite. */
function magnitudes({ min, max, isInteger }: { min: number; max: number; isInteger: boolean }): string {
  if (isInteger) return wholes(min, max)
  const fraction = '("." [0-9]{1,15})?'
  if (max === Number.POSITIVE_INFINITY) return `(${wholes(min, max)}) ${fraction}`
  const last = `${literal(String(max))} ("." "0"{1,3})?`
  return max > min ? `(${wholes(min, max - 1)}) ${fraction} | ${last}` : last
}

/** Whole numbers, by their count of digits. */
function wholes(min: number, max: number): string {
  const parts: string[] = []
  const digitsOfMin = String(min).length
  const digitsOfMax = max === Number.POSITIVE_INFINITY ? DIGITS_MAX + 1 : String(max).length
  for (let digits = digitsOfMin; digits <= digitsOfMax; digits++) {
    if (max === Number.POSITIVE_INFINITY && digits > digitsOfMin) {
      parts.push(`[1-9] [0-9]{${digits - 1},${DIGITS_MAX}}`)
      break
    }
    const least = digits === digitsOfMin ? String(min) : `1${'0'.repeat(digits - 1)}`
    const most = digits === digitsOfMax ? String(max) : '9'.repeat(digits)
    parts.push(sameLength(least, most))
  }
  return parts.join(' | ')
}

/** Digits from `least` to `most`, which are equally long. */
function sameLength(least: string, most: string): string {
  const [a = '', b = ''] = [least[0], most[0]]
  if (a === '') return ''
  const [restOfLeast, restOfMost] = [least.slice(1), most.slice(1)]
  const any = restOfLeast.length === 0 ? '' : `[0-9]{${restOfLeast.length}}`
  const isAll = /^0*$/.test(restOfLeast) && /^9*$/.test(restOfMost)
  if (isAll) return `[${a}-${b}] ${any}`.trim()
  if (a === b) return `"${a}" (${sameLength(restOfLeast, restOfMost)})`
  const parts = [`"${a}" (${sameLength(restOfLeast, '9'.repeat(restOfLeast.length))})`]
  if (Number(b) - Number(a) > 1) parts.push(`[${Number(a) + 1}-${Number(b) - 1}] ${any}`)
  parts.push(`"${b}" (${sameLength('0'.repeat(restOfMost.length), restOfMost)})`)
  return parts.join(' | ')
}
