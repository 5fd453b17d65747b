import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { NanoUsd } from './money.ts'
import { jsonWriter, wireForm, wireFormsByKind } from './wire-form.ts'

test('a schema without amounts has no form', () => {
  assert.equal(
    wireForm(z.object({ name: z.string(), at: z.int().nullable(), tags: z.array(z.string()) })),
    null,
  )
})

test('amounts are found in objects, lists, optional members and kinds of kinds', () => {
  const form = wireForm(Thing)
  const thing = {
    fee: 1n,
    parts: [{ amount: 2n, name: 'a' }],
    tip: null,
    way: { kind: 'cash' as const, amount: -3n },
  }
  const wire = {
    fee: '1',
    parts: [{ amount: '2', name: 'a' }],
    tip: null,
    way: { kind: 'cash', amount: '-3' },
  }
  assert.deepEqual(form?.toWire(thing), wire)
  assert.deepEqual(form?.fromWire(structuredClone(wire)), thing)
  assert.deepEqual(Thing.parse(wire), thing)
})

test('records and choices of plain values, and whatever JSON is, stay as they are', () => {
  assert.equal(wireForm(z.record(z.string(), z.json())), null)
  assert.equal(wireForm(z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]))), null)
  const amounts = z.object({ byName: z.record(z.string(), NanoUsd) })
  const value = { byName: { a: 10n ** 20n } }
  assert.equal(jsonWriter(amounts)(value), JSON.stringify(amounts.encode(value)))
  assert.deepEqual(wireForm(amounts)?.fromWire(amounts.encode(value)), value)
})

test('the value stays as it was', () => {
  const thing = { fee: 1n, parts: [{ amount: 2n, name: 'a' }], tip: 4n, way: { kind: 'card' as const } }
  const before = structuredClone(thing)
  assert.equal(
    jsonWriter(Thing)(thing),
    '{"fee":"1","parts":[{"amount":"2","name":"a"}],"tip":"4","way":{"kind":"card"}}',
  )
  assert.deepEqual(thing, before)
})

test('a member that is absent stays absent, however it is written', () => {
  const schema = z.object({ amount: NanoUsd.optional() })
  assert.equal(jsonWriter(schema)({}), '{}')
  assert.deepEqual(wireForm(schema)?.fromWire({}), {})
})

test('what a form does not know is left to zod: a default fills what an older program did not write', () => {
  const schema = z.object({ amount: NanoUsd, region: z.string().default('anywhere') })
  assert.deepEqual(wireForm(schema)?.fromWire({ amount: '5' }), { amount: 5n, region: 'anywhere' })
})

test('kinds are told by name, and an unknown one passes as it is', () => {
  assert.deepEqual(
    [...wireFormsByKind(Way)].map(([kind, form]) => [kind, form === null]),
    [
      ['cash', false],
      ['coin', false],
      ['card', true],
    ],
  )
  assert.deepEqual(wireForm(Way)?.fromWire({ kind: 'barter', amount: '1' }), { kind: 'barter', amount: '1' })
})

const Way = z.discriminatedUnion('kind', [
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('cash'), amount: NanoUsd }),
    z.object({ kind: z.literal('coin'), amount: NanoUsd }),
  ]),
  z.object({ kind: z.literal('card') }),
])
const Thing = z.object({
  fee: NanoUsd,
  parts: z.array(z.object({ amount: NanoUsd, name: z.string() })),
  tip: NanoUsd.nullable(),
  way: Way,
})
