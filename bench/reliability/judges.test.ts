/** The checks of scenarios, each fed with what a broken network would have given. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { UsageLine } from '#protocol/usage-page.ts'
import { flipOf, judgeKept, readVerified } from './disk.ts'
import { bombs, harmless, ofTheNetwork, probes } from './probes.ts'
import { compareBills } from './retrying-callers.ts'
import { judgeProbes } from './sandbox.ts'
import type { Check } from './scenario.ts'
import { steady } from './test-steady.ts'
import { sortFailures } from './upgrade.ts'

const failedOf = (checks: readonly Check[]): string[] =>
  checks.filter(({ isPassed }) => !isPassed).map(({ what }) => what)

test('disk: commands that were refused are not commands that were kept', () => {
  const well = { acknowledged: 100, start: 5n, before: 105n, kept: 105n }
  assert.deepEqual(failedOf(judgeKept(well)), [])
  const refused = { ...well, acknowledged: 0, before: 5n, kept: 5n }
  assert.deepEqual(failedOf(judgeKept(refused)), ['commands acknowledged before'])
  assert.deepEqual(failedOf(judgeKept({ ...well, before: 104n, kept: 104n })), [
    'commands acknowledged before',
  ])
  assert.deepEqual(failedOf(judgeKept({ ...well, kept: 104n })), [
    'of 100 commands acknowledged before, lost',
  ])
})

test('disk: a flipped bit that takes entries away in silence is no harmless one', () => {
  const said = (entries: number, state: string) =>
    readVerified({
      code: 0,
      stdout: `The journal of x is whole.\n  ${entries} entries, 9 events, of 1 leaders; id ab\n  state ${state}\n`,
    })
  const sound = said(7, 'aa')
  assert(sound)
  assert.equal(flipOf(sound, said(7, 'aa')), 'harmless')
  assert.equal(flipOf(sound, said(6, 'aa')), 'silent')
  assert.equal(flipOf(sound, said(7, 'bb')), 'silent')
  assert.equal(flipOf(sound, readVerified({ code: 1, stdout: '' })), 'refused')
  assert.throws(() => readVerified({ code: 0, stdout: 'All is well.' }), /tells no entries or no state/)
})

test('retrying callers: a try that was paid and never seen does not hide an answer without a bill', () => {
  const [one, two] = [taken('req_1'), taken('req_2')]
  assert.deepEqual(compareBills([one, two], [bill('req_1'), bill('req_2')]), { unbilled: 0, unseen: 0 })
  assert.deepEqual(compareBills([one, two], [bill('req_1'), bill('req_9')]), { unbilled: 1, unseen: 1 })
  assert.deepEqual(compareBills([one], [bill('req_1'), bill('req_1')]), { unbilled: 1, unseen: 0 })
  assert.deepEqual(compareBills([one], [bill('req_1', { cost: 6n })]), { unbilled: 1, unseen: 0 })
  assert.deepEqual(compareBills([one], [bill('req_1', { outcome: 'failed' })]), { unbilled: 1, unseen: 0 })
  assert.deepEqual(compareBills([one, one], [bill('req_1')]), { unbilled: 1, unseen: 0 })
})

test('upgrade: a call whose connection broke was taken and is lost, wherever in the upgrade it was', () => {
  const times = { leftMs: 1_000, backMs: 4_000 }
  const sorted = (error: string, startedMs: number, firstTokenMs: number | null = null) => {
    const { begun, late, away } = sortFailures([steady({ error, startedMs, firstTokenMs })], times)
    return [begun.length, late.length, away.length]
  }
  assert.deepEqual(sorted('fetch failed (ECONNRESET)', 1_500), [1, 0, 0])
  assert.deepEqual(sorted('fetch failed (UND_ERR_SOCKET)', 1_500), [1, 0, 0])
  assert.deepEqual(sorted('cut off', 1_500), [1, 0, 0])
  assert.deepEqual(sorted('fetch failed (ECONNREFUSED)', 1_500), [0, 0, 1])
  assert.deepEqual(sorted('503 unavailable', 1_500), [0, 0, 1])
  assert.deepEqual(sorted('503 unavailable', 9_000), [0, 1, 0])
  assert.deepEqual(sorted('503 in the stream', 1_500, 20), [1, 0, 0])
  assert.deepEqual(sortFailures([steady({})], times), { begun: [], late: [], away: [] })
})

test('sandbox: a probe that gets nowhere without the box is not counted as contained', () => {
  const well = { escaped: [], unbound: [], blunt: [], harm: [] }
  const all = probes.length + bombs.length
  assert.equal(judgeProbes(well).checks[0]?.found, `${all} of ${all}`)
  const alone = judgeProbes({ ...well, blunt: ofTheNetwork })
  assert.equal(alone.checks[0]?.found, `${all - 4} of ${all - 4}`)
  assert.deepEqual(failedOf(alone.checks), [])
  assert.equal(alone.notRun.length, 4)
  const dull = judgeProbes({ ...well, blunt: ['an abstract socket of the machine'] })
  assert.equal(failedOf(dull.checks).length, 1)
  assert.deepEqual(failedOf(judgeProbes({ ...well, escaped: ['a name'] }).checks), ['probes contained'])
})

test('sandbox: every probe that is named exists', () => {
  for (const name of [...harmless, ...ofTheNetwork])
    assert(
      probes.some((probe) => probe.name === name),
      name,
    )
  for (const name of ofTheNetwork) assert(harmless.includes(name), name)
})

const taken = (requestId: string) => ({ requestId, promptTokens: 2, completionTokens: 3, cost: 5n })

const bill = (requestId: string, change: Partial<UsageLine> = {}) =>
  ({ ...taken(requestId), outcome: 'completed', ...change }) as UsageLine
