/** Callers that read nothing, leave in the middle or never finish asking: what others see of it, and what is billed. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, test } from 'node:test'
import { proveBooks, settle } from './books.ts'
import { until } from './process-group.ts'
import { openRig } from './rig.ts'
import {
  chatBytes,
  openSocket,
  openStalled,
  type SlowRig,
  startProbe,
  startSlowRig,
  takeAndLeave,
} from './slow-clients.ts'

const rig = openRig()
let slow: SlowRig
after(async () => {
  await slow?.close()
  await rig.dispose()
})
before(async () => {
  slow = await startSlowRig(rig)
})

test('a caller that leaves ends the engine, and pays for what it got: no more, no less', async () => {
  const leaves = []
  for (let index = 0; index < 10; index++) leaves.push(await takeAndLeave(slow, `leaver-${index}`, 3 + index))
  const lines = await settle(slow.network, leaves.length)
  for (const { requestId, tokens } of leaves) {
    const line = lines.find((one) => one.requestId === requestId)
    assert.deepEqual([line?.outcome, line?.completionTokens], ['cancelled', tokens])
  }
  await proveBooks(slow.network.operator, lines)
})

test('an upstream that crashes in the middle never looks like a finished answer', async () => {
  const socket = await openSocket(slow.port)
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk) => {
    text += String(chunk)
  })
  socket.write(chatBytes(slow.network, 'tokens=5 crash', 100))
  await until('the end of the answer', () => text.endsWith('0\r\n\r\n') || socket.closed)
  socket.destroy()
  const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data ?? '')
  assert.ok(!events.includes('[DONE]'))
  const last = JSON.parse(events.at(-1) ?? '') as { error?: { code: string; message: string; type: string } }
  assert.equal(last.error?.code, 'node_failed')
  assert.ok(text.includes('t4 '))
})

test('streams that nobody reads stop their engine, cost little memory and harm nobody', async () => {
  // The first answers make the heap as large as this load needs; what stalled readers hold comes on top of it.
  const first = await openStalled(slow, 64, 60_000)
  await until('the engine to wait for its first readers', () => isStill(slow))
  for (const socket of first) socket.destroy()
  await until('the engine to be told of the first', () => slow.upstream.open() === 0)
  const before = slow.residentMib()
  const probe = startProbe(slow)
  const stalled = await openStalled(slow, 64, 60_000)
  await until('the engine to wait for its readers', () => isStill(slow))
  const took = await probe.stop()
  assert.ok(took.length > 0, 'others were answered meanwhile')
  assert.ok(slow.residentMib() - before < 64, `${slow.residentMib() - before} MiB for 64 readers`)
  for (const socket of stalled) socket.destroy()
  await until('the engine to be told', () => slow.upstream.open() === 0)
})

test('a slow reader gets every token in the end', async () => {
  const socket = await openSocket(slow.port)
  socket.pause()
  socket.write(chatBytes(slow.network, 'tokens=60000 size=48', 60_000))
  await until('the engine to wait for its reader', () => isStill(slow))
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk) => {
    text += String(chunk)
  })
  socket.resume()
  await until('the whole answer', () => text.endsWith('0\r\n\r\n'))
  const events = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data]) => JSON.parse(data ?? ''))
  const content = events.map((event) => event.choices?.[0]?.delta?.content ?? '').join('')
  assert.equal(content, Array.from({ length: 60_000 }, (_, index) => `t${index} `.padEnd(48, '.')).join(''))
  assert.ok(text.includes('data: [DONE]'))
  socket.destroy()
})

test('a body that is too large is refused before it is sent, and a head without an end is cut', async () => {
  const { apiKey } = slow.network.ready
  const large = await openSocket(slow.port)
  const head = ['POST /v1/chat/completions HTTP/1.1', 'host: localhost', `authorization: Bearer ${apiKey}`]
  large.write([...head, `content-length: ${100 * 2 ** 20}`, '', ''].join('\r\n'))
  const [answer] = (await once(large, 'data')) as [Buffer]
  assert.match(answer.toString(), /^HTTP\/1\.1 413 /)
  large.destroy()
  const endless = await openSocket(slow.port)
  endless.write('GET / HTTP/1.1\r\nhost: localhost\r\n')
  const field = `x-more: ${'a'.repeat(1_000)}\r\n`
  const sending = setInterval(() => endless.write(field), 1)
  const [refusal] = (await once(endless, 'data')) as [Buffer]
  assert.match(refusal.toString(), /^HTTP\/1\.1 431 /)
  assert.ok(endless.bytesWritten < 1_000_000, `${endless.bytesWritten} bytes were taken`)
  // What is sent on meanwhile is read and dropped, so that the answer arrives; then it is cut.
  await new Promise((resolve) => endless.once('close', resolve))
  clearInterval(sending)
})

/** Nothing was written to any answer for a while: what flows is what the kernel still takes. */
async function isStill({ upstream }: SlowRig): Promise<boolean> {
  const before = upstream.written()
  await new Promise((resolve) => setTimeout(resolve, 300))
  return upstream.open() > 0 && upstream.written() === before
}
