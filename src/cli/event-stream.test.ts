import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEvents } from './event-stream.ts'

test('events come out the same however the bytes are cut', async () => {
  const text = ': hello\r\ndata: one\r\n\r\nevent: x\ndata:two\ndata: lines ä€\n\n\n\ndata: last'
  const bytes = new TextEncoder().encode(text)
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.slice(index * size, (index + 1) * size),
    )
    assert.deepEqual(await gather(streamOf(chunks)), ['one', 'two\nlines ä€', 'last'])
  }
})

test('a line without an end is given up', async () => {
  const endless = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024).fill(97)),
  })
  await assert.rejects(gather(endless), /not a stream of events/)
})

test('who stops listening cancels the stream', async () => {
  let isCancelled = false
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(new TextEncoder().encode('data: x\n\n')),
    cancel() {
      isCancelled = true
    },
  })
  for await (const data of readEvents(body)) {
    assert.equal(data, 'x')
    break
  }
  assert.equal(isCancelled, true)
})

async function gather(body: ReadableStream<Uint8Array>): Promise<string[]> {
  const events: string[] = []
  for await (const data of readEvents(body)) events.push(data)
  return events
}

const streamOf = (chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk)
      controller.close()
    },
  })
