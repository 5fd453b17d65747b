import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StreamPace } from './stream-pace.ts'

test('a stream is late after two of its usual pauses, and stalls after eight; a second and a half is neither', () => {
  const brisk = paced(50)
  assert.deepEqual([brisk.lateMs(), brisk.stallMs()], [1_500, 1_500])
  const slow = paced(1_000)
  assert.deepEqual([Math.round(slow.lateMs()), Math.round(slow.stallMs())], [2_000, 8_000])
})

test('the time before the first token, and what a slow reader took, are no pauses of the stream', () => {
  const pace = new StreamPace(0)
  pace.deliver(60_000)
  assert.equal(pace.lateMs(), 1_500)
  pace.pause(60_000)
  pace.move(120_000)
  pace.deliver(120_050)
  assert.equal(pace.lateMs(), 1_500)
})

test('on another node it has delivered nothing yet, and its usual pause is kept', () => {
  const pace = paced(1_000)
  pace.begin(500_000)
  assert.deepEqual([pace.hasData, pace.movedMs, Math.round(pace.lateMs())], [false, 500_000, 2_000])
})

function paced(pauseMs: number): StreamPace {
  const pace = new StreamPace(0)
  for (let step = 1; step <= 100; step++) pace.deliver(step * pauseMs)
  return pace
}
