import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { areEqual, fromCanonical, toCanonical } from './canonical.ts'

/** Any value a state may hold: plain objects, lists, maps by text, bigints and JSON's own scalars. */
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom(null, true, false),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
    fc.string({ unit: 'binary' }),
    fc.bigInt(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(memberName(), tie('value'), { maxKeys: 4, noNullPrototype: true }),
    fc.array(fc.tuple(fc.string(), tie('value')), { maxLength: 4 }).map((entries) => new Map(entries)),
  ),
}))

test('what toCanonical writes, fromCanonical reads back', () => {
  fc.assert(fc.property(value, (given) => assert.deepEqual(fromCanonical(toCanonical(given)), given)))
})

test('equal values give equal texts, in whatever order they were filled', () => {
  fc.assert(fc.property(value, (given) => toCanonical(reversed(given)) === toCanonical(given)))
})

test('different values give different texts', () => {
  fc.assert(fc.property(value, value, (a, b) => isEqual(a, b) === (toCanonical(a) === toCanonical(b))))
})

test('areEqual says of two values what their texts say', () => {
  const check = (a: unknown, b: unknown): void =>
    assert.equal(areEqual(a, b), toCanonical(a) === toCanonical(b))
  fc.assert(fc.property(value, value, check))
  fc.assert(fc.property(value, (given) => check(given, reversed(given))))
  // One that differs in one place alone is what two random values never are.
  fc.assert(fc.property(value, value, (given, other) => check({ a: [1, given] }, { a: [1, other] })))
  check({ a: 1, b: undefined }, { a: 1 })
  check({ a: 1 }, { a: 1, b: undefined })
  check({ a: 1 }, { a: 1, b: 0 })
  check([1], [1, 2])
  check([], {})
})

test('a bigint, a number and a text of the same digits are three values', () => {
  assert.equal(new Set([1n, 1, '1'].map(toCanonical)).size, 3)
})

test('an undefined member is left out, an undefined item is null', () => {
  assert.equal(toCanonical({ b: undefined, a: [1, undefined] }), '{"a":[1,null]}')
})

/** Names of two dollar forms are the format's own; state types have none such. */
function memberName() {
  return fc.string().filter((name) => name !== '$n' && name !== '$m' && name !== '__proto__')
}

function reversed(given: unknown): unknown {
  if (Array.isArray(given)) return given.map(reversed)
  if (given instanceof Map) return new Map([...given].reverse().map(([key, item]) => [key, reversed(item)]))
  if (given === null || typeof given !== 'object') return given
  return Object.fromEntries(
    Object.entries(given)
      .reverse()
      .map(([key, item]) => [key, reversed(item)]),
  )
}

function isEqual(a: unknown, b: unknown): boolean {
  try {
    assert.deepEqual(a, b)
    return true
  } catch {
    return false
  }
}
