/** Turns for tests of the read models. */
import fc from 'fast-check'
import type { Step } from './journalled-history.ts'

/** Whatever may happen, in any order. */
export function turns(): fc.Arbitrary<Step[][]> {
  const index = fc.nat(30)
  const amount = fc.oneof(fc.bigInt(0n, 1_000n), fc.bigInt(0n, 10n ** 29n))
  const memo = fc.string({ unit: 'binary', maxLength: 5 })
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record<Step & { kind: 'transfer' }>({
        kind: fc.constant('transfer'),
        from: index,
        to: index,
        amount,
        memo,
        isRepeat: fc.boolean(),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record<Step & { kind: 'hold' }>({ kind: fc.constant('hold'), account: index, amount }),
    },
    {
      weight: 1,
      arbitrary: fc.record<Step & { kind: 'release' }>({ kind: fc.constant('release'), hold: index }),
    },
    {
      weight: 1,
      arbitrary: fc.record<Step & { kind: 'expire' }>({ kind: fc.constant('expire'), hold: index }),
    },
    {
      weight: 1,
      arbitrary: fc.record<Step & { kind: 'wait' }>({ kind: fc.constant('wait'), ms: fc.nat(200_000) }),
    },
    {
      weight: 3,
      arbitrary: fc.record<Step & { kind: 'capture' }>({
        kind: fc.constant('capture'),
        account: index,
        hold: index,
        payees: fc.array(fc.record({ account: index, amount }), { maxLength: 4 }),
        model: index,
        hasUsage: fc.boolean(),
      }),
    },
  )
  return fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { maxLength: 20 })
}

/** One history with something of everything. */
export const busyTurns: Step[][] = Array.from({ length: 12 }, (_, index) => [
  { kind: 'transfer', from: index % 2, to: 2 + (index % 3), amount: 1_000n, memo: 'deposit', isRepeat: true },
  { kind: 'wait', ms: 1_200_000 },
  { kind: 'hold', account: index % 3, amount: 500n },
  {
    kind: 'capture',
    account: index,
    hold: index,
    payees: [
      { account: 5, amount: 600n },
      { account: 8, amount: 6n },
    ],
    model: 0,
    hasUsage: true,
  },
  {
    kind: 'capture',
    account: index + 1,
    hold: 99,
    payees: [{ account: 6, amount: 70n }],
    model: index,
    hasUsage: true,
  },
  { kind: 'expire', hold: 0 },
])
