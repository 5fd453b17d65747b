import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReplyWriter } from './reply-choices.ts'
import { SlowReader } from './slow-reader.ts'

test('what comes while its caller is slow leaves as one piece when it has caught up, and the engine goes on', () => {
  const { writer, reader, told } = setup()
  writer.piece(0, 'a')
  reader.brake.pause()
  for (const text of ['b', 'c', 'd']) writer.piece(0, text)
  assert.deepEqual(told, ['a', 'pause'])
  reader.brake.resume()
  assert.deepEqual(told, ['a', 'pause', 'bcd', 'resume'])
})

test('pieces of several choices, and those that are more than text, keep their order and stay apart', () => {
  const { writer, reader, told } = setup()
  reader.brake.pause()
  writer.piece(0, 'a')
  writer.piece(1, 'b')
  writer.piece(1, 'c')
  writer.piece(1, 'd', { toolCalls: [] })
  writer.piece(1, 'e')
  reader.brake.resume()
  assert.deepEqual(told, ['pause', 'a', 'bc', 'd', 'e', 'resume'])
})

test('an engine does not go on for a caller that what was held makes slow again', () => {
  const { writer, reader, told } = setup((text) => text === 'long')
  reader.brake.pause()
  writer.piece(0, 'long')
  reader.brake.resume()
  assert.deepEqual(told, ['pause', 'long', 'pause'])
})

test('the end, and a problem, come behind all that was held', () => {
  for (const end of ['choiceEnd', 'problem'] as const) {
    const { writer, reader, told } = setup()
    reader.brake.pause()
    writer.piece(0, 'a')
    if (end === 'choiceEnd') writer.choiceEnd(0, 'stop', null)
    else writer.problem(new Error() as never)
    assert.deepEqual(told, ['pause', 'a', end])
  }
})

function setup(makesSlow: (text: string) => boolean = () => false) {
  const told: string[] = []
  const reader = new SlowReader({
    pause: () => void told.push('pause'),
    resume: () => void told.push('resume'),
  })
  const inner: ReplyWriter = {
    node: () => undefined,
    piece(_choice, text) {
      told.push(text)
      if (makesSlow(text)) reader.brake.pause()
    },
    embedding: () => undefined,
    choiceEnd: () => void told.push('choiceEnd'),
    problem: () => void told.push('problem'),
    cut: () => undefined,
  }
  return { reader, told, writer: reader.hold(inner) }
}
