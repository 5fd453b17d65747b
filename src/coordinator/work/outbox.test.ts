import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyState } from '../coordinator-state.ts'
import { startTurn } from '../turn.ts'
import { createOutbox, type NodeOrder } from './outbox.ts'

test('what a turn tells nodes leaves as one, in order, once the turn is durable and not before', () => {
  const sent: (readonly NodeOrder[])[] = []
  const { order } = createOutbox((orders) => sent.push(orders))
  const turns = [1, 2].map((nowMs) => {
    const effects: (() => void)[] = []
    return { turn: startTurn(emptyState(), nowMs, [], effects), effects }
  })
  for (const { turn } of turns)
    for (const nodeId of ['a', 'b']) order(turn, nodeId, { kind: 'cancel', fence: turn.nowMs })
  assert.deepEqual(sent, [])
  for (const { effects } of turns) for (const effect of effects) effect()
  const cancelled = (fence: number) =>
    ['a', 'b'].map((nodeId) => ({ nodeId, order: { kind: 'cancel', fence } }))
  assert.deepEqual(sent, [cancelled(1), cancelled(2)])
})

test('a turn that tells nobody anything leaves nothing to be done', () => {
  const effects: (() => void)[] = []
  startTurn(emptyState(), 1, [], effects)
  assert.deepEqual(effects, [])
})
