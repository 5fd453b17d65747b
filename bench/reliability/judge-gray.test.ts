import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newAim } from './aim.ts'
import { type GrayFound, type GrayPhase, judgeGray } from './judge-gray.ts'
import { steady } from './test-steady.ts'

test('stalls that are left, and a slow node that is found, pass', () => {
  assert.deepEqual(failedOf({}), [])
})

test('a stop that met no answer under way shows nothing, whatever the streams were', () => {
  const idle = { ...stopped('stopped'), results: [steady({})] }
  assert.deepEqual(failedOf({ stops: [stopped('engine stopped'), idle, stopped('half open')] }), [
    'streams that went on elsewhere, node stopped',
  ])
})

test('a stall that is left late does not pass, measured beside answers as long', () => {
  const late = { ...stopped('half open'), results: [steady({ continuations: 1, totalMs: 9_000 })] }
  assert.deepEqual(failedOf({ stops: [late] }), [
    'the longest stream, stalls in it, less a healthy one’s time',
  ])
  assert.deepEqual(failedOf({ stops: [late], healthyLong: [steady({ totalMs: 2_000 })] }), [])
})

test('a slow node that is given its share still was not found', () => {
  const later = Array.from({ length: 40 }, (_, index) =>
    steady({ node: index % 10 === 0 ? 'node_slow' : 'node_1' }),
  )
  assert.deepEqual(failedOf({ slow: { kind: 'slow', results: later, secondHalf: later } }), [
    'of an equal share of streams, what the slow node was given once it was found',
  ])
  const nobody = failedOf({ slow: { kind: 'slow', results: later, secondHalf: [] } })
  assert(nobody.includes('of an equal share of streams, what the slow node was given once it was found'))
})

test('texts that nobody compared prove nothing', () => {
  assert.deepEqual(failedOf({ texts: [{ compared: 0, same: 0, nearTies: 0, unexplained: 0 }] }), [
    'answers compared',
  ])
})

test('a node is stopped in the middle of an answer, not at a receipt that it sends', async () => {
  let nowMs = 0
  const aim = newAim({ row: 3, nowMs: () => nowMs })
  let isHit = false
  const next = aim.next(1).then((hit) => {
    isHit = hit
  })
  const pass = async (stepMs: number): Promise<void> => {
    nowMs += stepMs
    aim.onPiece(1, 'up', Buffer.alloc(300))
    await Promise.resolve()
  }
  for (let turn = 0; turn < 5; turn++) await pass(1_000)
  assert.equal(isHit, false)
  await pass(5)
  await pass(5)
  await next
  assert.equal(isHit, true)
})

const stopped = (kind: GrayPhase['kind']): GrayPhase => {
  const results = [steady({}), steady({ continuations: 1, totalMs: 3_000 })]
  return { kind, results, secondHalf: results }
}

function failedOf(change: Partial<GrayFound>): string[] {
  const healthy = [steady({})]
  return judgeGray({
    agents: 10,
    healthyShort: healthy,
    healthyLong: healthy,
    slow: { kind: 'slow', results: healthy, secondHalf: healthy },
    stops: [stopped('engine stopped'), stopped('stopped'), stopped('half open')],
    slowNode: 'node_slow',
    texts: [{ compared: 2, same: 2, nearTies: 0, unexplained: 0 }],
    ...change,
  })
    .checks.filter(({ isPassed }) => !isPassed)
    .map(({ what }) => what)
}
