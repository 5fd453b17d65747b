import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { askPerMillionTokens } from './ask.ts'

const asks = fc.bigInt({ min: 0n, max: 10n ** 12n })
const speeds = fc.double({ min: 0.001, max: 1e6, noNaN: true })

test('an hour of tokens at the price brings the ask, or up to a rounding more', () => {
  // $0.36 an hour at 100 tokens a second: a million tokens take 10,000 s and cost a dollar.
  assert.equal(askPerMillionTokens(360_000_000n, 100), 1_000_000_000n)
  fc.assert(
    fc.property(asks, speeds, (ask, speed) => {
      const milliPerHour = BigInt(Math.floor(speed * 1_000)) * 3_600n
      const brought = askPerMillionTokens(ask, speed) * milliPerHour
      const exact = ask * 1_000_000_000n
      return brought >= exact && brought - exact < milliPerHour
    }),
  )
})

test('a faster node is never dearer at the same ask', () => {
  fc.assert(
    fc.property(
      asks,
      speeds,
      speeds,
      (ask, a, b) => askPerMillionTokens(ask, Math.max(a, b)) <= askPerMillionTokens(ask, Math.min(a, b)),
    ),
  )
})

test('a node that was not measured is priced as a thousandth of a token a second', () => {
  for (const speed of [0, -1, 0.0001]) {
    assert.equal(askPerMillionTokens(1n, speed), askPerMillionTokens(1n, 0.001))
  }
})
