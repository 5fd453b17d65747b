import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { costOf, networkFee, type TokenCount, type TokenPrice } from './price.ts'

const count = fc.nat(2_000_000)
const tokens: fc.Arbitrary<TokenCount> = fc.record({ promptTokens: count, completionTokens: count })
const perMillion = fc.bigInt({ min: 0n, max: 10n ** 14n })
const prices: fc.Arbitrary<TokenPrice> = fc.record({
  promptPerMillion: perMillion,
  completionPerMillion: perMillion,
})

test('a cost is the exact one rounded up to the nano-USD', () => {
  const price = { promptPerMillion: 100_000_000n, completionPerMillion: 400_000_001n }
  assert.equal(costOf({ promptTokens: 0, completionTokens: 0 }, price), 0n)
  assert.equal(costOf({ promptTokens: 10, completionTokens: 0 }, price), 1_000n)
  assert.equal(costOf({ promptTokens: 0, completionTokens: 1 }, price), 401n)
  const cached = { ...price, cachedPerMillion: price.promptPerMillion / 4n }
  assert.equal(costOf({ promptTokens: 10, completionTokens: 0, cachedPromptTokens: 8 }, cached), 400n)
  assert.equal(costOf({ promptTokens: 10, completionTokens: 0, cachedPromptTokens: 8 }, price), 1_000n)
  assert.equal(costOf({ promptTokens: 1_000_000, completionTokens: 1_000_000 }, price), 500_000_001n)
})

test('a cost covers the exact one by less than a nano-USD', () => {
  fc.assert(
    fc.property(tokens, prices, (used, price) => {
      const exact =
        BigInt(used.promptTokens) * price.promptPerMillion +
        BigInt(used.completionTokens) * price.completionPerMillion
      const paid = costOf(used, price) * 1_000_000n
      return paid >= exact && paid - exact < 1_000_000n
    }),
  )
})

test('more tokens never cost less, and what was reserved for the most covers any less', () => {
  fc.assert(
    fc.property(
      tokens,
      tokens,
      prices,
      (used, more, price) => costOf(sum(used, more), price) >= costOf(used, price),
    ),
  )
})

test('work in two parts costs as much as in one, or a nano-USD more', () => {
  fc.assert(
    fc.property(tokens, tokens, prices, (a, b, price) => {
      const apart = costOf(a, price) + costOf(b, price)
      const whole = costOf(sum(a, b), price)
      return apart === whole || apart === whole + 1n
    }),
  )
})

test('the fee is its share rounded down, so that fee and payout make up the cost', () => {
  assert.equal(networkFee(1_999n, 500), 99n)
  fc.assert(
    fc.property(perMillion, fc.nat(10_000), (cost, feeBps) => {
      const fee = networkFee(cost, feeBps)
      const exact = cost * BigInt(feeBps)
      return fee * 10_000n <= exact && exact < (fee + 1n) * 10_000n && fee <= cost
    }),
  )
})

const sum = (a: TokenCount, b: TokenCount): TokenCount => ({
  promptTokens: a.promptTokens + b.promptTokens,
  completionTokens: a.completionTokens + b.completionTokens,
})
