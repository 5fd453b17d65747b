import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type CutLine, LineSplitter } from './line-splitter.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

test('however bytes are cut into pieces, the lines are the same', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('a', 'bc', '\n', '\r\n', '', 'é'), { maxLength: 30 }),
      fc.array(fc.nat(8), { maxLength: 30 }),
      (words, cuts) => {
        const bytes = encoder.encode(words.join(''))
        const text = decoder.decode(bytes)
        const expected = text.split('\n').map((line) => line.replace(/\r$/, ''))
        if (expected.at(-1) === '' && !text.endsWith('\r')) expected.pop()
        assert.deepEqual(cutUp(bytes, cuts, 1_000), expected)
      },
    ),
  )
})

test('a line that is too long is told of and not kept, and the next is as it was', () => {
  const bytes = encoder.encode(`${'x'.repeat(11)}\nab\n${'y'.repeat(10)}`)
  for (const size of [1, 3, 100]) assert.deepEqual(cutUp(bytes, [size], 10), [null, 'ab', 'y'.repeat(10)])
})

test('a carriage return at the end of the longest line is none of its bytes', () => {
  assert.deepEqual(cutUp(encoder.encode('abc\r\nabcd\r\n'), [2], 3), ['abc', null])
})

/** Pieces of the given sizes, over and over. */
function cutUp(bytes: Uint8Array, sizes: readonly number[], bytesMax: number): (string | null)[] {
  const splitter = new LineSplitter(bytesMax)
  const lines: CutLine[] = []
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = Math.max(1, sizes[index % Math.max(1, sizes.length)] ?? 1)
    lines.push(...splitter.push(bytes.slice(at, at + size)))
    at += size
  }
  lines.push(...splitter.end())
  assert.deepEqual(
    lines.map(({ line }) => line),
    lines.map((_, index) => index + 1),
  )
  return lines.map((line) => line.bytes && decoder.decode(line.bytes))
}
