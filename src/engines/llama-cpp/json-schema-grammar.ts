/**
 * Writes a JSON schema as a grammar (GBNF): what it lets through is valid under the schema. Where a schema leaves members
 * open (no `additionalProperties`), the grammar has only those that it names, which is narrower and still valid. What no
 * such grammar can express is refused by its path, never left out.
 */
import { literal } from './grammar-rules.ts'
import { numberRule } from './number-grammar.ts'
import { resolveSchema } from './resolve-schema.ts'
import { inexpressible, isSchema, type Schema, type SchemaPlace } from './schema-place.ts'

const DEPTH_MAX = 100
/** Longer repetitions blow up the grammar. */
const REPETITIONS_MAX = 1_000
/** With each of them the places multiply at which an answer may be. */
const OPTIONAL_MEMBERS_MAX = 200

/** An expression of GBNF for values of `schema`. Throws `Problem('invalid_request')` with the path in `details.param`. */
export function schemaRule(given: unknown, outer: SchemaPlace): string {
  const { rules } = outer
  rules.takes({ steps: isSchema(given) ? 1 + Object.keys(given).length : 1 })
  rules.nests(1)
  try {
    const rule = writtenRule(given, outer)
    rules.takes({ characters: rule.length })
    return rule
  } finally {
    // The same grammar may go on without this schema.
    rules.nests(-1)
  }
}

function writtenRule(given: unknown, outer: SchemaPlace): string {
  const place = { ...outer, depth: (outer.depth ?? 0) + 1 }
  if (place.depth > DEPTH_MAX)
    throw inexpressible(place.path, 'is nested too deep, or refers to itself without end')
  if (given === true || given === undefined) return place.rules.value()
  if (!isSchema(given)) throw inexpressible(place.path, 'is no schema that a value can meet')
  const { rules } = place
  if (
    typeof given['$ref'] === 'string' &&
    Object.keys(given).every((key) => key === '$ref' || isRemark(key))
  ) {
    const ref = given['$ref']
    const write = (): string => schemaRule(resolveSchema(given, place), { ...place, depth: 0 })
    return rules.shared(`ref ${place.scope ?? ''} ${ref}`, write)
  }
  const schema = resolveSchema(given, place)
  for (const key of Object.keys(schema)) refuseKeyword(key, schema[key], place.path)
  for (const union of ['anyOf', 'oneOf']) {
    const branches = schema[union]
    if (!Array.isArray(branches)) continue
    const { [union]: _, ...rest } = schema
    const isPlain = Object.keys(rest).every(isRemark)
    return alternatives(
      branches.map((branch, index) =>
        schemaRule(isPlain ? branch : { allOf: [rest, branch] }, {
          ...place,
          path: `${place.path}.${union}[${index}]`,
        }),
      ),
    )
  }
  if ('const' in schema) return literal(JSON.stringify(schema['const']))
  if (Array.isArray(schema['enum']))
    return alternatives(schema['enum'].map((value) => literal(JSON.stringify(value))))
  return alternatives(typesOf(schema).map((type) => typeRule(type, schema, place)))
}

const remarks = new Set([
  '$schema',
  '$id',
  '$comment',
  '$defs',
  '$anchor',
  'definitions',
  'title',
  'description',
  'default',
  'example',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  'contentMediaType',
  'contentEncoding',
])
const isRemark = (key: string): boolean => remarks.has(key) || key.startsWith('x-')

/** Keywords that narrow what is valid in ways that a grammar has no words for, each with the value that asks nothing. */
const inexpressibleKeywords: Readonly<Record<string, (value: unknown) => boolean>> = {
  not: () => false,
  if: () => false,
  dependentRequired: () => false,
  dependentSchemas: () => false,
  dependencies: () => false,
  patternProperties: (value) => isSchema(value) && Object.keys(value).length === 0,
  propertyNames: (value) => isSchema(value) && Object.keys(value).length === 0,
  unevaluatedProperties: (value) => typeof value === 'boolean',
  unevaluatedItems: (value) => typeof value === 'boolean',
  contains: () => false,
  uniqueItems: (value) => value === false,
  pattern: () => false,
  multipleOf: (value) => value === 1,
  $dynamicRef: () => false,
  $recursiveRef: () => false,
}

function refuseKeyword(key: string, value: unknown, path: string): void {
  const asksNothing = inexpressibleKeywords[key]
  if (asksNothing && !asksNothing(value)) {
    throw inexpressible(`${path}.${key}`, 'cannot be expressed as a grammar on this model')
  }
}

const allTypes = ['object', 'array', 'string', 'number', 'boolean', 'null']

/** The types that a value may have; keywords of one type say that it is that type. */
function typesOf(schema: Schema): readonly string[] {
  const { type } = schema
  if (typeof type === 'string')
    return schema['nullable'] === true && type !== 'null' ? [type, 'null'] : [type]
  if (Array.isArray(type)) return type.map(String)
  const has = (...keys: string[]): boolean => keys.some((key) => key in schema)
  if (has('properties', 'required', 'additionalProperties')) return ['object']
  if (has('items', 'prefixItems', 'minItems', 'maxItems')) return ['array']
  if (has('minLength', 'maxLength', 'format')) return ['string']
  if (has('minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum')) return ['number']
  return allTypes
}

function typeRule(type: string, schema: Schema, place: SchemaPlace): string {
  const { rules, path } = place
  switch (type) {
    case 'object':
      return objectRule(schema, place)
    case 'array':
      return arrayRule(schema, place)
    case 'string':
      return stringRule(schema, place)
    case 'number':
    case 'integer':
      return numberRule(schema, { rules, path, isInteger: type === 'integer' })
    case 'boolean':
      return '("true" | "false")'
    case 'null':
      return '"null"'
    default:
      throw inexpressible(`${path}.type`, `is '${type}', which is no type of JSON`)
  }
}

/** The members in the order of the schema; optional ones may be left out, with their commas. */
function objectRule(schema: Schema, place: SchemaPlace): string {
  const { rules, path } = place
  const properties = isSchema(schema['properties']) ? schema['properties'] : {}
  const required = new Set(Array.isArray(schema['required']) ? schema['required'].map(String) : [])
  const names = Object.keys(properties)
  const unnamed = [...required].filter((name) => !Object.hasOwn(properties, name))
  const others = schema['additionalProperties']
  const isOpen = isSchema(others) || (names.length === 0 && others !== false)
  for (const key of ['minProperties', 'maxProperties']) {
    if (schema[key] !== undefined && (names.length > 0 || !isOpen)) {
      throw inexpressible(`${path}.${key}`, 'cannot be expressed as a grammar beside named properties')
    }
  }
  const members = [
    ...names.map((name) => ({ name, value: properties[name], path: `${path}.properties.${name}` })),
    ...unnamed.map((name) => ({
      name,
      value: isOpen && isSchema(others) ? others : {},
      path: `${path}.required`,
    })),
  ].map((member) => ({
    isRequired: required.has(member.name),
    rule: rules.add(
      'member',
      `${literal(JSON.stringify(member.name))} ws ":" ws ${schemaRule(member.value, { ...place, path: member.path })}`,
    ),
  }))
  if (members.filter(({ isRequired }) => !isRequired).length > OPTIONAL_MEMBERS_MAX) {
    const why = `has more than ${OPTIONAL_MEMBERS_MAX} members that may be missing, the most on this model`
    throw inexpressible(`${path}.properties`, why)
  }
  const other = isOpen
    ? rules.add(
        'other',
        `${rules.stringExcept([...names, ...unnamed])} ws ":" ws ${schemaRule(isSchema(others) ? others : true, { ...place, path: `${path}.additionalProperties` })}`,
      )
    : null
  if (members.length === 0) {
    if (!other) return '"{" ws "}"'
    return `"{" ws ${listOf(other, boundsOf(schema, ['minProperties', 'maxProperties'], place))} "}"`
  }
  let rest = other ? rules.add('more', `(ws "," ws ${other})*`) : ''
  // From the end: what may follow a member, and what may begin the object when nothing was said yet.
  let begin = other ? `(${other} ${rest})?` : ''
  for (const { isRequired, rule } of members.toReversed()) {
    begin = isRequired ? `${rule} ${rest}` : `(${rule} ${rest} | ${begin === '' ? '""' : begin})`
    begin = rules.add('begin', begin)
    rest = rules.add('rest', isRequired ? `ws "," ws ${rule} ${rest}` : `(ws "," ws ${rule})? ${rest}`)
  }
  return `"{" ws ${begin} ws "}"`
}

function arrayRule(schema: Schema, place: SchemaPlace): string {
  const { rules, path } = place
  const item = (value: unknown, at: string): string =>
    rules.add('item', schemaRule(value, { ...place, path: `${path}.${at}` }))
  const bounds = boundsOf(schema, ['minItems', 'maxItems'], place)
  const prefix = schema['prefixItems']
  if (!Array.isArray(prefix)) return `"[" ws ${listOf(item(schema['items'], 'items'), bounds)} "]"`
  const first = prefix.map((value, index) => item(value, `prefixItems[${index}]`))
  const isClosed = schema['items'] === false || bounds.max === first.length
  if ((bounds.min !== 0 && bounds.min !== first.length) || (!isClosed && schema['items'] !== undefined)) {
    throw inexpressible(`${path}.prefixItems`, 'can only be the whole of an array')
  }
  return `"[" ws ${first.join(' ws "," ws ')} ws "]"`
}

/** `item`s with commas between. */
function listOf(item: string, { min, max }: { min: number; max: number | null }): string {
  if (max === 0) return ''
  const more = `(ws "," ws ${item}){${Math.max(0, min - 1)},${max === null ? '' : max - 1}}`
  return min > 0 ? `${item} ${more} ws` : `(${item} ${more} ws)?`
}

function stringRule(schema: Schema, place: SchemaPlace): string {
  const { rules, path } = place
  const { format } = schema
  if (format !== undefined && !(typeof format === 'string' && format in formats)) {
    throw inexpressible(
      `${path}.format`,
      `is '${String(format)}', which cannot be expressed as a grammar on this model`,
    )
  }
  const { min, max } = boundsOf(schema, ['minLength', 'maxLength'], place)
  if (typeof format === 'string') {
    if (min > 0 || max !== null) throw inexpressible(`${path}.format`, 'cannot stand beside a length')
    return rules.shared(`format ${format}`, () => formats[format] ?? '')
  }
  if (min === 0 && max === null) return rules.text()
  return `"\\"" ${rules.character()}{${min},${max ?? ''}} "\\""`
}

const TIME = '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,6})?'
const ZONE = '("Z" | [+-] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])'
const DATE = '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | "1" [0-9] | "2" [0-8])'
const BYTE = '("25" [0-5] | "2" [0-4] [0-9] | "1" [0-9] [0-9] | [1-9] [0-9] | [0-9])'
const quoted = (rule: string): string => `"\\"" ${rule} "\\""`
const LABEL = '[a-z0-9] ([a-z0-9-]{0,30} [a-z0-9])?'
/** Days end at the 28th, so that every date is one. */
const formats: Readonly<Record<string, string>> = {
  'date-time': quoted(`${DATE} "T" ${TIME} ${ZONE}`),
  date: quoted(DATE),
  time: quoted(`${TIME} ${ZONE}`),
  uuid: quoted('[0-9a-f]{8} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{4} "-" [0-9a-f]{12}'),
  ipv4: quoted(`${BYTE} ("." ${BYTE}){3}`),
  hostname: quoted(`${LABEL} ("." ${LABEL}){0,5}`),
  email: quoted(`[a-zA-Z0-9_+-]{1,64} ("." [a-zA-Z0-9_+-]{1,32}){0,3} "@" ${LABEL} ("." ${LABEL}){1,4}`),
}

function boundsOf(schema: Schema, [low, high]: readonly [string, string], { rules, path }: SchemaPlace) {
  const read = (key: string): number | null => {
    const value = schema[key]
    if (value === undefined) return null
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) {
      throw inexpressible(`${path}.${key}`, 'is no whole number of zero or more')
    }
    if (value > REPETITIONS_MAX)
      throw inexpressible(`${path}.${key}`, `is more than ${REPETITIONS_MAX}, the most on this model`)
    return value
  }
  const min = read(low) ?? 0
  const max = read(high)
  if (max !== null && max < min)
    throw inexpressible(`${path}.${high}`, `is less than ${low}: no value can meet it`)
  rules.repeats(Math.max(min, max ?? 0))
  return { min, max }
}

function alternatives(rules: readonly string[]): string {
  const distinct = [...new Set(rules)]
  return distinct.length === 1 ? (distinct[0] ?? '') : `(${distinct.join(' | ')})`
}
