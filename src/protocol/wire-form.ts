/**
 * How values of a schema cross as JSON, without checking them: amounts become decimal text and come back as bigints,
 * everything else stays as it is. For what this program made and checked itself (its own messages on their way out,
 * journal entries whose checksum held), at a tenth of the cost of a parse; never for what a stranger says.
 *
 * The form is derived from the zod schema, which stays the single truth of what a value is.
 */
import { z } from 'zod'
import { assert } from '#kernel/assert.ts'
import { NanoUsd } from './money.ts'

/** Only parts that hold amounts have a form; `null` stands for "the same on both sides". */
export interface WireForm {
  /** What JSON can carry of `value`. Copies what it changes, shares the rest. */
  toWire(value: unknown): unknown
  /** The value again. Changes `wire` in place and may return it. */
  fromWire(wire: unknown): unknown
}

/** The text of a value of `schema`, as `JSON.stringify(schema.encode(value))` gives it for a value that is valid. */
export function jsonWriter<T>(schema: z.ZodType<T>): (value: T) => string {
  const form = wireForm(schema)
  return form ? (value) => JSON.stringify(form.toWire(value)) : (value) => JSON.stringify(value)
}

/** Asserts that every amount in `schema` stands where a form can find it: in objects, lists, or one of named kinds. */
export function wireForm(schema: z.ZodType): WireForm | null {
  if (schema === NanoUsd) return amountForm
  if (schema instanceof z.ZodObject) return objectForm(schema.def.shape)
  if (schema instanceof z.ZodArray) return listForm(wireForm(schema.def.element as z.ZodType))
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodOptional) {
    return absentForm(wireForm(schema.def.innerType as z.ZodType))
  }
  if (schema instanceof z.ZodDiscriminatedUnion) {
    return kindForm(schema.def.discriminator, wireFormsByKind(schema))
  }
  assert(plainKinds.has(schema.def.type), `no form is known for a schema of type ${schema.def.type}`)
  return null
}

/** The form of each kind that `schema` tells apart, by the value of its discriminator. */
export function wireFormsByKind(schema: z.ZodDiscriminatedUnion): ReadonlyMap<string, WireForm | null> {
  const forms = new Map<string, WireForm | null>()
  for (const option of schema.def.options) {
    if (option instanceof z.ZodDiscriminatedUnion) {
      assert(option.def.discriminator === schema.def.discriminator, 'nested kinds are told apart alike')
      for (const [kind, form] of wireFormsByKind(option)) forms.set(kind, form)
      continue
    }
    assert(option instanceof z.ZodObject, 'a kind is an object')
    const kinds: unknown = option.def.shape[schema.def.discriminator]
    assert(kinds instanceof z.ZodLiteral, 'a kind is named by a literal')
    for (const kind of kinds.def.values) forms.set(String(kind), wireForm(option))
  }
  return forms
}

const plainKinds = new Set<string>(['string', 'number', 'int', 'boolean', 'literal', 'enum', 'null'])

const amountForm: WireForm = {
  toWire: (value) => String(value),
  fromWire: (wire) => BigInt(wire as string),
}

function objectForm(shape: Readonly<Record<string, unknown>>): WireForm | null {
  const members: [string, WireForm][] = []
  for (const [key, schema] of Object.entries(shape)) {
    const form = wireForm(schema as z.ZodType)
    if (form) members.push([key, form])
  }
  if (members.length === 0) return null
  return {
    toWire(value) {
      const wire = { ...(value as Record<string, unknown>) }
      for (const [key, form] of members) wire[key] = form.toWire(wire[key])
      return wire
    },
    fromWire(wire) {
      const value = wire as Record<string, unknown>
      for (const [key, form] of members) value[key] = form.fromWire(value[key])
      return value
    },
  }
}

const listForm = (element: WireForm | null): WireForm | null =>
  element && {
    toWire: (value) => (value as unknown[]).map((item) => element.toWire(item)),
    fromWire: (wire) => (wire as unknown[]).map((item) => element.fromWire(item)),
  }

const absentForm = (inner: WireForm | null): WireForm | null =>
  inner && {
    toWire: (value) => (value === null || value === undefined ? value : inner.toWire(value)),
    fromWire: (wire) => (wire === null || wire === undefined ? wire : inner.fromWire(wire)),
  }

/** A kind that the schema does not know passes as it is. */
function kindForm(
  discriminator: string,
  forms: ReadonlyMap<string, WireForm | null>,
): WireForm | null {
  if ([...forms.values()].every((form) => form === null)) return null
  const formOf = (value: unknown): WireForm | null | undefined =>
    forms.get((value as Readonly<Record<string, string>>)[discriminator] ?? '')
  return {
    toWire: (value) => formOf(value)?.toWire(value) ?? value,
    fromWire: (wire) => formOf(wire)?.fromWire(wire) ?? wire,
  }
}
