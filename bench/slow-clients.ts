/**
 * Callers that read nothing, send nothing or leave: what they cost a network, and what others notice of them. Each
 * situation is held for a while beside a caller who behaves; memory is that of the process that callers talk with.
 *
 *     node bench/slow-clients.ts [--json] [--stalled 1000] [--idle 10000] [--half-open 500] [--leaves 300]
 *
 * `--idle 10000` needs 10,000 open files here and in the network: raise `ulimit -n` where it is lower.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { proveBooks, settle } from '../test/e2e/books.ts'
import { until } from '../test/e2e/process-group.ts'
import { openRig } from '../test/e2e/rig.ts'
import {
  openSocket,
  openStalled,
  type SlowRig,
  startProbe,
  startSlowRig,
  takeAndLeave,
} from '../test/e2e/slow-clients.ts'
import { print, whole } from './parts/machine.ts'
import { type Spread, spread } from './parts/spread.ts'

interface Options {
  readonly stalled: number
  readonly idle: number
  readonly halfOpen: number
  readonly leaves: number
}

/** What 1,000 streams that nobody reads may add. */
const STALLED_MIB_MAX = 100
const LEAVE_MS_MAX = 20
/** Tokens of an answer that nobody reads: as many as an engine would make. */
const STALLED_TOKENS = 60_000
const HOLD_MS = 5_000
const BODY_BYTES = 100 * 2 ** 20

interface Situation {
  readonly name: string
  /** What a short answer takes its caller meanwhile. */
  readonly others: Spread
  readonly addedMib: number
  readonly note: string
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      stalled: { type: 'string', default: '1000' },
      idle: { type: 'string', default: '10000' },
      'half-open': { type: 'string', default: '500' },
      leaves: { type: 'string', default: '300' },
    },
  })
  const result = await measure({
    stalled: Number(values.stalled),
    idle: Number(values.idle),
    halfOpen: Number(values['half-open']),
    leaves: Number(values.leaves),
  })
  print(values.json, result, () => describe(result))
  const stalledMib = result.situations.find(({ name }) => name.includes('never read'))?.addedMib ?? 0
  if (stalledMib > STALLED_MIB_MAX || result.leaving.p99 > LEAVE_MS_MAX) process.exitCode = 1
}

async function measure(options: Options) {
  const rig = openRig()
  try {
    const slow = await startSlowRig(rig)
    // Once, so that the memory of what everybody needs is there.
    await during(slow, 'warm', async () => sleep(HOLD_MS))
    const situations = [
      await during(slow, 'nobody else', async () => sleep(HOLD_MS)),
      await during(slow, `${whole(options.idle)} idle connections`, () => idle(slow, options.idle)),
      await during(slow, `${whole(options.halfOpen)} half a request sent`, () =>
        halfOpen(slow, options.halfOpen),
      ),
      await during(slow, 'a body of 100 MiB', () => largeBody(slow)),
      await during(slow, 'a head without an end', () => endlessHead(slow)),
      await during(slow, `${whole(options.stalled)} streams that callers never read`, () =>
        stalled(slow, options.stalled),
      ),
    ]
    const leaving = await leave(slow, options.leaves)
    await slow.close()
    return { situations, leaving }
  } finally {
    await rig.dispose()
  }
}

async function during(
  slow: SlowRig,
  name: string,
  act: () => Promise<string | undefined>,
): Promise<Situation> {
  const before = slow.residentMib()
  const probe = startProbe(slow)
  let most = before
  const watch = setInterval(() => {
    most = Math.max(most, slow.residentMib())
  }, 100)
  const note = (await act()) ?? ''
  const others = spread(await probe.stop())
  clearInterval(watch)
  process.stderr.write(`${name}: done\n`)
  return { name, others, addedMib: Math.max(0, most - before), note }
}

async function idle({ port }: SlowRig, count: number): Promise<string> {
  const sockets: Socket[] = []
  while (sockets.length < count)
    sockets.push(...(await Promise.all(Array.from({ length: 250 }, () => openSocket(port)))))
  await sleep(HOLD_MS)
  const held = sockets.filter((socket) => !socket.closed).length
  for (const socket of sockets) socket.destroy()
  return `${whole(held)} held`
}

async function halfOpen({ port }: SlowRig, count: number): Promise<string> {
  const sockets = await Promise.all(Array.from({ length: count }, () => openSocket(port)))
  const startedMs = performance.now()
  for (const socket of sockets) socket.resume().write('POST /v1/chat/completions HTTP/1.1\r\nhost: loc')
  await Promise.all(
    sockets.map((socket) => socket.closed || new Promise((resolve) => socket.once('close', resolve))),
  )
  return `all cut after ${whole((performance.now() - startedMs) / 1_000)} s`
}

async function largeBody({ port, network }: SlowRig): Promise<string> {
  const statuses: string[] = []
  for (const framing of [`content-length: ${BODY_BYTES}`, 'transfer-encoding: chunked']) {
    const socket = await openSocket(port)
    const answered = once(socket, 'data')
    const key = `authorization: Bearer ${network.ready.apiKey}`
    socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n${key}\r\n${framing}\r\n\r\n`)
    const piece = Buffer.alloc(64 * 1024, 'x')
    const sent = framing.startsWith('content')
      ? piece
      : Buffer.concat([Buffer.from('10000\r\n'), piece, Buffer.from('\r\n')])
    for (let bytes = 0; bytes < BODY_BYTES && !socket.closed; bytes += piece.length)
      if (!socket.write(sent))
        await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => null)
    const [answer] = (await Promise.race([answered, sleep(2_000).then(() => [''])])) as [Buffer | string]
    statuses.push(/^HTTP\/1\.1 (\d+)/.exec(String(answer))?.[1] ?? 'cut')
    socket.destroy()
  }
  return `answered ${statuses.join(' and ')}`
}

async function endlessHead({ port }: SlowRig): Promise<string> {
  const socket = await openSocket(port)
  socket.resume().write('GET / HTTP/1.1\r\nhost: localhost\r\n')
  const startedMs = performance.now()
  const field = `x-more: ${'a'.repeat(1_000)}\r\n`
  while (!socket.closed) {
    socket.write(field)
    await sleep(1)
  }
  return `cut after ${whole(socket.bytesWritten / 1_024)} KiB and ${whole(performance.now() - startedMs)} ms`
}

async function stalled(slow: SlowRig, count: number): Promise<string> {
  const sockets = await openStalled(slow, count, STALLED_TOKENS)
  await until('every engine to wait for its reader', async () => {
    const before = slow.upstream.written()
    await sleep(1_000)
    return slow.upstream.written() === before
  })
  await sleep(HOLD_MS)
  const open = slow.upstream.open()
  for (const socket of sockets) socket.destroy()
  await until('every engine to be told', () => slow.upstream.open() < 2)
  return `${whole(open)} engines waited, ${whole(slow.upstream.written() / count)} of ${whole(STALLED_TOKENS)} tokens made for each`
}

/** That each is billed for what it received, to the token, is asserted. */
async function leave(slow: SlowRig, count: number): Promise<Spread> {
  const leaves = []
  for (let index = 0; index < count; index++)
    leaves.push(await takeAndLeave(slow, `leaver-${index}`, 1 + (index % 50)))
  const lines = new Map((await settle(slow.network, count)).map((line) => [line.requestId, line]))
  for (const { requestId, tokens } of leaves) {
    const line = lines.get(requestId)
    assert.deepEqual([line?.outcome, line?.completionTokens], ['cancelled', tokens])
  }
  await proveBooks(slow.network.operator, [...lines.values()])
  return spread(leaves.map(({ ms }) => ms))
}

function describe({ situations, leaving }: Awaited<ReturnType<typeof measure>>): string[] {
  const ms = (value: number): string => `${value.toFixed(1)} ms`
  return [
    'what a short answer takes others, and memory added at most:',
    ...situations.map(
      ({ name, others, addedMib, note }) =>
        `  ${name.padEnd(40)} p50 ${ms(others.p50)}, p99 ${ms(others.p99)}; +${whole(addedMib)} MiB${note && `; ${note}`}`,
    ),
    `from a caller's leaving until the engine knows: p50 ${ms(leaving.p50)}, p99 ${ms(leaving.p99)} of ${leaving.count}; each billed to the token`,
  ]
}
