import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Problem } from '#protocol/problem.ts'
import { SseParser } from './sse-parser.ts'

const streams: readonly (readonly [name: string, stream: string, events: readonly string[]])[] = [
  ['one event', 'data: a\n\n', ['a']],
  ['CRLF, CR and LF alike', 'data: a\r\n\r\ndata: b\r\rdata: c\n\n', ['a', 'b', 'c']],
  ['comments and keep-alives between events', ': hello\n\ndata: a\n: ping\n\n:\n\n', ['a']],
  ['several data lines as one event', 'data: {"a":\ndata: 1}\n\n', ['{"a":\n1}']],
  ['other fields, with and without a colon', 'event: x\nid: 7\nretry: 1\nfoo\ndata: a\n\n', ['a']],
  ['no space, two spaces and no value after the colon', 'data:a\n\ndata:  b\n\ndata:\n\n', ['a', ' b', '']],
  ['a last event without its empty line', 'data: a\n\ndata: [DONE]', ['a', '[DONE]']],
  ['text of any script', 'data: é 🐟 中\n\n', ['é 🐟 中']],
  ['nothing', '\n\n\n', []],
]
for (const [name, stream, events] of streams) {
  test(`${name}: read alike wherever the chunks are cut`, () => {
    const bytes = new TextEncoder().encode(stream)
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
        const borders = [0, ...cuts.sort((a, b) => a - b), bytes.length]
        assert.deepEqual(
          parse(borders.slice(1).map((end, index) => bytes.subarray(borders[index], end))),
          events,
        )
      }),
    )
  })
}

test('a byte order mark at the beginning is no part of the first field', () => {
  assert.deepEqual(parse([new TextEncoder().encode('\uFEFFdata: a\n\n')]), ['a'])
})

test('an endless event is refused instead of kept', () => {
  const parser = new SseParser(() => undefined)
  const chunk = new TextEncoder().encode('x'.repeat(100_000))
  assert.throws(() => {
    for (let count = 0; count < 100; count++) parser.push(chunk)
  }, Problem)
})

function parse(chunks: readonly Uint8Array[]): readonly string[] {
  const events: string[] = []
  const parser = new SseParser((data) => events.push(data))
  for (const chunk of chunks) parser.push(chunk)
  parser.end()
  return events
}
