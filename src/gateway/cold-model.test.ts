import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coldModelAnswer } from './cold-model.ts'

test('a request waits while the load fits its patience, or while nobody has said how long it takes', () => {
  assert.equal(answer({ cold: undefined }), null)
  assert.equal(answer({ etaMs: 30_000 }), null)
  // Told a while ago, it is that much nearer now.
  assert.equal(answer({ etaMs: 100_000, toldMsAgo: 70_000 }), null)
})

test('a load that takes longer is refused with when to come back, in whole seconds', () => {
  const problem = answer({ etaMs: 95_300, toldMsAgo: 1_000 })
  assert.deepEqual(
    [problem?.code, problem?.status, problem?.details['retryAfterMs']],
    ['model_loading', 503, 95_000],
  )
  assert.match(problem?.message ?? '', /'m' is being loaded; a node serves it in about 1 min 35 s/)
})

test('a model that no node can take is refused with why', () => {
  const problem = answer({ etaMs: null, why: 'Of the nodes: 2 without the memory for it.' })
  assert.deepEqual([problem?.code, problem?.details['retryAfterMs']], ['no_node_available', 30_000])
  assert.match(problem?.message ?? '', /2 without the memory/)
})

interface Told {
  readonly cold?: undefined
  readonly etaMs?: number | null
  readonly why?: string
  readonly toldMsAgo?: number
}
function answer(told: Told) {
  const { etaMs = 0, why = null, toldMsAgo = 0 } = told
  const cold = 'cold' in told ? undefined : { model: 'm', etaMs, why }
  return coldModelAnswer({ model: 'm', cold, toldMsAgo, waitMs: 30_000 })
}
