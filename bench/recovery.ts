/**
 * How fast a network serves again after `kill -9` of its coordinator with a hundred streams under way: until a call is
 * answered, and until a new stream's first token. Nothing may be unbilled or billed twice: that is asserted, the rest
 * is measured. The engine is the tiny test model, so that what is measured is Shoal. It kills once the network has taken
 * every stream: one whose connection the next process takes would stand in line before the new stream, and cost an engine's time.
 *
 *     node bench/recovery.ts [--json] [--kills 10] [--requests 100] [--pause-ms 2000]
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { proveBooks, settle } from '../test/e2e/books.ts'
import { type ChatResult, streamChat } from '../test/e2e/chats.ts'
import { type Flight, takeOff } from '../test/e2e/crash-load.ts'
import { proveBilling } from '../test/e2e/crowd-proofs.ts'
import { findNodeProcesses, type Network, openRig, startTiny } from '../test/e2e/rig.ts'
import { print } from './parts/machine.ts'

const POLL_MS = 10
const GIVE_UP_MS = 60_000
/** So many streams end well before the kill: their bills are at stake too. */
const COMPLETED = 10

interface Options {
  readonly kills: number
  readonly requests: number
  /** Between one recovery and the next kill. */
  readonly pauseMs: number
}

interface Recovery {
  /** From the kill to the first call that is answered, and to the first token of a stream begun then. */
  readonly acceptMs: number
  readonly firstTokenMs: number
}

interface Spread {
  readonly p50: number
  readonly p95: number
  readonly max: number
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      kills: { type: 'string', default: '10' },
      requests: { type: 'string', default: '100' },
      'pause-ms': { type: 'string', default: '2000' },
    },
  })
  const options = {
    kills: Number(values.kills),
    requests: Number(values.requests),
    pauseMs: Number(values['pause-ms']),
  }
  const { recoveries, completed, cut } = await measureRecovery(options)
  const acceptMs = spread(recoveries.map((recovery) => recovery.acceptMs))
  const firstTokenMs = spread(recoveries.map((recovery) => recovery.firstTokenMs))
  print(values.json, { ...options, acceptMs, firstTokenMs, completed, cut, recoveries }, () => [
    `${options.kills} times kill -9 of the coordinator with ${options.requests} streams under way, ${options.pauseMs} ms apart:`,
    `  accepts again after ${describe(acceptMs)}`,
    `  first token after   ${describe(firstTokenMs)}`,
    `  ${completed} requests were completed and billed once each, ${cut} were cut off; the ledger sums to zero;`,
    '  the agent and its engine are the processes that they were.',
  ])
}

async function measureRecovery(options: Options) {
  const rig = openRig()
  try {
    const network = await startTiny(rig, rig.path('data'))
    const node = await findNodeProcesses(network)
    await settle(network, 0)
    const recoveries: Recovery[] = []
    const results: ChatResult[] = []
    for (let kill = 0; kill < options.kills; kill++) {
      await sleep(options.pauseMs)
      const { recovery, landed } = await killOnce(network, options.requests)
      recoveries.push(recovery)
      results.push(...landed)
    }
    assert.deepEqual(await findNodeProcesses(network), node)
    const completed = results.filter(({ error }) => error === null).length
    const usage = await settle(network, completed)
    proveBilling(results, usage)
    await proveBooks(network.operator, usage)
    return { recoveries, completed, cut: results.length - completed }
  } finally {
    await rig.dispose()
  }
}

async function killOnce(network: Network, count: number) {
  const { coordinator } = (await network.status()).processes
  const flight = takeOff(network, { count, completed: Math.min(COMPLETED, count) })
  await flight.someCompleted
  await allTaken(network, flight, count)
  const killedMs = performance.now()
  process.kill(coordinator, 'SIGKILL')
  const acceptMs = await accepting(network, killedMs)
  let firstTokenMs = 0
  const probe = await streamChat(network.openai, {
    prompt: 'Are you there?',
    maxTokens: 8,
    onChunk(chunks) {
      if (chunks === 1) firstTokenMs = performance.now() - killedMs
    },
  })
  assert.equal(probe.error, null)
  return { recovery: { acceptMs, firstTokenMs }, landed: [...(await flight.results), probe] }
}

/** Each is under way in the network, or over. */
async function allTaken({ ready }: Network, flight: Flight, count: number): Promise<void> {
  for (const untilMs = performance.now() + GIVE_UP_MS; ; ) {
    const over = flight.over()
    const text = await (await fetch(`${ready.apiUrl}/metrics`)).text()
    const inFlight = [...text.matchAll(/^shoal_gateway_requests_in_flight\S* (\d+)$/gm)]
      .map(([, value]) => Number(value))
      .reduce((sum, value) => sum + value, 0)
    if (inFlight + over >= count) return
    assert(performance.now() < untilMs, `${inFlight} of ${count} streams are under way, ${over} over`)
    await sleep(POLL_MS)
  }
}

async function accepting({ ready }: Network, killedMs: number): Promise<number> {
  for (;;) {
    const response = await fetch(`${ready.openaiBaseUrl}/models`, {
      headers: { authorization: `Bearer ${ready.apiKey}` },
    }).catch(() => null)
    await response?.arrayBuffer()
    const elapsedMs = performance.now() - killedMs
    if (response?.ok) return elapsedMs
    assert(elapsedMs < GIVE_UP_MS, `nothing answers ${GIVE_UP_MS} ms after the kill`)
    await sleep(POLL_MS)
  }
}

/** By nearest rank: of ten values the 95th percentile is the largest. */
function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => Math.round(sorted[Math.ceil(sorted.length * share) - 1] ?? 0)
  return { p50: at(0.5), p95: at(0.95), max: at(1) }
}

function describe({ p50, p95, max }: Spread): string {
  return `p50 ${p50} ms, p95 ${p95} ms, at most ${max} ms`
}
