import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOUR_MS } from '#kernel/time.ts'
import { consumerAccount, EXTERNAL_TEST, NETWORK_FEES, providerAccount } from '#ledger/ledger.ts'
import { holdbackHold } from '#ledger/payouts.ts'
import type { AnswerCheck } from '#protocol/answer-audit.ts'
import { answerRecordOf } from '#verify/answers.ts'
import { recordOf } from '#verify/verify.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import { checkState, emptyState } from '../coordinator-state.ts'
import { enrolNode } from '../enrol-node.ts'
import { barOf } from '../node-bars.ts'
import { openOrganisation } from '../open-organisation.ts'
import { startTurn } from '../turn.ts'
import { holdAnswerPay } from './answer-pay.ts'
import { answerPayId } from './check-answer-pay.ts'
import { hearAnswers } from './hear-answers.ts'
import { endSuspensions } from './judge-node.ts'
import { liftCases } from './lift-cases.ts'

test('a report counts once, and another start of its gateway counts anew', () => {
  const { hear, record } = setup()
  hear([check('req_1', [])])
  hear([check('req_1', [])], { sequence: 1 })
  assert.equal(record().unheard, 1)
  hear([check('req_2', [])], { sequence: 2 })
  hear([check('req_3', [])], { sequence: 1, start: 'again' })
  assert.equal(record().unheard, 3)
})

test('two owners who agree on two answers have a node judged: held pay pays callers back, and the rest is the network’s', () => {
  const { hear, record, earn, available, turn } = setup()
  earn(1_000n)
  const before = available(NETWORK_FEES)
  hear([check('req_1', [bad('node_2'), bad('node_3')])])
  assert.equal(record().cases.length, 0, 'one answer is not enough')
  hear([check('req_2', [bad('node_2'), bad('node_3')])], { sequence: 2 })
  const [verdict] = record().cases
  assert.deepEqual([verdict?.penalty, verdict?.forfeited, verdict?.proofs.length], ['pay', 1_000n, 2])
  // Each answer cost 300; four opinions of 7 were paid for.
  assert.deepEqual([available(providerAccount('liar')), available(consumerAccount('payer'))], [0n, 9_600n])
  assert.equal(available(NETWORK_FEES) - before, 400n - 4n * 7n)
  assert.equal(barOf(turn.state, 'node_1', turn.nowMs)?.code, 'suspended')
  checkState(turn.state)
})

test('what was under way when it was judged counts once, and nobody judges his own', () => {
  const { hear, record } = setup()
  const both = [bad('node_2'), bad('node_3')]
  hear([check('req_1', both), check('req_2', both), check('req_3', both), check('req_4', both)])
  assert.equal(record().cases.length, 1)
  const other = setup()
  other.hear([1, 2, 3].map((at) => check(`req_${at}`, [bad('node_2'), bad('node_2b'), bad('node_1')])))
  assert.equal(other.record().cases.length, 0, 'one owner with two nodes is one, and the node’s own is none')
})

test('the second verdict suspends for a week and takes the class, the third bans, and an operator lifts all of it', () => {
  const { hear, record, turn, at } = setup()
  turn.fleet({ kind: 'class', nodeId: 'node_1', nodeClass: 'vetted', nowMs: 0 })
  const judge = (sequence: number): void =>
    hear(
      [1, 2].map((answer) => check(`req_${sequence}_${answer}`, [bad('node_2'), bad('node_3')])),
      { sequence },
    )
  judge(1)
  endSuspensions(at(HOUR_MS))
  judge(2)
  assert.equal(turn.state.fleet.nodes.get('node_1')?.nodeClass, 'community')
  endSuspensions(at(HOUR_MS))
  assert.notEqual(record().suspendedUntilMs, null)
  endSuspensions(at(9 * 24 * HOUR_MS))
  judge(3)
  const banned = (): string | null => turn.state.fleet.nodes.get('node_1')?.bannedReason ?? null
  assert.deepEqual(
    record().cases.map(({ penalty }) => penalty),
    ['pay', 'suspended', 'banned'],
  )
  assert.match(banned() ?? '', /do not fit/)
  liftCases(turn, 'node_1', 'our file was another')
  assert.deepEqual([banned(), record().suspendedUntilMs], [null, null])
  assert.equal(record().cases[0]?.liftedReason, 'our file was another')
  assert.equal(
    turn.state.fleet.nodes.get('node_1')?.nodeClass,
    'vetted',
    'what it lost by them is given back',
  )
  assert.equal(recordOf(turn.state.verify, 'node_1').failed, 0, 'nothing of them brings it nearer to a ban')
  checkState(turn.state)
})

test('an auditor that was wrong once is trusted again after fifty opinions that were right, and not before', () => {
  const { hear, turn } = setup()
  hear([check('req_0', [bad('node_3'), good('node_2'), good('node_op')])])
  const wrong = (): number => recordOf(turn.state.verify, 'node_3').wrong
  assert.equal(wrong(), 1)
  const right = (count: number, sequence: number): void =>
    hear(
      Array.from({ length: count }, (_, at) => check(`req_${sequence}_${at}`, [good('node_3')])),
      { sequence },
    )
  right(49, 2)
  assert.equal(wrong(), 1)
  right(1, 3)
  assert.equal(wrong(), 0)
  right(60, 4)
  hear([check('req_5', [bad('node_3'), good('node_2'), good('node_op')])], { sequence: 5 })
  right(49, 6)
  assert.equal(wrong(), 1, 'nothing is saved up for later')
})

test('auditors get no more than the answer cost nor than the network has, and the operator’s own nothing', () => {
  const { hear, available, turn } = setup()
  const fees = available(NETWORK_FEES)
  hear([check('req_1', [{ ...good('node_2'), pay: 5_000n }])])
  assert.equal(available(providerAccount('a')), 300n)
  hear([check('req_2', [{ ...good('node_op'), pay: 5n }])], { sequence: 2 })
  assert.equal(available(providerAccount('operator')), 0n)
  hear([check('req_3', [{ ...good('node_2'), pay: 5_000n }], 5_000n)], { sequence: 3 })
  assert.equal(available(providerAccount('a')), fees, 'all that there was')
  checkState(turn.state)
})

test('the operator’s own node needs no second opinion, and what is said of strangers is passed over', () => {
  const { hear, record } = setup()
  hear([1, 2].map((at) => check(`req_${at}`, [bad('node_op')])))
  assert.equal(record().cases.length, 1)
  hear([{ ...check('req_9', [bad('node_op')]), nodeId: 'node_gone' }], { sequence: 2 })
})

test('held pay that somebody released by hand before stops neither what is earned next nor a verdict', () => {
  const { hear, earn, turn, record } = setup()
  earn(400n)
  const holdbackId = answerPayId('node_1', 1)
  assert.equal(turn.ledger({ kind: 'release_holdback', holdbackId }), null)
  earn(300n)
  earn(200n)
  assert.equal(turn.state.ledger.holds.get(holdbackHold(holdbackId))?.left, 500n)
  assert.equal(turn.ledger({ kind: 'release_holdback', holdbackId }), null)
  hear([1, 2].map((at) => check(`req_${at}`, [bad('node_2'), bad('node_3')])))
  assert.equal(record().cases.length, 1)
  checkState(turn.state)
})

const said = { tokens: 100, off: 60, readTokens: 150, pay: 7n }
const bad = (nodeId: string): AnswerCheck['opinions'][number] => ({ ...said, nodeId, evidenceMilli: 30_000 })
const good = (nodeId: string): AnswerCheck['opinions'][number] => ({
  ...said,
  nodeId,
  off: 0,
  evidenceMilli: -9_000,
})

const check = (auditId: string, opinions: AnswerCheck['opinions'], cost = 300n): AnswerCheck => ({
  ...{ kind: 'check', test: 'claimed', auditId, nodeId: 'node_1', model: 'm', organisationId: 'payer', cost },
  ...{ isCanary: false, opinions, evidenceHash: 'e' },
})

function setup() {
  const state = emptyState()
  const events: CoordinatorEvent[] = []
  let nowMs = 0
  let uses = 0
  const turnAt = () => startTurn(state, nowMs, events)
  const owners = { node_op: 'operator', node_1: 'liar', node_2: 'a', node_2b: 'a', node_3: 'b' }
  // The first is the founder.
  for (const organisationId of ['operator', 'liar', 'a', 'b', 'payer']) {
    openOrganisation(turnAt(), { organisationId, name: organisationId })
    nowMs++
  }
  const turn = turnAt()
  for (const [nodeId, organisationId] of Object.entries(owners)) {
    const tokenHash = `token of ${nodeId}`
    turn.fleet({ kind: 'issue_token', tokenHash, organisationId, expiresAtMs: 9e9, nowMs })
    const facts = { nodeId, publicKey: nodeId, name: nodeId, tokenHash, askPerGpuHour: 1n }
    assert.notEqual(typeof enrolNode(turn, facts), 'string')
  }
  const transfer = {
    kind: 'transfer',
    debitAccountId: EXTERNAL_TEST,
    memo: '',
    createdAtMs: nowMs,
    nowMs,
  } as const
  turn.ledger({ ...transfer, transferId: 'd', creditAccountId: consumerAccount('payer'), amount: 10_000n })
  turn.ledger({ ...transfer, transferId: 'f', creditAccountId: NETWORK_FEES, amount: 900n })
  return {
    turn,
    /** A turn so much later. */
    at(laterMs: number) {
      nowMs += laterMs
      return turnAt()
    },
    record: () => answerRecordOf(state.verify.answers, 'node_1'),
    available: (accountId: string) => state.ledger.accounts.get(accountId)?.available ?? -1n,
    hear(news: AnswerCheck[], { sequence = 1, start = 's' } = {}) {
      hearAnswers(turnAt(), { gatewayId: 'g', start, sequence, news })
    },
    earn(amount: bigint) {
      const accountId = providerAccount('liar')
      const payouts = [{ accountId, amount }]
      const paid = { accountId: consumerAccount('payer'), holdId: '', payouts, memo: '' }
      turn.ledger({ kind: 'capture', ...paid, transferId: `usage ${++uses}`, nowMs })
      holdAnswerPay(turn, { nodeId: 'node_1', accountId, answers: 3, amount })
    },
  }
}
