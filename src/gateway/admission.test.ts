import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { Admission, type Drain, QUEUE_MAX, type Queued, waitMsOf } from './admission.ts'

const unknown: Drain = { busy: 0, holdMs: null }
/** Ten requests a second. */
const brisk: Drain = { busy: 10, holdMs: 1_000 }

test('one organisation alone gets half of the queue, then it is told to come again', () => {
  const { push } = setup()
  for (let count = 0; count < QUEUE_MAX / 2; count++) assert.equal(push('a', unknown), null)
  const refusal = push('a', unknown)
  assert.deepEqual(
    [refusal?.code, refusal?.status, refusal?.details['code']],
    ['queue_full', 429, 'queue_share'],
  )
  assert.equal(push('b', unknown), null)
})

test('when all is full everybody is told, those who have nothing there as well', () => {
  const { admission, push } = setup(8)
  for (let org = 0; admission.length < 8; org++) push(`o${org}`, unknown)
  const refusal = push('new', unknown)
  assert.deepEqual([refusal?.code, refusal?.status], ['overloaded', 503])
  assert.equal(refusal?.details['retryAfterMs'], 1_000)
})

test('a request that would wait for too long is refused at once, with when to come again', () => {
  const { push } = setup()
  for (let count = 0; count < 301; count++) assert.equal(push(`o${count}`, brisk), null)
  const refusal = push('late', brisk)
  assert.deepEqual([refusal?.code, refusal?.details['retryAfterMs']], ['overloaded', 15_050])
  assert.match(refusal?.message ?? '', /would wait 31 s/)
  assert.equal(push('late', brisk, { priority: 'bulk', waitMsMax: waitMsOf.bulk }), null)
})

test('nobody is refused for those who have sent much: only what has its turn before is waited for', () => {
  const { push } = setup()
  for (let count = 0; count < 290; count++) assert.equal(push('greedy', brisk), null)
  const small: Drain = { busy: 1, holdMs: 10_000 }
  assert.equal(push('greedy', small)?.code, 'overloaded')
  assert.equal(push('b', small), null)
})

test('while more comes than goes only short waits are begun, until the queue is empty', () => {
  const { admission, push, serve } = setup()
  let atMs = 0
  const refused: boolean[] = []
  for (let step = 0; step < 400; step++) {
    atMs += 20
    refused.push(push(`o${step % 40}`, brisk, {}, atMs) !== null)
    if (step % 5 === 0) serve(1, atMs)
  }
  const first = refused.indexOf(true)
  assert.ok(first > 100 && first < 300, `the first is refused at ${first}`)
  assert.equal(refused.slice(first).filter((is) => !is).length, 0)
  const left = admission.length
  assert.ok(left > 10 && left < 130, `${left} wait`)
  serve(left, atMs)
  for (let count = 0; count < 20; count++) assert.equal(push('o', brisk, {}, atMs + 100), null)
})

test('a burst that waits no longer than it may is let in whole', () => {
  const { push } = setup()
  for (let count = 0; count < 290; count++) assert.equal(push(`o${count}`, brisk, {}, count), null)
})

test('what was let in before is taken back however full it is', () => {
  const { admission, push, taken, serve } = setup(2)
  push('a', unknown)
  push('b', unknown)
  serve(1)
  push('c', unknown)
  const [back] = taken
  assert.ok(back)
  admission.putBack(back)
  assert.equal(admission.length, 3)
  admission.remove(back)
  admission.remove(back)
  assert.equal(admission.length, 2)
})

test('whoever watches is told how many wait, model by model', () => {
  const told: [string, number][] = []
  const admission = new Admission<Queued>(8, (model, waiting) => told.push([model, waiting]))
  const item = { organisationId: 'a', priority: 'default', work: 1, ticket: 1, waitMsMax: 1_000 } as const
  const [one, two] = [
    { ...item, model: 'm' },
    { ...item, model: 'n', ticket: 2 },
  ]
  for (const each of [one, two]) admission.push(each, unknown, 0)
  assert.deepEqual([...admission.models()], ['m', 'n'])
  admission.remove(one)
  assert.deepEqual(told, [
    ['m', 1],
    ['n', 1],
    ['m', 0],
  ])
  assert.deepEqual(
    [admission.waitingFor('m'), admission.waitingFor('n'), admission.waitingFor('x')],
    [0, 1, 0],
  )
})

test('a queue for nobody is a bug', () => {
  assert.throws(() => new Admission(0), { name: 'AssertionError' })
})

function setup(lengthMax = QUEUE_MAX) {
  const admission = new Admission<Queued>(lengthMax)
  const taken: Queued[] = []
  let ticket = 0
  const push = (
    organisationId: string,
    drain: Drain,
    part: Partial<Queued> = {},
    nowMs = 0,
  ): Problem | null => {
    const base = {
      organisationId,
      model: 'm',
      priority: 'default',
      work: 100,
      waitMsMax: waitMsOf.default,
    } as const
    const refusal = admission.push({ ...base, ...part, ticket: ++ticket }, drain, nowMs)
    assert.ok(refusal === null || refusal instanceof Problem)
    return refusal
  }
  const serve = (count: number, nowMs = 0): void => {
    let left = count
    const choose = (item: Queued) => (left-- > 0 ? item : 'stop')
    admission.serve('m', { choose, assign: (item) => void taken.push(item) }, nowMs)
  }
  return { admission, push, serve, taken }
}
