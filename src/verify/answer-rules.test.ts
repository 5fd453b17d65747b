import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DAY_MS, HOUR_MS } from '#kernel/time.ts'
import {
  compareClaims,
  compareVectors,
  countSurprises,
  endEvidenceMilli,
  evidenceMilli,
} from './answer-evidence.ts'
import {
  agedWindows,
  answerRateBps,
  expiredWindows,
  holdbackAnswers,
  penaltyFor,
  type WeighedOpinion,
  weighOpinions,
  windowFor,
} from './answer-rules.ts'
import type { AnswerCase, PayWindow } from './answers.ts'

test('tokens fit where claim and finding are near, or both next to impossible', () => {
  assert.deepEqual(compareClaims([-1, -2, -12, -3], [-1.4, -2.6, -9, -3]), { tokens: 4, off: 1 })
  assert.deepEqual(
    compareClaims([-1], [-1, -1, -1]),
    { tokens: 3, off: 2 },
    'what is not claimed does not fit',
  )
  assert.deepEqual(countSurprises([0.5, 0.04, 0, 1]), { tokens: 4, off: 2 })
})

test('embeddings fit where they point the same way, however long they are, and nothing else does', () => {
  const found = [
    [3, 4, 0],
    [1, 0, 0],
    [0, 0, 1],
    [1, 1, 0],
    [0, 1, 0],
  ]
  const made = [
    [0.6, 0.8, 0.02],
    [0.96, 0.28, 0],
    [0, 0, 0],
    [1, 1],
  ]
  assert.deepEqual(compareVectors(made, found, { isSameFile: true }), { tokens: 5, off: 4 })
  // Weights that are rounded otherwise: the second one is near enough then.
  assert.deepEqual(compareVectors(made, found, { isSameFile: false }), { tokens: 5, off: 3 })
  assert.deepEqual(compareVectors([[1e200, 1e200]], [[1e200, 1e200]], { isSameFile: true }), {
    tokens: 1,
    off: 1,
  })
  assert.ok(evidenceMilli('compared', { tokens: 1, off: 1 }) >= 3_000)
  assert.ok(evidenceMilli('compared', { tokens: 4, off: 2 }) >= 1_000, 'every other text')
  assert.ok(evidenceMilli('compared', { tokens: 4, off: 0 }) < 0)
})

test('honest answers speak for their node, those of another model against it, and more tokens say more', () => {
  assert.ok(evidenceMilli('claimed', { tokens: 64, off: 2 }) < 0)
  assert.ok(evidenceMilli('typical', { tokens: 64, off: 5 }) < 0)
  assert.ok(evidenceMilli('claimed', { tokens: 32, off: 12 }) > 4_000)
  assert.ok(evidenceMilli('typical', { tokens: 64, off: 30 }) > 4_000)
  fc.assert(
    fc.property(fc.nat(500), fc.nat(500), (tokens, off) => {
      const counts = { tokens: tokens + off, off }
      const more = evidenceMilli('claimed', { tokens: counts.tokens + 1, off: off + 1 })
      assert.ok(more > evidenceMilli('claimed', counts))
    }),
  )
})

const say = (organisationId: string, evidence: number, isReference = false): WeighedOpinion => ({
  organisationId,
  isReference,
  evidenceMilli: evidence,
})

test('an end that nobody expects speaks against a node, the more the shorter the answer', () => {
  assert.equal(endEvidenceMilli(-8.9, 6), 0)
  assert.ok(endEvidenceMilli(-12, 6) > 6_000)
  assert.ok(endEvidenceMilli(-12, 100) < 4_000)
  assert.equal(endEvidenceMilli(-12, 100_000), 0)
})

test('opinions come to a verdict', () => {
  const rows: [WeighedOpinion[], string, boolean, number[], number][] = [
    [[], 'unheard', true, [], 0],
    [[say('a', -900)], 'passed', false, [], -100],
    [[say('a', 9_000)], 'doubted', true, [], 0],
    [[say('a', 9_000), say('b', 5_000)], 'against', false, [], 5_000],
    [[say('a', 99_000), say('b', 99_000)], 'against', false, [], 8_000],
    [[say('a', 9_000), say('b', -900)], 'doubted', true, [], 0],
    [[say('a', 9_000), say('b', -900), say('c', -900)], 'passed', false, [0], -100],
    [[say('a', 9_000), say('b', -900), say('c', 9_000)], 'against', false, [1], 8_000],
    [[say('a', 9_000), say('b', -9), say('c', 9_000), say('d', -9)], 'doubted', false, [], 0],
    [[say('a', 9_000), say('op', -900, true)], 'passed', false, [0], -100],
    [[say('a', -900), say('op', 3_000, true)], 'against', false, [0], 3_000],
  ]
  for (const [opinions, outcome, isOpen, wrong, evidence] of rows) {
    const weighed = weighOpinions(opinions)
    assert.deepEqual(weighed, { outcome, isOpen, evidenceMilli: evidence, wrong }, JSON.stringify(opinions))
  }
})

test('all answers of a new node are looked at, ever fewer of one that passes, and all again of one in doubt', () => {
  const rate = (passes: number, evidence = 0): number =>
    answerRateBps({ passes, evidenceMilli: evidence }, 'community')
  assert.deepEqual(
    [0, 9, 10, 14, 15, 40, 1_000].map((passes) => rate(passes)),
    [10_000, 10_000, 910, 910, 625, 500, 500],
  )
  assert.equal(rate(1_000, 8_000), 10_000)
  assert.equal(answerRateBps({ passes: 1_000, evidenceMilli: 0 }, 'vetted'), 200)
})

test('held pay covers what a lie brings: (1 - q) / q answers and those that it takes to be judged', () => {
  for (const [nodeClass, q] of [
    ['community', 0.05 * 0.4 * (1 - 0.1667)],
    ['vetted', 0.02 * 0.4],
  ] as const)
    assert.equal(holdbackAnswers(nodeClass), Math.ceil((1 - q) / q) + 2)
})

test('pay is freed once enough of its worth came after it and was looked at, and never before ten passes', () => {
  const windows = [0, 1, 2].map((index) => windowOf(index, { answers: 40, amount: 400n }))
  const passed = { passes: 10, passedAtMs: 10 * HOUR_MS, evidenceMilli: 0 }
  assert.deepEqual(idsOf(agedWindows(windows, passed, 'community')), [1])
  assert.deepEqual(idsOf(agedWindows(windows, { ...passed, passes: 9 }, 'community')), [])
  assert.deepEqual(idsOf(agedWindows(windows, { ...passed, passedAtMs: 0 }, 'community')), [])
  assert.deepEqual(idsOf(agedWindows(windows, { ...passed, evidenceMilli: 8_000 }, 'community')), [])
  const cheap = [windowOf(0, { answers: 40, amount: 400_000n }), ...windows.slice(1)]
  assert.deepEqual(
    idsOf(agedWindows(cheap, passed, 'community')),
    [],
    'cheap answers do not stand in for dear ones',
  )
})

test('pay that nobody looked behind is freed after a day, of a node on trial or looked at after 30', () => {
  const windows = [windowOf(0, { answers: 1, amount: 1n })]
  const record = { passes: 0, passedAtMs: 0, cases: [], evidenceMilli: 0 }
  assert.deepEqual(idsOf(expiredWindows(windows, record, DAY_MS - 1)), [])
  assert.deepEqual(idsOf(expiredWindows(windows, record, DAY_MS)), [1])
  const judged = { ...record, cases: [caseAt(0)] }
  assert.deepEqual(idsOf(expiredWindows(windows, judged, 2 * DAY_MS)), [])
  assert.deepEqual(idsOf(expiredWindows(windows, judged, 30 * DAY_MS)), [1])
  // A few answers a day, the first of them looked at: without enough behind it, a day is no reason to free it.
  for (const seen of [
    { ...record, passes: 1, passedAtMs: 1 },
    { ...record, passes: 12, passedAtMs: 1 },
    { ...record, evidenceMilli: 2_000 },
  ]) {
    assert.deepEqual(idsOf(expiredWindows(windows, seen, 29 * DAY_MS)), [])
    assert.deepEqual(idsOf(expiredWindows(windows, seen, 30 * DAY_MS)), [1])
  }
  const alone = { ...record, passes: 12, passedAtMs: 1 }
  const later = [windowOf(0, { answers: 1, amount: 1n }, 31 * DAY_MS)]
  assert.deepEqual(idsOf(expiredWindows(later, alone, 32 * DAY_MS)), [1], 'those who looked have gone')
})

test('windows of pay stay few however much comes', () => {
  const windows: PayWindow[] = []
  for (let minute = 0; minute < 5_000; minute++) {
    const window = windowFor(windows, 'account', minute * 60_000)
    if (!window) windows.push(windowOf(windows.length, { answers: 1, amount: 1n }, minute * 60_000))
  }
  assert.equal(windows.length, 32)
})

test('each verdict weighs more, for 180 days, unless it was lifted', () => {
  const penalties = (cases: AnswerCase[], nowMs = DAY_MS): string => penaltyFor(cases, nowMs).penalty
  assert.equal(penalties([]), 'pay')
  assert.equal(penalties([caseAt(0)]), 'suspended')
  assert.equal(penalties([caseAt(0), caseAt(1)]), 'banned')
  assert.equal(penalties([caseAt(0), { ...caseAt(1), liftedAtMs: 2 }]), 'suspended')
  assert.equal(penalties([caseAt(0), caseAt(1)], 181 * DAY_MS), 'pay')
  assert.deepEqual(penaltyFor([], 5), { penalty: 'pay', untilMs: 5 + HOUR_MS })
})

const windowOf = (
  index: number,
  { answers, amount }: { answers: number; amount: bigint },
  atMs = index * HOUR_MS,
): PayWindow => ({ windowId: index + 1, accountId: 'account', sinceMs: atMs, untilMs: atMs, answers, amount })

const idsOf = (windows: readonly PayWindow[]): number[] => windows.map(({ windowId }) => windowId)

const caseAt = (atMs: number): AnswerCase => ({
  ...{ caseId: `c${atMs}`, atMs, penalty: 'pay', reason: 'r', proofs: [], forfeited: 0n },
  untilMs: null,
  liftedAtMs: null,
})
