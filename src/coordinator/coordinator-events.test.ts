import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { NanoUsd } from '#protocol/money.ts'
import { Problem } from '#protocol/problem.ts'
import { wireFormsByKind } from '#protocol/wire-form.ts'
import { CoordinatorEvent, formatRecord, JournalRecord, readRecord } from './coordinator-events.ts'

const record = arbitraryOf(JournalRecord) as fc.Arbitrary<JournalRecord>

test('a record is written as its schema says', () => {
  fc.assert(
    fc.property(record, (given) =>
      assert.equal(formatRecord(given), JSON.stringify(JournalRecord.encode(given))),
    ),
  )
})

test('what is read at the quick is what the schema reads, for every type of event', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(record, (given) => {
      const text = formatRecord(given)
      const expected = JournalRecord.parse(JSON.parse(text))
      // What the first release left out is filled in.
      for (const event of expected.events) if (event.type === 'usage.recorded') event.atMs ??= expected.atMs
      assert.deepEqual(readRecord(text), expected)
      for (const event of given.events) seen.add(event.type)
    }),
    { numRuns: 2_000, seed: 1 },
  )
  assert.deepEqual([...seen].sort(), [...wireFormsByKind(CoordinatorEvent).keys()].sort())
})

test('an entry of another version, and an event of an unknown type, are a newer program’s', () => {
  const newer = (wire: object, named: RegExp) =>
    assert.throws(
      () => readRecord(JSON.stringify(wire)),
      (error) => error instanceof Problem && error.code === 'journal_newer' && named.test(error.message),
    )
  newer({ version: 2, atMs: 1, events: [] }, /version 2/)
  newer({ version: 1, atMs: 1, events: [{ type: 'ledger.burned' }] }, /ledger\.burned/)
})

/** Valid values of `schema`. Their numbers lie where every field of an event allows them. */
function arbitraryOf(schema: z.ZodType): fc.Arbitrary<unknown> {
  if (schema === NanoUsd) return fc.bigInt({ min: -(10n ** 29n), max: 10n ** 29n })
  // Amounts that must not be negative.
  if (schema instanceof z.ZodPipe) return fc.bigInt({ min: 0n, max: 10n ** 29n })
  if (schema instanceof z.ZodObject) return objectOf(schema.def.shape)
  if (schema instanceof z.ZodArray) {
    const least = (schema.def.checks ?? []).map(({ _zod }) => _zod.def).find((check) => 'minimum' in check)
    const minLength = least ? 1 : 0
    return fc.array(arbitraryOf(schema.def.element as z.ZodType), { minLength, maxLength: 3 })
  }
  if (schema instanceof z.ZodNullable) return fc.option(arbitraryOf(schema.def.innerType as z.ZodType))
  if (schema instanceof z.ZodOptional) return arbitraryOf(schema.def.innerType as z.ZodType)
  if (schema instanceof z.ZodDiscriminatedUnion) {
    return fc.oneof(...schema.def.options.map((option) => arbitraryOf(option as z.ZodType)))
  }
  if (schema instanceof z.ZodEnum) return fc.constantFrom(...schema.options)
  if (schema instanceof z.ZodLiteral) return fc.constantFrom(...schema.def.values)
  if (schema instanceof z.ZodRecord) {
    return fc.dictionary(fc.stringMatching(/^\w{1,5}$/), fc.string(), { maxKeys: 3, noNullPrototype: true })
  }
  const checks = schema instanceof z.ZodString ? (schema.def.checks ?? []).map(({ _zod }) => _zod.def) : []
  const pattern = checks.find((check) => 'pattern' in check)
  if (pattern) return fc.stringMatching((pattern as unknown as { pattern: RegExp }).pattern)
  if (schema instanceof z.ZodString) return fc.string({ minLength: 1, maxLength: 30 })
  if (schema instanceof z.ZodURL) return fc.webUrl()
  if (schema instanceof z.ZodBoolean) return fc.boolean()
  assert.equal(schema.def.type, 'number')
  return fc.integer({ min: 1, max: 64 })
}

function objectOf(shape: Readonly<Record<string, unknown>>): fc.Arbitrary<unknown> {
  const members = Object.entries(shape).map(([name, member]): [string, fc.Arbitrary<unknown>] => [
    name,
    arbitraryOf(member as z.ZodType),
  ])
  const requiredKeys = Object.keys(shape).filter((name) => !(shape[name] instanceof z.ZodOptional))
  return fc.record(Object.fromEntries(members), { requiredKeys, noNullPrototype: true })
}
