/** How large a caller's JSON schema may be: OpenAI's own limits, checked before any engine sees it. */
import { refuse } from './openai-parameters.ts'
import type { Problem } from './problem.ts'

export interface NamedSchema {
  readonly schema: Readonly<Record<string, unknown>>
  /** Where it stands in the request. */
  readonly at: string
  /** For the message: `function 'weather'`. */
  readonly what: string
  readonly code: string
}

const PROPERTIES_MAX = 5_000
const DEPTH_MAX = 64
const ENUM_VALUES_MAX = 1_000
const TEXT_LENGTH_MAX = 120_000
/** Texts, numbers and all else that holds nothing more. OpenAI says nothing of these; a number may be read far longer than it is written. */
const VALUES_MAX = 50_000

/** The first of `schemas` that is beyond a limit, as a problem that names it. */
export function checkSchemas(schemas: readonly NamedSchema[]): Problem | null {
  for (const named of schemas) {
    const excess = excessOf(named.schema)
    if (excess === null) continue
    const message = `Invalid schema for ${named.what}: in '${named.at}', ${excess}.`
    return refuse('invalid_request', message, { param: named.at, code: named.code })
  }
  return null
}

function excessOf(schema: unknown): string | null {
  let properties = 0
  let enumValues = 0
  let textLength = 0
  let values = 0
  const waiting: { value: unknown; depth: number }[] = [{ value: schema, depth: 0 }]
  for (;;) {
    const next = waiting.pop()
    if (!next) return null
    const { value, depth } = next
    if (typeof value === 'string') textLength += value.length
    if (textLength > TEXT_LENGTH_MAX)
      return `its texts are longer than ${TEXT_LENGTH_MAX} characters together`
    if (typeof value !== 'object' || value === null) {
      if (++values > VALUES_MAX) return `it has more than ${VALUES_MAX} values`
      continue
    }
    if (depth > DEPTH_MAX) return `it is nested more than ${DEPTH_MAX} levels deep`
    for (const [key, member] of Object.entries(value)) {
      if (!Array.isArray(value)) textLength += key.length
      if (key === 'properties' && typeof member === 'object') properties += Object.keys(member ?? {}).length
      if (key === 'enum' && Array.isArray(member)) enumValues += member.length
      waiting.push({ value: member, depth: depth + 1 })
    }
    if (properties > PROPERTIES_MAX) return `it has more than ${PROPERTIES_MAX} properties`
    if (enumValues > ENUM_VALUES_MAX) return `it has more than ${ENUM_VALUES_MAX} enum values`
  }
}
