import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '#protocol/problem.ts'
import { failureClassOf, failureProblem } from '#protocol/task-failure.ts'
import { createKillBook, KILLS_MAX } from './kill-book.ts'

const killed = () =>
  failureProblem('infrastructure', 'node_failed', 'frame 3: Blender was ended by SIGKILL.', { tail: 'log' })

test('a Blender that is ended once is nobody’s fault; time and again it is this node’s', () => {
  const book = createKillBook()
  const told = Array.from({ length: KILLS_MAX + 1 }, () => book.judge('frame 3', killed()))
  const classes = told.map((one) => one instanceof Problem && failureClassOf(one))
  assert.deepEqual(classes, ['infrastructure', 'infrastructure', 'node', 'node'])
  const last = told.at(2)
  assert.ok(last instanceof Problem)
  assert.match(last.message, /^frame 3: Blender was ended by SIGKILL\. That came 3 times here.*memory/)
  assert.equal(last.details['tail'], 'log')
})

test('each task counts for itself, and other failures are told as they are', () => {
  const book = createKillBook()
  for (let time = 0; time < KILLS_MAX + 1; time++) {
    const own = killed()
    assert.equal(book.judge(`frame ${time}`, own), own)
    const crash = failureProblem('task', 'engine_failed', 'frame 3 crashed Blender (SIGSEGV).')
    assert.equal(book.judge('frame 3', crash), crash)
    const cancelled = new Problem('cancelled', 'The task was cancelled.')
    assert.equal(book.judge('frame 3', cancelled), cancelled)
  }
})
