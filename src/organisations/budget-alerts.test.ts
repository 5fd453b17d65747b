import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DAY_MS } from '#kernel/time.ts'
import type { KeyLimits } from '#protocol/key-limits.ts'
import { ALERT_SHARES, type BudgetReached } from './budget-alerts.ts'
import { countSpend } from './count-spend.ts'
import { decideOrganisations, type OrganisationCommand } from './decide-organisations.ts'
import { countUse, evolveOrganisations } from './evolve-organisations.ts'
import { dayOf, monthOf, useAt } from './key-use.ts'
import { OrganisationEvent } from './organisation-events.ts'
import { checkOrganisations, emptyOrganisations, KEY_MEMORY_MS } from './organisations.ts'

test('each share of a limit is told once, when what was spent comes to it', () => {
  const { spend, told } = setup({ spendPerDay: 1_000n })
  for (let spent = 0; spent < 1_200; spent += 10) spend(10n)
  assert.deepEqual(told(), ['day 50: 500/1000', 'day 80: 800/1000', 'day 100: 1000/1000'])
})

test('one reading that passes several shares tells each of them', () => {
  const { spend, told } = setup({ spendPerDay: 1_000n })
  spend(5_000n)
  assert.deepEqual(told(), ['day 50: 5000/1000', 'day 80: 5000/1000', 'day 100: 5000/1000'])
})

test('a day and a month are told of each by itself, and each anew', () => {
  const { spend, told, wait } = setup({ spendPerDay: 100n, spendPerMonth: 150n })
  spend(60n)
  assert.deepEqual(told(), ['day 50: 60/100'])
  wait(DAY_MS)
  spend(60n)
  assert.deepEqual(told(), ['day 50: 60/100', 'month 50: 120/150', 'month 80: 120/150'])
  wait(31 * DAY_MS)
  spend(75n)
  assert.deepEqual(told(), ['day 50: 75/100', 'month 50: 75/150'])
})

test('a key without a limit of money is never told of, nor one that spends nothing', () => {
  const free = setup({ tokensPerDay: 5, requestsPerDay: 1 })
  free.spend(10n ** 18n)
  assert.deepEqual(free.told(), [])
  const idle = setup({ spendPerDay: 1n, spendPerMonth: 0n })
  idle.spend(0n)
  assert.deepEqual(idle.told(), [])
})

test('a limit that is raised arms the shares that are still ahead, and no others', () => {
  const { spend, limit, told } = setup({ spendPerDay: 100n })
  spend(90n)
  told()
  limit({ spendPerDay: 200n })
  assert.deepEqual(told(), [], 'less than half of the new one')
  spend(10n)
  assert.deepEqual(told(), ['day 50: 100/200'])
  limit({ spendPerDay: 120n })
  spend(1n)
  assert.deepEqual(told(), [], 'what was told of more than this')
  spend(19n)
  assert.deepEqual(told(), ['day 100: 120/120'])
  limit({ spendPerDay: 125n })
  spend(1n)
  assert.deepEqual(told(), [], 'half of it was passed long ago')
  spend(4n)
  assert.deepEqual(told(), ['day 100: 125/125'])
})

test('a limit that is lowered below what was spent tells so at once', () => {
  const { spend, limit, told } = setup({ spendPerDay: 1_000n })
  spend(100n)
  assert.deepEqual(told(), [])
  limit({ spendPerDay: 100n })
  assert.deepEqual(told(), ['day 50: 100/100', 'day 80: 100/100', 'day 100: 100/100'])
})

test('a rotation is no second budget: what the old key was told of is told', () => {
  const { spend, told, apply, nowMs } = setup({ spendPerDay: 100n })
  spend(60n)
  const next = { newKeyId: 'next', hash: 'hash of next', hint: 'h', overlapMs: DAY_MS }
  apply({ kind: 'rotate_key', keyId: 'key', organisationId: 'org', ...next, nowMs: nowMs() })
  spend(10n, 'next')
  assert.deepEqual(told(), ['day 50: 60/100'])
  spend(10n, 'key')
  assert.deepEqual(told(), ['day 80: 80/100'])
})

test('money that comes back arms what is no longer reached, and never makes a use of less than nothing', () => {
  const { spend, back, told, state } = setup({ spendPerDay: 100n, spendPerMonth: 400n })
  spend(85n)
  assert.deepEqual(told(), ['day 50: 85/100', 'day 80: 85/100'])
  back(20n)
  spend(20n)
  assert.deepEqual(told(), ['day 80: 85/100'])
  back(1_000n)
  assert.deepEqual([state.use.get('key')?.spend, state.use.get('key')?.monthSpend], [0n, 0n])
  assert.equal(state.use.get('key')?.requests, 2)
})

test('what was told is forgotten with the last key of its budget', () => {
  const { spend, apply, state, wait, nowMs } = setup({ spendPerDay: 100n })
  spend(60n)
  apply({ kind: 'revoke_key', keyId: 'key', organisationId: 'org', nowMs: nowMs() })
  assert.equal(state.told.get('key')?.last.sharePercent, 50)
  wait(KEY_MEMORY_MS)
  apply({ kind: 'forget_keys', nowMs: nowMs() })
  assert.equal(state.told.size, 0)
  assert.deepEqual(
    decideOrganisations(state, { kind: 'reach_budget', keyId: 'key', added: 1n, nowMs: 1 }),
    [],
  )
})

test('whatever is spent, limited and waited: nothing twice, nothing untrue, nothing left out', () => {
  const amount = fc.bigInt(0n, 60n)
  const limits = fc.record(
    { spendPerDay: fc.bigInt(1n, 300n), spendPerMonth: fc.bigInt(1n, 900n) },
    { requiredKeys: [] },
  )
  const keyId = fc.constantFrom('key', 'twin')
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('spend' as const), keyId, amount }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('limit' as const), keyId, limits }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(3 * DAY_MS) }) },
  )
  fc.assert(
    fc.property(limits, fc.array(step, { maxLength: 60, size: 'max' }), (first, steps) => {
      const { spend, limit, wait, apply, state, all, nowMs } = setup(first)
      const twin = { newKeyId: 'twin', hash: 'hash of twin', hint: 'h', overlapMs: 900 * DAY_MS }
      apply({ kind: 'rotate_key', keyId: 'key', organisationId: 'org', ...twin, nowMs: nowMs() })
      for (const action of steps) {
        if (action.kind === 'wait') wait(action.ms)
        else if (action.kind === 'limit') limit(action.limits, action.keyId)
        else spend(action.amount, action.keyId)
        if (action.kind === 'wait') continue
        // All that this key has reached by now was told in the window that runs.
        const has: KeyLimits = state.keys.get(action.keyId)?.limits ?? {}
        const use = useAt(state.use.get('key'), nowMs())
        const windows = [
          ['day', use.day, use.spend, has.spendPerDay],
          ['month', use.month, use.monthSpend, has.spendPerMonth],
        ] as const
        for (const [window, index, spent, most] of windows) {
          for (const share of ALERT_SHARES) {
            if (most === undefined || spent * 100n < most * BigInt(share)) continue
            const isTold = all.some((event) => placeOf(event) === `${window} ${index} ${share}`)
            assert.ok(isTold, `${share} % of ${most} a ${window} was reached, and not told`)
          }
        }
      }
      const highest = new Map<string, bigint>()
      for (const event of all) {
        assert.ok(event.spent * 100n >= event.limit * BigInt(event.sharePercent), 'it was reached')
        const place = placeOf(event)
        assert.ok(event.limit > (highest.get(place) ?? 0n), `${place} twice`)
        highest.set(place, event.limit)
      }
    }),
    { numRuns: 300 },
  )
})

/** Which share of which window. */
const placeOf = ({ window, atMs, sharePercent }: BudgetReached): string =>
  `${window} ${window === 'day' ? dayOf(atMs) : monthOf(atMs)} ${sharePercent}`

/** One key with these limits, and the verbs for it. `told` shows what was told since it was last asked. */
function setup(limits: KeyLimits) {
  const state = emptyOrganisations()
  const all: BudgetReached[] = []
  let now = Date.UTC(2026, 10, 3)
  let shown = 0
  const apply = (command: OrganisationCommand): void => {
    const decision = decideOrganisations(state, command)
    assert.ok(Array.isArray(decision), String(decision))
    for (const event of decision) {
      evolveOrganisations(state, OrganisationEvent.parse(OrganisationEvent.encode(event)))
      if (event.type === 'organisation.budget_reached') all.push(event)
    }
    checkOrganisations(state)
  }
  const org = { organisationId: 'org' }
  apply({ kind: 'create_organisation', ...org, name: 'o', nowMs: now })
  const key = { keyId: 'key', name: 'k', hash: 'h', hint: 'h', scopes: ['developer'] as const }
  apply({ kind: 'create_key', ...org, ...key, limits, nowMs: now })
  return {
    state,
    apply,
    all,
    nowMs: () => now,
    wait(ms: number) {
      now += ms
    },
    spend(cost: bigint, keyId = 'key') {
      countUse(state, { keyId, tokens: 1, cost, atMs: now })
      apply({ kind: 'reach_budget', keyId, added: cost, nowMs: now })
    },
    back(amount: bigint, keyId = 'key') {
      countSpend(state, { keyId, amount: -amount, atMs: now })
      checkOrganisations(state)
    },
    limit(next: KeyLimits, keyId = 'key') {
      apply({ kind: 'limit_key', ...org, keyId, limits: next, nowMs: now })
      apply({ kind: 'reach_budget', keyId, added: 0n, nowMs: now })
    },
    told() {
      const lines = all.slice(shown).map((event) => {
        const { window, sharePercent, spent, limit } = event
        return `${window} ${sharePercent}: ${spent}/${limit}`
      })
      shown = all.length
      return lines
    },
  }
}
