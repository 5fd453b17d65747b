import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { type LiarRun, runLiars } from './liar-run.ts'
import { cheaperAnswer } from './sim-audited.ts'

/** One runs a cheaper model, one says of everything that it is false, one ends its answers early. */
const [CHEAP, SLANDERER, LAZY] = [3, 6, 9]

let run: LiarRun
before(async () => {
  run = await runLiars(1, {
    nodes: 15,
    minutes: 6,
    mannersOf: (index) => {
      if (index === CHEAP) return { answer: (request, honest) => cheaperAnswer(request, honest) }
      if (index === LAZY)
        return {
          answer: (_request, honest) => ({
            ...honest,
            tokenIds: honest.tokenIds.slice(0, 6),
            texts: honest.texts.slice(0, 6),
            finishReason: 'stop',
          }),
        }
      if (index === SLANDERER)
        return {
          score: (_request, { tails }) => ({ logprobs: tails.map(() => -9), tails: tails.map(() => 0) }),
        }
      return null
    },
  })
})

test('a node with a cheaper model is caught by its first answers, loses its pay and gets no more work', () => {
  const { record } = nodeAt(CHEAP)
  assert.equal(record.cases[0]?.penalty, 'pay')
  assert.ok((record.cases[0]?.forfeited ?? 0n) >= 0n && (record.cases[0]?.proofs.length ?? 0) >= 2)
  assert.ok(record.suspendedUntilMs !== null && record.passed <= 1)
})

test('an auditor that says of everything that it is false harms nobody, and is asked no more', () => {
  const { state } = run
  assert.equal(nodeAt(SLANDERER).record.cases.length, 0, 'what it answers itself is honest')
  // What it was asked at the same moment still comes.
  const wrong = state.verify.records.get(nodeAt(SLANDERER).nodeId)?.wrong ?? 0
  assert.ok(wrong >= 2 && wrong <= 6, `${wrong} times`)
})

test('an auditor that says of everything that it fits, without looking, cannot know what was claimed, and is asked no more', async () => {
  const YES = 5
  const { nodes, state } = await runLiars(4, {
    ...{ nodes: 10, minutes: 6 },
    mannersOf: (index) => {
      if (index !== YES) return null
      return {
        score: (_request, { tails }) => ({ logprobs: tails.map(() => -0.7), tails: tails.map(() => 0.5) }),
      }
    },
  })
  for (const [index, { nodeId, record }] of nodes.entries()) {
    assert.deepEqual(record.cases, [], nodeId)
    const wrong = state.verify.records.get(nodeId)?.wrong ?? 0
    // What it was asked at the same moment still comes.
    assert.ok(index === YES ? wrong >= 2 && wrong <= 6 : wrong === 0, `${nodeId}: ${wrong} times`)
  }
})

test('honest nodes are never judged, and what they earn is held back and then theirs', () => {
  const honest = run.nodes.filter(({ isLiar }) => !isLiar)
  for (const { nodeId, record } of honest) {
    assert.deepEqual(record.cases, [], nodeId)
    assert.ok(record.passed > 0, `${nodeId} was looked at`)
  }
  assert.ok(honest.some(({ record }) => record.passes >= 10))
})

test('what a node leaves out of its answers speaks against it', () => {
  const { cases, evidenceMilli } = nodeAt(LAZY).record
  assert.ok(cases.length > 0 || evidenceMilli > 0)
})

test('few answers that callers get are false', () => {
  assert.ok(run.falseAnswers <= 40, `${run.falseAnswers} of ${run.calls['completed']}`)
})

test('where callers let no second node look, the network asks for itself, and the operator’s own node judges', async () => {
  const { nodes } = await runLiars(3, {
    ...{ nodes: 4, minutes: 35, operatorsNode: 0, isPrivate: true, thinkMs: 30_000 },
    mannersOf: (index) =>
      index === 3 ? { answer: (request, honest) => cheaperAnswer(request, honest) } : null,
  })
  const [, ...others] = nodes
  const accused = others.filter(({ record }) => record.cases.length > 0 || record.against.length > 0)
  assert.deepEqual(
    accused.map(({ isLiar }) => isLiar),
    [true],
  )
})

test('a node that makes its embeddings up is judged by what others make of the same texts, and nobody else is', async () => {
  const { nodes, calls, falseAnswers } = await runLiars(7, {
    ...{ nodes: 8, minutes: 4, embeddingPercent: 60 },
    mannersOf: (index) => {
      // One makes them up, one is right about every other text.
      if (index === 1) return { embed: (_inputs, honest) => honest.map((vector) => vector.map(() => 1)) }
      if (index === 4)
        return { embed: (_inputs, honest) => honest.map((it, at) => (at % 2 === 0 ? it : it.toReversed())) }
      return null
    },
  })
  assert.ok((calls['embedded'] ?? 0) > 200, JSON.stringify(calls))
  for (const { nodeId, record, isLiar } of nodes) {
    assert.equal(record.cases.length > 0, isLiar, `${nodeId}: ${record.against.length} against it`)
    if (!isLiar) assert.ok(record.passed > 0, `${nodeId} was looked at`)
  }
  assert.ok(falseAnswers > 0 && falseAnswers <= 80, `${falseAnswers} of ${JSON.stringify(calls)}`)
})

function nodeAt(index: number): LiarRun['nodes'][number] {
  const node = run.nodes[index]
  assert.ok(node)
  return node
}
