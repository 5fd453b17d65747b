import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from '#kernel/random.ts'
import { castOf } from './cast.ts'
import { cheatsCaught, falseAlarms } from './lives.ts'
import { malicious } from './malicious.ts'
import { runMalicious } from './malicious-run.ts'
import { strategyNames } from './strategies.ts'

test('every kind of liar is there beside an honest twin, and a whitewasher has lives in reserve', () => {
  for (const sharePercent of [10, 30]) {
    const { members, present } = castOf({ nodes: 110, sharePercent, livesMax: 3 }, createRandom(1))
    const first = members.slice(0, present)
    const liars = first.filter(({ strategy }) => strategy !== null)
    assert.equal(liars.length, (110 * sharePercent) / 100)
    assert.deepEqual(new Set(liars.map(({ strategy }) => strategy)), new Set(strategyNames))
    for (const { twin } of liars) assert.equal(members[twin ?? -1]?.strategy, null)
    const lives = members.slice(present)
    assert.ok(lives.every(({ firstLife }) => members[firstLife ?? -1]?.strategy === 'whitewash'))
    assert.equal(lives.length, 3 * liars.filter(({ strategy }) => strategy === 'whitewash').length)
    assert.equal(new Set(members.map(({ organisationId }) => organisationId)).size, members.length)
  }
})

test('honest nodes are not judged in a year, and whoever lies is found out within what is promised', () => {
  const alarms = falseAlarms(1, 10)
  assert.equal(alarms.honestJudgedShare, 0)
  assert.ok(alarms.honestAudits > 50_000, 'honest nodes were looked at')
  const caught = cheatsCaught(1, 200)
  assert.ok(Number(caught['sleeperLiesUntilJudgedP99']) <= 90)
  assert.ok(Number(caught['oneIn20AnswersUntilFoundP99']) <= 2_500)
})

test('in a network with liars the naive ones are judged within three lies, and the honest ones are left alone', async () => {
  const run = await runMalicious(3, { nodes: 110, sharePercent: 10, requests: 900, hours: 0.5 })
  assert.equal(run.completed, 900)
  const judged = run.outcomes.filter(({ judgedAfter }) => judgedAfter !== null)
  assert.ok(judged.length >= 6, `${judged.length} are judged`)
  for (const { member, judgedAfter } of judged) {
    assert.notEqual(member.strategy, null, 'no honest node is judged')
    if (member.strategy !== 'sleeper' && member.strategy !== 'one-in-20')
      assert.ok((judgedAfter?.lies ?? 0) <= 3, `${member.strategy} lies ${judgedAfter?.lies} times`)
  }
  assert.ok(run.falseRefunded > 0, 'what was proven false is paid back')
  const kept = judged.map(({ member, income, auditIncome }) => {
    const twin = run.outcomes[member.twin ?? -1]
    return { lied: income - auditIncome, honest: twin ? twin.income - twin.auditIncome : 0n }
  })
  const sum = (of: 'lied' | 'honest'): bigint => kept.reduce((all, one) => all + one[of], 0n)
  assert.ok(10n * sum('lied') < sum('honest'), `liars keep ${sum('lied')}, their twins ${sum('honest')}`)
})

test('a share that nobody promised is refused', async () => {
  await assert.rejects(malicious({ seed: 1, isQuick: true, sharePercent: 5 }), /liars of each kind/)
})
