/** References and conjunctions of a JSON schema, taken out of the way. */
import { inexpressible, isSchema, type Schema, type SchemaPlace } from './schema-place.ts'

const REFERENCES_MAX = 50

type ReferencePlace = Pick<SchemaPlace, 'rules' | 'root' | 'path'>

/** `schema` without `$ref` and `allOf`. Throws the same problem as `schemaRule`. */
export function resolveSchema(schema: Schema, place: ReferencePlace, depth = 0): Schema {
  let found = schema
  place.rules.takes({ steps: 1 })
  if (depth > REFERENCES_MAX) throw inexpressible(place.path, 'refers to itself')
  for (let count = 0; ; count++) {
    const { $ref: ref, allOf, ...rest } = found
    if (ref === undefined && allOf === undefined) return found
    if (count > REFERENCES_MAX) throw inexpressible(`${place.path}.$ref`, 'refers to itself')
    if (ref !== undefined) {
      found = merged(rest, target(String(ref), place), { ...place, path: `${place.path}.$ref` })
    } else if (Array.isArray(allOf)) {
      found = allOf.reduce<Schema>((sum, part, index) => {
        const path = `${place.path}.allOf[${index}]`
        if (!isSchema(part)) throw inexpressible(path, 'is no schema')
        return merged(sum, resolveSchema(part, { ...place, path }, depth + 1), { ...place, path })
      }, rest)
    } else throw inexpressible(`${place.path}.allOf`, 'is no list of schemas')
  }
}

/** `#`, `#/$defs/name`: a place in the same schema. */
function target(ref: string, { rules, root, path }: ReferencePlace): Schema {
  rules.takes({ characters: ref.length })
  const missing = () =>
    inexpressible(`${path}.$ref`, `refers to '${ref.slice(0, 80)}', which is not in this schema`)
  if (ref !== '#' && !ref.startsWith('#/')) throw missing()
  const found = ref
    .split('/')
    .slice(1)
    .map((part) => decode(part))
    .reduce<unknown>((value, key) => {
      const isMember = typeof value === 'object' && value !== null && Object.hasOwn(value, key)
      return isMember ? (value as Record<string, unknown>)[key] : undefined
    }, root)
  if (!isSchema(found)) throw missing()
  return found
}

const decode = (part: string): string => {
  const text = part.replaceAll('~1', '/').replaceAll('~0', '~')
  try {
    return decodeURIComponent(text)
  } catch {
    return text // Not percent-encoded: it is the name itself.
  }
}

/** Both at once; where both say something of one keyword, they must say the same. */
function merged(one: Schema, other: Schema, place: ReferencePlace): Schema {
  place.rules.takes({ steps: sizeOf(one) + sizeOf(other) })
  const sum: Record<string, unknown> = { ...one }
  for (const [key, value] of Object.entries(other)) {
    const before = sum[key]
    if (before === undefined || remarks.has(key)) sum[key] = value
    else if (key === 'properties' && isSchema(before) && isSchema(value))
      sum[key] = mergedMembers(before, value, place)
    else if (key === 'required' && Array.isArray(before) && Array.isArray(value)) {
      place.rules.takes({ steps: before.length + value.length })
      sum[key] = [...before, ...value]
    } else if (!isSame(before, value, place)) {
      throw inexpressible(place.path, `says '${key}' twice, in two ways`)
    }
  }
  return sum
}

const remarks = new Set(['title', 'description', 'default', 'examples', '$defs', 'definitions', '$comment'])

function mergedMembers(one: Schema, other: Schema, place: ReferencePlace): Schema {
  place.rules.takes({ steps: sizeOf(one) + sizeOf(other) })
  const twice = Object.keys(other).find(
    (name) => Object.hasOwn(one, name) && !isSame(one[name], other[name], place),
  )
  if (twice !== undefined)
    throw inexpressible(place.path, `describes the property '${twice}' twice, in two ways`)
  return { ...one, ...other }
}

function isSame(one: unknown, other: unknown, { rules }: ReferencePlace): boolean {
  const [text = '', otherText = ''] = [JSON.stringify(one), JSON.stringify(other)]
  rules.takes({ characters: text.length + otherText.length })
  return text === otherText
}

const sizeOf = (schema: Schema): number => Object.keys(schema).length
