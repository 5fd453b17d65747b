import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { divideUp, formatUsd, maximum, minimum, NANO_PER_USD, parseUsd } from './money.ts'

const amounts = fc.bigInt({ min: 0n, max: 10n ** 21n - 1n })

test('what formatUsd writes, parseUsd reads back to the nano', () => {
  fc.assert(fc.property(amounts, (amount) => parseUsd(formatUsd(amount)) === amount))
})

test('an amount shows at least two decimals and no needless zero after them', () => {
  const written = [
    [0n, '0.00'],
    [1n, '0.000000001'],
    [42n, '0.000000042'],
    [200_000_000n, '0.20'],
    [1_250_000_000n, '1.25'],
    [1_250_000_001n, '1.250000001'],
    [-1_500_000_000n, '-1.50'],
    [12n * NANO_PER_USD, '12.00'],
  ] as const
  for (const [amount, text] of written) assert.equal(formatUsd(amount), text)
})

test('parseUsd takes dollars as people write them', () => {
  const read = [
    ['12', 12n * NANO_PER_USD],
    ['$12.5', 12_500_000_000n],
    [' 0.000000001 ', 1n],
    ['007', 7n * NANO_PER_USD],
    ['999999999999', 999_999_999_999n * NANO_PER_USD],
  ] as const
  for (const [text, amount] of read) assert.equal(parseUsd(text), amount, text)
})

test('parseUsd takes nothing that could be read in two ways, nor fractions of a nano-USD', () => {
  const refused = [
    '',
    '$',
    '-1',
    '+1',
    '1.',
    '.5',
    '1,5',
    '1e3',
    '0x10',
    '1 2',
    '1.0000000001',
    '1000000000000',
  ]
  for (const text of refused) assert.equal(parseUsd(text), null, text)
})

test('divideUp gives the smallest quotient that covers the dividend', () => {
  const divisors = fc.bigInt({ min: 1n, max: 10n ** 30n })
  fc.assert(
    fc.property(amounts, divisors, (dividend, divisor) => {
      const quotient = divideUp(dividend, divisor)
      return quotient * divisor >= dividend && (quotient === 0n || (quotient - 1n) * divisor < dividend)
    }),
  )
})

test('divideUp refuses negative dividends and divisors that are not positive', () => {
  for (const [dividend, divisor] of [
    [-1n, 1n],
    [1n, 0n],
    [1n, -1n],
  ] as const) {
    assert.throws(() => divideUp(dividend, divisor), { name: 'AssertionError' })
  }
})

test('minimum and maximum are the two of a pair', () => {
  const any = fc.bigInt()
  fc.assert(
    fc.property(
      any,
      any,
      (a, b) => minimum(a, b) <= maximum(a, b) && minimum(a, b) + maximum(a, b) === a + b,
    ),
  )
})
