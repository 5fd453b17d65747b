/** What is wrong with one value, in the words and with the codes of OpenAI's API. */
import type { z } from 'zod'

export interface DescribedIssue {
  readonly code: string
  readonly text: string
}

/** `path` names the value in the request; `found` is what stands there. */
export function describeValue(issue: z.core.$ZodIssue, path: string, found: unknown): DescribedIssue {
  switch (issue.code) {
    case 'invalid_type':
      return {
        code: 'invalid_type',
        text: `Invalid type for '${path}': expected ${withArticle(issue.expected)}, but got ${nameType(found)} instead.`,
      }
    case 'too_big':
      return describeSize(path, found, { bound: Number(issue.maximum), isMaximum: true })
    case 'too_small': {
      const isAboveZero = issue.inclusive === false && Number.isInteger(found)
      const bound = Number(issue.minimum) + (isAboveZero ? 1 : 0)
      return describeSize(path, found, { bound, isMaximum: false })
    }
    case 'invalid_value':
      return notOneOf(path, found, issue.values)
    case 'invalid_format': {
      const pattern =
        'pattern' in issue && issue.pattern
          ? ` Expected a string that matches the pattern '${trim(issue.pattern)}'.`
          : ''
      return {
        code: 'invalid_value',
        text: `Invalid '${path}': string does not match pattern.${pattern}`,
      }
    }
    case 'invalid_union':
      if ('options' in issue && Array.isArray(issue.options)) return notOneOf(path, found, issue.options)
      return {
        code: 'invalid_type',
        text: `Invalid type for '${path}': ${issue.message}, but got ${nameType(found)} instead.`,
      }
    default:
      return plain(path, found, issue.message)
  }
}

const plain = (path: string, found: unknown, message: string): DescribedIssue => ({
  code: 'invalid_value',
  text: `Invalid '${path}': ${message.replace(/^Invalid \w+: /, '')}, but got ${quote(found)}.`,
})

function notOneOf(path: string, found: unknown, values: readonly unknown[]): DescribedIssue {
  const names = values.map((value) => (typeof value === 'string' ? `'${value}'` : String(value)))
  const supported =
    names.length === 1
      ? `The only supported value is ${names[0]}`
      : `Supported values are: ${names.join(', ')}`
  const value = typeof found === 'string' && found.length <= 60 ? `'${found}'` : quote(found)
  return { code: 'invalid_value', text: `Invalid value for '${path}': ${value}. ${supported}.` }
}

function describeSize(
  path: string,
  found: unknown,
  { bound, isMaximum }: { bound: number; isMaximum: boolean },
): DescribedIssue {
  if (typeof found === 'number') {
    const type = TAKES_DECIMALS.test(path) ? 'decimal' : 'integer'
    return {
      code: `${type}_${isMaximum ? 'above_max' : 'below_min'}_value`,
      text: `Invalid '${path}': ${type} ${isMaximum ? 'above maximum' : 'below minimum'} value. Expected a value ${isMaximum ? '<=' : '>='} ${bound}, but got ${found} instead.`,
    }
  }
  const type = Array.isArray(found) ? 'array' : typeof found === 'string' ? 'string' : 'object'
  const length =
    Array.isArray(found) || typeof found === 'string' ? found.length : Object.keys(found ?? {}).length
  const one = withArticle(type)
  const limit = `Expected ${one} with ${isMaximum ? 'maximum' : 'minimum'} length ${bound}`
  if (length === 0)
    return {
      code: `empty_${type}`,
      text: `Invalid '${path}': empty ${type}. ${limit}, but got an empty ${type} instead.`,
    }
  return {
    code: `${type}_${isMaximum ? 'above_max' : 'below_min'}_length`,
    text: `Invalid '${path}': ${type} too ${isMaximum ? 'long' : 'short'}. ${limit}, but got ${one} with length ${length} instead.`,
  }
}

/** What is too large or too small there is called a decimal, a whole number too. */
const TAKES_DECIMALS = /^(temperature|top_p|frequency_penalty|presence_penalty|logit_bias\.|provider\.)/

const expectedNames: Readonly<Record<string, string>> = { int: 'integer', record: 'object' }
const withArticle = (type: string): string => {
  const name = expectedNames[type] ?? type
  return `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name}`
}

/** `an array`, `a decimal number`: the type of a value of JSON. */
export function nameType(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'an integer' : 'a decimal number'
  return value === undefined ? 'nothing' : withArticle(typeof value)
}

/** A value short enough to repeat in a message. */
const quote = (value: unknown): string => {
  // Of any size and depth, which would be written out for nothing.
  if (typeof value === 'object' && value !== null) return nameType(value)
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length <= 60 ? text : nameType(value)
}

const trim = (pattern: string): string => pattern.replace(/^\/(.*)\/\w*$/, '$1')
