import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBlobWire } from '#host/blobs/blob-wire.ts'
import { Problem, type ProblemCode, toProblemDetails } from '#protocol/problem.ts'
import type { FailureClass } from '#protocol/task-failure.ts'
import { explainFailure, isPassing } from './explain-failure.ts'

/** What a node finds itself, and what the network says of itself in answer to a call. */
const rows: readonly [ProblemCode, { own: FailureClass; ofNetwork: FailureClass; isTriedAgain: boolean }][] =
  [
    ['overloaded', { own: 'node', ofNetwork: 'infrastructure', isTriedAgain: true }],
    ['rate_limited', { own: 'node', ofNetwork: 'infrastructure', isTriedAgain: true }],
    ['internal', { own: 'node', ofNetwork: 'infrastructure', isTriedAgain: true }],
    ['unavailable', { own: 'infrastructure', ofNetwork: 'infrastructure', isTriedAgain: true }],
    ['disk_full', { own: 'node', ofNetwork: 'task', isTriedAgain: true }],
    ['disk_read_only', { own: 'node', ofNetwork: 'task', isTriedAgain: false }],
    ['disk_failed', { own: 'node', ofNetwork: 'task', isTriedAgain: false }],
    ['not_found', { own: 'node', ofNetwork: 'task', isTriedAgain: false }],
    ['storage_limited', { own: 'task', ofNetwork: 'task', isTriedAgain: false }],
    ['invalid_request', { own: 'node', ofNetwork: 'node', isTriedAgain: false }],
  ]

test('what the network cannot do is no fault of a node', async () => {
  for (const [code, { own, ofNetwork, isTriedAgain }] of rows) {
    const problem = new Problem(code, 'so it is')
    const answered = await answerOf(problem)
    assert.equal(explainFailure(problem).class, own, code)
    assert.equal(explainFailure(answered).class, ofNetwork, `${code} of the network`)
    assert.equal(isPassing(answered), isTriedAgain, `${code} of the network is tried again`)
  }
  assert.equal(isPassing(new Problem('disk_full', 'this disk')), false)
})

/** What a call rejects with that the network answers with `problem`. */
function answerOf(problem: Problem): Promise<unknown> {
  const wire = createBlobWire({
    fetch: async () => Response.json(toProblemDetails(problem), { status: problem.status }),
    baseUrl: 'http://network',
    token: () => '',
    sleep: async () => undefined,
    signal: new AbortController().signal,
  })
  return wire.usage().catch((error: unknown) => error)
}
