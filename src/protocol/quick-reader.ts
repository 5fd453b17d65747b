/**
 * Reads what `JSON.parse` made by a zod schema, at a fraction of zod's cost: for what comes in by the thousand, frames and
 * messages of the bus. The reader is derived from the schema, which stays the single truth. It takes nothing that zod would
 * not take, and whatever it does not take at once, for whatever reason, is given to zod, whose word is the last.
 *
 * What is read shares its parts with what was given, so the caller gives away what it gives.
 */
import { z } from 'zod'
import { NanoUsd } from './money.ts'

export interface QuickReader<T> {
  /** Throws what `schema.parse` throws. */
  parse(json: unknown): T
  safeParse(json: unknown): z.ZodSafeParseResult<T>
}

/** Derived at the first use: a program has more schemas than one run of it reads. */
export function quickReader<T>(schema: z.ZodType<T>): QuickReader<T> {
  let read: Read | null = null
  const quickly = (json: unknown): unknown => {
    read ??= readOf(schema)
    return read(json)
  }
  return {
    parse(json) {
      const value = quickly(json)
      // A value that was read is what the schema gives: the test of this file holds one against the other.
      return value === ASK_ZOD ? schema.parse(json) : (value as T)
    },
    safeParse(json) {
      const value = quickly(json)
      return value === ASK_ZOD ? schema.safeParse(json) : { success: true, data: value as T }
    },
  }
}

/** Gives the value, the given one itself where nothing is to be changed, or `ASK_ZOD`. Never changes what it is given. */
type Read = (json: unknown) => unknown
const ASK_ZOD = Symbol('ask zod')

function readOf(schema: z.ZodType): Read {
  return (schema === NanoUsd ? readAmount : quickReadOf(schema)) ?? askZodOf(schema)
}

const askZodOf =
  (schema: z.ZodType): Read =>
  (json) => {
    const parsed = schema.safeParse(json)
    return parsed.success ? parsed.data : ASK_ZOD
  }

/** `null` for a schema of a kind, or with a condition, that only zod knows. */
function quickReadOf(schema: z.ZodType): Read | null {
  if (schema instanceof z.ZodObject) return readObject(schema)
  if (schema instanceof z.ZodArray) return readList(schema)
  if (schema instanceof z.ZodRecord) return readRecord(schema)
  if (schema instanceof z.ZodDiscriminatedUnion) return readKind(schema)
  if (schema instanceof z.ZodUnion) return readEither(schema)
  const isSimple = conditionsOf(schema)?.length === 0
  if (schema instanceof z.ZodOptional && isSimple)
    return orElse(undefined, readOf(schema.def.innerType as z.ZodType))
  if (schema instanceof z.ZodNullable && isSimple)
    return orElse(null, readOf(schema.def.innerType as z.ZodType))
  if (schema instanceof z.ZodLazy && isSimple) return readLater(schema)
  const holds = leafTestOf(schema)
  return holds && ((json) => (holds(json) ? json : ASK_ZOD))
}

const AMOUNT = /^-?\d{1,30}$/
const readAmount: Read = (json) => (typeof json === 'string' && AMOUNT.test(json) ? BigInt(json) : ASK_ZOD)

const orElse =
  (absent: null | undefined, read: Read): Read =>
  (json) =>
    json === absent ? json : read(json)

/** Lazily, as a value may consist of its own kind. */
function readLater(schema: z.ZodLazy): Read {
  let read: Read | null = null
  return (json) => {
    read ??= readOf(schema.unwrap() as z.ZodType)
    return read(json)
  }
}

type Holds = (value: unknown) => boolean

function leafTestOf(schema: z.ZodType): Holds | null {
  const conditions = conditionsOf(schema)
  const base = conditions && baseTestOf(schema)
  if (!base || conditions.length === 0) return base ?? null
  return (value) => base(value) && conditions.every((holds) => holds(value))
}

function baseTestOf(schema: z.ZodType): Holds | null {
  const { def } = schema
  if ('coerce' in def && def.coerce === true) return null
  if ('format' in def) return def.type === 'number' && def.format === 'safeint' ? Number.isSafeInteger : null
  if (schema instanceof z.ZodString) return (value) => typeof value === 'string'
  if (schema instanceof z.ZodNumber) return Number.isFinite
  if (schema instanceof z.ZodBoolean) return (value) => typeof value === 'boolean'
  if (schema instanceof z.ZodLiteral || schema instanceof z.ZodEnum) return oneOf(schema)
  return null
}

function oneOf(schema: z.ZodLiteral | z.ZodEnum): Holds {
  const values = new Set<unknown>(schema instanceof z.ZodLiteral ? schema.def.values : schema.options)
  return (value) => values.has(value)
}

/** What is asked beyond the type; `null` where that is more than is known here. */
function conditionsOf(schema: z.ZodType): Holds[] | null {
  const conditions: Holds[] = []
  for (const check of schema.def.checks ?? []) {
    const holds = conditionOf(check._zod.def as CheckDef)
    if (!holds) return null
    conditions.push(holds)
  }
  return conditions
}

interface CheckDef {
  readonly check: string
  readonly minimum?: number
  readonly maximum?: number
  readonly value?: number | bigint | Date
  readonly inclusive?: boolean
  readonly format?: string
  readonly pattern?: RegExp
}

function conditionOf(def: CheckDef): Holds | null {
  const { minimum = 0, maximum = 0, value: bound, pattern } = def
  switch (def.check) {
    case 'min_length':
      return (value) => (value as string | unknown[]).length >= minimum
    case 'max_length':
      return (value) => (value as string | unknown[]).length <= maximum
    case 'greater_than':
      if (typeof bound !== 'number') return null
      return def.inclusive ? (value) => (value as number) >= bound : (value) => (value as number) > bound
    case 'less_than':
      if (typeof bound !== 'number') return null
      return def.inclusive ? (value) => (value as number) <= bound : (value) => (value as number) < bound
    case 'string_format':
      // One that remembers where it was is left to zod.
      if (def.format !== 'regex' || !pattern || pattern.global || pattern.sticky) return null
      return (value) => pattern.test(value as string)
    default:
      return null
  }
}

function readList(schema: z.ZodArray): Read | null {
  const conditions = conditionsOf(schema)
  if (!conditions) return null
  const read = readOf(schema.def.element as z.ZodType)
  return (json) => {
    if (!Array.isArray(json) || !conditions.every((holds) => holds(json))) return ASK_ZOD
    let list: unknown[] = json
    for (let index = 0; index < json.length; index++) {
      const item: unknown = json[index]
      const value = read(item)
      if (value === ASK_ZOD) return ASK_ZOD
      if (value === item) continue
      if (list === json) list = [...json]
      list[index] = value
    }
    return list
  }
}

function readObject(schema: z.ZodObject): Read | null {
  // Members that nobody named are dropped, unless it says otherwise.
  if (schema.def.catchall || conditionsOf(schema)?.length !== 0) return null
  const members = Object.entries(schema.def.shape).map(([key, member]) => ({
    key,
    read: readOf(member as z.ZodType),
    isOptional: member instanceof z.ZodOptional,
  }))
  return (json) => {
    if (!isObject(json)) return ASK_ZOD
    const keys = Object.keys(json)
    let object = json
    let known = 0
    let isInOrder = true
    for (const { key, read, isOptional } of members) {
      const member = json[key]
      if (member === undefined && isOptional) continue
      const value = read(member)
      if (value === ASK_ZOD) return ASK_ZOD
      if (keys[known] !== key) isInOrder = false
      if (member !== undefined) known++
      if (value === member) continue
      if (object === json) object = { ...json }
      object[key] = value
    }
    // Whatever else is there, zod drops or refuses.
    if (keys.length !== known) return ASK_ZOD
    return isInOrder ? object : inOrder(object, members)
  }
}

/** As zod orders them, so that what is kept of it does not depend on who wrote it. */
function inOrder(object: Readonly<Record<string, unknown>>, members: readonly { readonly key: string }[]) {
  const ordered: Record<string, unknown> = {}
  for (const { key } of members) if (object[key] !== undefined) ordered[key] = object[key]
  return ordered
}

function readRecord(schema: z.ZodRecord): Read | null {
  const keys = readOf(schema.def.keyType as z.ZodType)
  const isPlain = schema.def.keyType instanceof z.ZodString && !('mode' in schema.def)
  if (!isPlain || conditionsOf(schema)?.length !== 0) return null
  const read = readOf(schema.def.valueType as z.ZodType)
  return (json) => {
    if (!isObject(json)) return ASK_ZOD
    let record = json
    for (const key of Object.keys(json)) {
      const member = json[key]
      const value = read(member)
      if (value === ASK_ZOD || keys(key) !== key || key === '__proto__') return ASK_ZOD
      if (value === member) continue
      if (record === json) record = { ...json }
      record[key] = value
    }
    return record
  }
}

function readKind(schema: z.ZodDiscriminatedUnion): Read | null {
  if (schema.def.unionFallback === true || conditionsOf(schema)?.length !== 0) return null
  const { discriminator } = schema.def
  const kinds = new Map<unknown, Read>()
  for (const option of schema.def.options) {
    const name: unknown = option instanceof z.ZodObject ? option.def.shape[discriminator] : null
    if (!(name instanceof z.ZodLiteral)) return null
    for (const value of name.def.values) kinds.set(value, readOf(option as z.ZodObject))
  }
  return (json) => (isObject(json) ? (kinds.get(json[discriminator])?.(json) ?? ASK_ZOD) : ASK_ZOD)
}

/** The first that takes it. */
function readEither(schema: z.ZodUnion): Read | null {
  if (schema.def.inclusive === false || conditionsOf(schema)?.length !== 0) return null
  const reads = schema.def.options.map((option) => readOf(option as z.ZodType))
  return (json) => {
    for (const read of reads) {
      const value = read(json)
      if (value !== ASK_ZOD) return value
    }
    return ASK_ZOD
  }
}

const isObject = (json: unknown): json is Record<string, unknown> =>
  typeof json === 'object' && json !== null && !Array.isArray(json)
