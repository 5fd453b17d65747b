/**
 * How values of a schema cross as JSON, without checking them: amounts become decimal text and come back as bigints,
 * all else stays as it is. For what this program made and checked itself (its own messages on their way out, journal
 * entries whose checksum held), at a third of the cost of a parse; never for what a stranger says.
 *
 * The form is derived from the zod schema, which stays the single truth of what a value is. What a schema does beyond
 * that (defaults for old values, other codecs) its form leaves to zod.
 */
import { z } from 'zod'
import { assert } from '#kernel/assert.ts'
import { NanoUsd } from './money.ts'

/** Parts without anything to change have no form: `null` stands for "the same on both sides". */
export interface WireForm {
  /** What JSON can carry of `value`. Copies what it changes, shares the rest. */
  toWire(value: unknown): unknown
  /** The value again. May change `wire` in place. */
  fromWire(wire: unknown): unknown
}

/** Writes valid values of `schema`: the text of `JSON.stringify(schema.encode(value))`. */
export function jsonWriter<T>(schema: z.ZodType<T>): (value: T) => string {
  const form = wireForm(schema)
  return form ? (value) => JSON.stringify(form.toWire(value)) : (value) => JSON.stringify(value)
}

export function wireForm(schema: z.ZodType): WireForm | null {
  if (schema === NanoUsd) return amountForm
  if (schema instanceof z.ZodObject) return objectForm(schema)
  if (schema instanceof z.ZodArray) return listForm(wireForm(schema.def.element as z.ZodType))
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodOptional) {
    return absentForm(wireForm(schema.def.innerType as z.ZodType))
  }
  if (schema instanceof z.ZodDiscriminatedUnion) {
    return kindForm(schema.def.discriminator, wireFormsByKind(schema))
  }
  return isSame(schema, new Set()) ? null : parsedForm(schema)
}

/** JSON has it as it is. `within`: what encloses it, for a value may consist of its own kind. */
function isSame(schema: z.ZodType, within: ReadonlySet<z.ZodType>): boolean {
  if (sameOnBothSides.has(schema.def.type) || within.has(schema)) return true
  const inside = new Set([...within, schema])
  const isSameInside = (part: unknown): boolean => isSame(part as z.ZodType, inside)
  if (schema instanceof z.ZodLazy) return isSameInside(schema.unwrap())
  if (schema instanceof z.ZodArray) return isSameInside(schema.def.element)
  if (schema instanceof z.ZodRecord)
    return isSameInside(schema.def.keyType) && isSameInside(schema.def.valueType)
  return schema instanceof z.ZodUnion && schema.def.options.every(isSameInside)
}

/** The form of each kind that `schema` tells apart, by the value of its discriminator. */
export function wireFormsByKind(schema: z.ZodDiscriminatedUnion): ReadonlyMap<string, WireForm | null> {
  const forms = new Map<string, WireForm | null>()
  const { discriminator } = schema.def
  for (const option of schema.def.options) {
    if (option instanceof z.ZodDiscriminatedUnion) {
      assert(option.def.discriminator === discriminator, 'kinds of a kind are told apart by the same field')
      for (const [kind, form] of wireFormsByKind(option)) forms.set(kind, form)
      continue
    }
    assert(option instanceof z.ZodObject, 'a kind is an object')
    const names: unknown = option.def.shape[discriminator]
    assert(names instanceof z.ZodLiteral, 'a kind is named by a literal')
    for (const name of names.def.values) forms.set(String(name), objectForm(option))
  }
  return forms
}

const sameOnBothSides = new Set<string>(['string', 'number', 'int', 'boolean', 'literal', 'enum', 'null'])

const amountForm: WireForm = {
  toWire: (value) => String(value),
  fromWire: (wire) => BigInt(wire as string),
}

const parsedForm = (schema: z.ZodType): WireForm => ({
  toWire: (value) => schema.encode(value),
  fromWire: (wire) => schema.parse(wire),
})

function objectForm(schema: z.ZodObject): WireForm | null {
  const members: [string, WireForm][] = []
  for (const [key, member] of Object.entries(schema.def.shape)) {
    const form = wireForm(member as z.ZodType)
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
      for (const [key, form] of members) {
        const member = form.fromWire(value[key])
        // What is absent stays absent.
        if (member !== undefined) value[key] = member
      }
      return value
    },
  }
}

const listForm = (item: WireForm | null): WireForm | null =>
  item && {
    toWire: (value) => (value as unknown[]).map((each) => item.toWire(each)),
    fromWire: (wire) => (wire as unknown[]).map((each) => item.fromWire(each)),
  }

const absentForm = (inner: WireForm | null): WireForm | null =>
  inner && {
    toWire: (value) => (value === null || value === undefined ? value : inner.toWire(value)),
    fromWire: (wire) => (wire === null || wire === undefined ? wire : inner.fromWire(wire)),
  }

/** A kind that the schema does not know passes as it is: the caller says what becomes of it. */
function kindForm(discriminator: string, forms: ReadonlyMap<string, WireForm | null>): WireForm | null {
  if ([...forms.values()].every((form) => form === null)) return null
  const formOf = (value: unknown): WireForm | null | undefined =>
    forms.get((value as Readonly<Record<string, string>>)[discriminator] ?? '')
  return {
    toWire: (value) => formOf(value)?.toWire(value) ?? value,
    fromWire: (wire) => formOf(wire)?.fromWire(wire) ?? wire,
  }
}
