import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DAY_MS, MINUTE_MS } from '#kernel/time.ts'
import { dayOf, monthOf } from '#organisations/key-use.ts'
import type { KeyLimits } from '#protocol/key-limits.ts'
import { Problem } from '#protocol/problem.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { createKeyBudgets } from './key-budgets.ts'

test('never more than the limit in any 60 seconds, and one more the moment the first is a minute old', () => {
  const { admit, pass } = setup({ requestsPerMinute: 3 })
  for (const wait of [0, 10_000, 10_000]) {
    pass(wait)
    assert.equal(admit(), null)
  }
  pass(39_999)
  const refused = admit()
  assert.deepEqual(
    [refused?.code, refused?.status, refused?.details['retryAfterMs']],
    ['rate_limited', 429, 1],
  )
  pass(1)
  assert.equal(admit(), null)
  assert.equal(admit()?.details['retryAfterMs'], 10_000)
})

test('whatever the pace, every window of a minute holds the limit', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(30_000), { maxLength: 200 }), (waits) => {
      const { admit, pass, clock } = setup({ requestsPerMinute: 4 })
      const times: number[] = []
      for (const wait of waits) {
        pass(wait)
        if (admit() === null) times.push(clock.ms)
      }
      for (const [index, time] of times.entries()) {
        const before = times[index - 4]
        assert.ok(before === undefined || time - before >= MINUTE_MS)
      }
    }),
  )
})

test('tokens: what the ledger told, what waits for it and what is under way count together', () => {
  const { admit, budgets, record } = setup({ tokensPerDay: 100 })
  budgets.tell([use({ tokens: 40 })])
  budgets.waits(record(20))
  assert.equal(admit(30), null)
  const refused = admit(11)
  assert.equal(refused?.code, 'tokens_limited')
  assert.match(
    refused?.message ?? '',
    /100 tokens per day, of which 10 are left; this request may use up to 11/,
  )
  assert.equal(admit(10), null)
})

test('a request that used less gives back the rest, once', () => {
  const { take, admit, budgets, record } = setup({ tokensPerDay: 100 })
  const budget = take(100)
  assert.equal(admit(1)?.code, 'tokens_limited')
  budgets.waits(record(30))
  budget.release()
  budget.release()
  assert.equal(admit(71)?.code, 'tokens_limited')
  assert.equal(admit(70), null)
})

test('money is set aside for the node that a request is given, and again for the next one', () => {
  const { take } = setup({ spendPerDay: 1_000n, spendPerMonth: 5_000n })
  const [first, second] = [take(1), take(1)]
  assert.equal(first.reserve(600n), null)
  assert.equal(second.reserve(401n)?.code, 'spend_limited')
  assert.equal(second.reserve(400n), null)
  assert.equal(first.reserve(700n)?.code, 'spend_limited', 'dearer than what is left with its own given back')
  assert.equal(second.reserve(1_000n), null, 'the refused one has nothing set aside any more')
})

test('what jobs may yet cost is set aside of the limits of money, until they are over', () => {
  const { take, admit, budgets } = setup({ spendPerDay: 100n, spendPerMonth: 200n })
  budgets.tell([use({ spend: 10n, monthSpend: 10n })])
  budgets.promise('k', 60n)
  assert.equal(take(1).reserve(31n)?.code, 'spend_limited')
  assert.equal(take(1).reserve(30n), null)
  budgets.promise('k', 90n)
  assert.equal(admit()?.code, 'spend_limited')
  budgets.promise('k', 0n)
  assert.equal(take(1).reserve(60n), null)
})

test('the tighter of day and month decides, and says when it is over', () => {
  const { take, budgets } = setup({ spendPerDay: 1_000n, spendPerMonth: 1_500n })
  budgets.tell([use({ spend: 600n, monthSpend: 1_400n })])
  const refused = take(1).reserve(101n)
  assert.match(refused?.message ?? '', /may spend \$0\.0000015 per month, of which \$0\.0000001 are left/)
  assert.equal(refused?.details['code'], 'insufficient_quota')
  assert.ok(Number(refused?.details['retryAfterMs']) > 3 * DAY_MS)
  budgets.tell([use({ spend: 600n, monthSpend: 1_500n })])
  assert.match(setupAdmit(budgets, { spendPerMonth: 1_500n })?.message ?? '', /of which \$0\.00 are left/)
})

test('a new day has all of it again, but for what is not in the ledger yet', () => {
  const { admit, budgets, record, pass } = setup({ tokensPerDay: 100 })
  budgets.tell([use({ tokens: 100 })])
  budgets.waits(record(10))
  assert.equal(admit(1)?.code, 'tokens_limited')
  pass(DAY_MS)
  assert.equal(admit(91)?.code, 'tokens_limited')
  assert.equal(admit(90), null)
})

test('what the ledger says it has is no longer counted as waiting, and never twice', () => {
  const { admit, budgets, record } = setup({ tokensPerDay: 100 })
  budgets.waits(record(60))
  budgets.settled([record(60)], [use({ tokens: 60 })])
  assert.equal(admit(41)?.code, 'tokens_limited')
  assert.equal(admit(40), null)
})

test('an older word of the ledger undoes nothing', () => {
  const { admit, budgets } = setup({ tokensPerDay: 100 })
  budgets.tell([use({ tokens: 90 })])
  budgets.tell([use({ tokens: 20 }), use({ tokens: 99, day: dayOf(START_MS) - 1 })])
  assert.equal(admit(11)?.code, 'tokens_limited')
  assert.equal(admit(10), null)
})

test('readings that the ledger had before count until the feed has surely told of them', () => {
  const { admit, budgets, record } = setup({ tokensPerDay: 100 })
  budgets.waits(record(60))
  budgets.settled([record(60)], [])
  budgets.followed(1)
  assert.equal(admit(41)?.code, 'tokens_limited')
  budgets.tell([use({ tokens: 60 })])
  budgets.followed(1)
  assert.equal(admit(41)?.code, 'tokens_limited')
  assert.equal(admit(40), null)
})

test('of several gateways each allows its share of what is left', () => {
  const { admit, budgets } = setup({ tokensPerDay: 100, requestsPerMinute: 9 })
  budgets.followed(3)
  budgets.tell([use({ tokens: 40 })])
  assert.equal(admit(21)?.code, 'tokens_limited')
  for (let request = 0; request < 3; request++) assert.equal(admit(1), null)
  assert.equal(admit(1)?.code, 'rate_limited')
  budgets.followed(1)
  assert.equal(admit(1), null)
})

test('whatever is asked, told and settled in whatever order: the ledger never counts more than the limit', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('ask' as const), tokens: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ kind: fc.constant('finish' as const), part: fc.nat(100) }),
    fc.record({ kind: fc.constant('settle' as const), isTold: fc.boolean() }),
    fc.record({ kind: fc.constant('follow' as const), isOld: fc.boolean() }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const { budgets, record, tryTake } = setup({ tokensPerDay: 100 })
      const underWay: { tokens: number; release: () => void }[] = []
      let waiting: UsageRecord[] = []
      let ledger = 0
      let before = 0
      let follows = 0
      for (const each of steps) {
        if (each.kind === 'ask') {
          const budget = tryTake(each.tokens)
          if (budget) underWay.push({ tokens: each.tokens, release: budget.release })
        } else if (each.kind === 'finish') {
          const run = underWay.shift()
          if (!run) continue
          const reading = record(Math.ceil((run.tokens * each.part) / 100))
          waiting.push(reading)
          budgets.waits(reading)
          run.release()
        } else if (each.kind === 'settle') {
          before = ledger
          follows = 0
          for (const { parts } of waiting) ledger += parts[0]?.completionTokens ?? 0
          budgets.settled(waiting, each.isTold ? [use({ tokens: ledger })] : [])
          waiting = []
          assert.ok(ledger <= 100, `the ledger counts ${ledger}`)
        } else {
          // Only the first reply after a settlement can have been asked for before it.
          budgets.tell([use({ tokens: each.isOld && follows++ === 0 ? before : ledger })])
          budgets.followed(1)
        }
      }
    }),
  )
})

test('headers say the limits, what is left and when it is whole again', () => {
  const { admit, headers, pass } = setup({ requestsPerMinute: 60, tokensPerDay: 1_000 })
  admit(100)
  pass(500)
  assert.deepEqual(headers(), {
    'x-ratelimit-limit-requests': '60',
    'x-ratelimit-remaining-requests': '59',
    'x-ratelimit-reset-requests': '1m0s',
    'x-ratelimit-limit-tokens': '1000',
    'x-ratelimit-remaining-tokens': '900',
    'x-ratelimit-reset-tokens': '16h0m0s',
  })
  assert.deepEqual(setup({ models: ['m'] }).headers(), {})
})

test('no more than so many at once, and one more as soon as one has ended', () => {
  const { take, admit } = setup({ requestsAtOnce: 2 })
  const first = take(1)
  take(1)
  assert.match(admit()?.message ?? '', /2 requests at once/)
  first.release()
  assert.equal(admit(), null)
})

test('requests of a day: what the ledger counted, what waits for it and what is under way', () => {
  const { take, admit, budgets, record } = setup({ requestsPerDay: 4 })
  budgets.tell([{ ...use({}), requests: 1 }])
  budgets.waits(record(5))
  const open = take(1)
  assert.equal(admit(), null)
  const refused = admit()
  assert.deepEqual([refused?.code, refused?.details['retryAfterMs']], ['rate_limited', 16 * 3_600_000])
  open.release()
  assert.equal(admit(), null, 'what brought nothing is not counted')
})

test('tokens of a minute: the most that may come of what is under way, then what was used, for a minute', () => {
  const { take, admit, budgets, record, pass } = setup({ tokensPerMinute: 100 })
  const open = take(70)
  assert.match(
    admit(31)?.message ?? '',
    /100 tokens per minute, of which 30 are left; this request may use up to 31/,
  )
  budgets.waits(record(40))
  open.release()
  pass(30_000)
  const refused = admit(61)
  assert.equal(refused?.code, 'tokens_limited')
  assert.equal(admit(60), null)
  pass(31_000)
  assert.equal(admit(40), null)
})

test('a request of more tokens than the key ever has is told so, whatever is used', () => {
  const { take, admit, budgets } = setup({ tokensPerMinute: 100, tokensPerDay: 150 })
  take(70)
  assert.equal(admit(100)?.details['isNever'], undefined)
  const never = admit(101)
  assert.deepEqual([never?.code, never?.details['isNever']], ['tokens_limited', true])
  assert.match(never?.message ?? '', /up to 101 tokens, and the key has 100 tokens per minute\./)
  budgets.followed(2)
  assert.match(admit(51)?.message ?? '', /100 tokens per minute, of which each gateway lets 50 through/)
  const ofDay = setup({ tokensPerDay: 150 }).admit(151)
  assert.match(ofDay?.message ?? '', /150 tokens per day\. Lower max_tokens/)
})

test('of a day’s requests several gateways serve every one, one after the other, however few are left', () => {
  const budgetsOf = () => {
    const one = setup({ requestsPerDay: 10 })
    one.budgets.followed(4)
    return one
  }
  const gateways = [budgetsOf(), budgetsOf(), budgetsOf(), budgetsOf()]
  for (let requests = 0; requests <= 10; requests++) {
    const open = gateways.map(({ budgets, tryTake }) => {
      budgets.tell([{ ...use({}), requests }])
      return tryTake(1)
    })
    assert.deepEqual(
      open.map((budget) => budget !== null),
      Array(4).fill(requests < 10),
    )
    for (const budget of open) budget?.release()
  }
})

test('of these limits, too, each of several gateways allows its share', () => {
  const { take, admit, budgets } = setup({ requestsAtOnce: 4, tokensPerMinute: 100 })
  budgets.followed(2)
  take(25)
  assert.equal(admit(26)?.code, 'tokens_limited')
  take(25)
  assert.equal(admit(1)?.code, 'rate_limited')
})

/** 08:00 UTC on the 15th of January 2027. */
const START_MS = Date.UTC(2027, 0, 15, 8)

const use = (part: Partial<{ day: number; tokens: number; spend: bigint; monthSpend: bigint }>) => ({
  budgetId: 'k',
  day: dayOf(START_MS),
  tokens: 0,
  spend: 0n,
  month: monthOf(START_MS),
  monthSpend: 0n,
  ...part,
})

function setupAdmit(budgets: ReturnType<typeof createKeyBudgets>, limits: KeyLimits): Problem | null {
  const answer = budgets.admit({ budgetId: 'k', limits }, 1)
  return answer instanceof Problem ? answer : null
}

/** The budgets of one key with these limits, on a clock of our own. */
function setup(limits: KeyLimits) {
  const clock = { ms: 0, elapsedMs: () => clock.ms }
  const budgets = createKeyBudgets(clock, () => START_MS + clock.ms)
  const key = { budgetId: 'k', limits }
  const tryTake = (tokens: number) => {
    const answer = budgets.admit(key, tokens)
    return answer instanceof Problem ? null : answer
  }
  return {
    clock,
    budgets,
    tryTake,
    take: (tokens: number) => tryTake(tokens) ?? assert.fail('refused'),
    admit: (tokens = 1) => setupAdmitOf(budgets.admit(key, tokens)),
    headers: () => budgets.headers(key),
    pass(ms: number): void {
      clock.ms += ms
    },
    record: (completionTokens: number): UsageRecord => ({
      requestId: 'r',
      organisationId: 'o',
      keyId: 'k',
      budgetId: 'k',
      holdId: 'h',
      model: 'm',
      kind: 'chat',
      outcome: 'completed',
      parts: [
        { nodeId: 'n', promptTokens: 0, completionTokens, promptPerMillion: 0n, completionPerMillion: 0n },
      ],
      startedAtMs: START_MS,
      firstTokenMs: 1,
      totalMs: 1,
    }),
  }
}

const setupAdmitOf = (answer: unknown): Problem | null => (answer instanceof Problem ? answer : null)
