/**
 * Sends malformed inputs to every surface of a running network, while a well-behaved client is timed.
 *
 *     node bench/fuzz.ts [--count 2000] [--surface NAME] [--seed N] [--per-second 500] [--json]
 *     node bench/fuzz.ts --count 100000                      what is claimed: 20 minutes
 *     node bench/fuzz.ts --surface NAME --input BASE64       one input again
 *
 * In between, inputs in order are sent at the same rate, and what the client feels is compared: a network that is called
 * answers later than one that is not, whatever it is called with. What is tried without the network (files of journals and of
 * receipts) is felt by nobody, and not compared. Prints the seed (a run takes the ones after it too) and
 * the first input that failed, in base64. Ends with 1 when one failed, a call of that client did, the log tells of a bug,
 * or the coordinator died.
 * Takes 1.3 × count / per-second seconds a surface at best.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openRig } from '../test/e2e/rig.ts'
import { type FuzzedNetwork, startFuzzed } from '../test/fuzz/fuzz-network.ts'
import { type GoodTraffic, percentileMs, startGoodTraffic } from '../test/fuzz/good-traffic.ts'
import { runSurface, type SurfaceRun } from '../test/fuzz/run-surface.ts'
import { type Surface, surfaceNames } from '../test/fuzz/surface.ts'
import { print, whole } from './parts/machine.ts'
import { residentMib } from './reliability/memory.ts'

/** So many malformed inputs, then so many in order: whatever else the machine does is felt by both. */
const SLICE = 5_000
const SLICE_IN_ORDER = 1_500
/** Code, buffers and heaps of their usual size come with the first inputs: at least so many, and a tenth of what follows. */
const WARM_UP_MIN = 1_000
const SETTLE_MS = 3_000
const IN_FLIGHT = 4

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '2000' },
    surface: { type: 'string' },
    seed: { type: 'string', default: '1' },
    'per-second': { type: 'string', default: '500' },
    input: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const name = values.surface
const asked = {
  count: Number(values.count),
  seed: Number(values.seed),
  perSecond: Number(values['per-second']),
}
if (name !== undefined && !surfaceNames.some((known) => known === name)) {
  console.error(`There is no surface '${name}'. There are: ${surfaceNames.join(', ')}.`)
  process.exit(2)
}
const rig = openRig()
try {
  const fuzzed = await startFuzzed(rig)
  const chosen = fuzzed.surfaces.filter((surface) => name === undefined || surface.name === name)
  process.exitCode =
    values.input === undefined ? await fuzzAll(fuzzed, chosen) : await repeat(chosen, values.input)
  for (const surface of fuzzed.surfaces) surface.dispose?.()
} finally {
  await rig.dispose()
}

async function repeat(chosen: readonly Surface[], input: string): Promise<number> {
  const [surface] = chosen
  if (!surface) return 2
  const verdict = await surface.attempt(Buffer.from(input, 'base64'))
  console.log(typeof verdict === 'string' ? verdict : `failed: ${verdict.complaint}`)
  return typeof verdict === 'string' ? 0 : 1
}

async function fuzzAll(fuzzed: FuzzedNetwork, chosen: readonly Surface[]): Promise<number> {
  const { port, network } = fuzzed
  const traffic = startGoodTraffic({ port, key: network.ready.apiKey, model: 'tiny' })
  await sleep(SETTLE_MS)
  let isGood = true
  for (const surface of chosen) {
    const result = await fuzzOne(fuzzed, surface, traffic)
    isGood &&=
      result.run.failed === 0 && result.bugs.length === 0 && (result.felt?.meanwhile.failed ?? 0) === 0
    print(values.json, { bench: 'fuzz', ...result }, () => describe(result))
  }
  await traffic.end()
  return isGood ? 0 : 1
}

type Result = Awaited<ReturnType<typeof fuzzOne>>
type Felt = NonNullable<Result['felt']>

async function fuzzOne(fuzzed: FuzzedNetwork, surface: Surface, traffic: GoodTraffic) {
  const { seed, count, perSecond } = asked
  const options = { inFlight: IN_FLIGHT, perSecond }
  const bugsBefore = fuzzed.bugs().length
  const inOrder = newTimes()
  const meanwhile = newTimes()
  const compare = async (part: number): Promise<void> => {
    const given = { ...options, seed: seed + part, count: SLICE_IN_ORDER, isGood: true }
    if (!surface.nextGood) return
    await runSurface(surface, given)
    addTo(inOrder, await traffic.take())
  }
  const warmUp = Math.max(WARM_UP_MIN, Math.ceil(count / 10))
  // Other seeds than the run's: what it sends is new to the network.
  await runSurface(surface, { ...options, seed: seed + 1_000_000, count: warmUp })
  await traffic.take()
  await compare(0)
  const residentBeforeMib = residentMib(fuzzed.coordinatorPid)
  const runs: SurfaceRun[] = []
  for (let sent = 0; sent < count; sent += SLICE) {
    const given = { ...options, seed: seed + runs.length, count: Math.min(SLICE, count - sent) }
    runs.push(await runSurface(surface, given))
    addTo(meanwhile, await traffic.take())
    await compare(runs.length)
  }
  const felt = surface.nextGood ? { inOrder: summary(inOrder), meanwhile: summary(meanwhile) } : null
  const residentAfterMib = residentMib(fuzzed.coordinatorPid)
  return { run: sum(runs), felt, residentBeforeMib, residentAfterMib, bugs: fuzzed.bugs().slice(bugsBefore) }
}

type Counted = 'count' | 'refused' | 'unavailable' | 'accepted' | 'held' | 'failed' | 'durationMs'

/** As one run, of the first one's seed and those after it. */
function sum(runs: readonly SurfaceRun[]) {
  const total = (of: Counted): number => runs.reduce((sum, run) => sum + run[of], 0)
  return {
    surface: runs[0]?.surface ?? '',
    seed: runs[0]?.seed ?? 0,
    count: total('count'),
    refused: total('refused'),
    unavailable: total('unavailable'),
    accepted: total('accepted'),
    held: total('held'),
    failed: total('failed'),
    firstFailure: runs.find(({ firstFailure }) => firstFailure)?.firstFailure ?? null,
    durationMs: total('durationMs'),
  }
}

/** Of the well-behaved client. */
interface Times {
  readonly health: number[]
  readonly chat: number[]
  failed: number
}

function newTimes(): Times {
  return { health: [], chat: [], failed: 0 }
}

function addTo(times: Times, { health, chat }: Awaited<ReturnType<GoodTraffic['take']>>): void {
  times.health.push(...health.ms)
  times.chat.push(...chat.ms)
  times.failed += health.failed + chat.failed
}

function summary({ health, chat, failed }: Times) {
  const of = (ms: readonly number[]) => ({
    count: ms.length,
    p50Ms: percentileMs(ms, 0.5),
    p99Ms: percentileMs(ms, 0.99),
  })
  return { health: of(health), chat: of(chat), failed }
}

function describe({ run, felt, residentBeforeMib, residentAfterMib, bugs }: Result): string[] {
  const p99 = ({ inOrder: before, meanwhile: during }: Felt, kind: 'health' | 'chat'): string => {
    const [inOrder, meanwhile] = [before[kind], during[kind]]
    const ratio = (meanwhile.p99Ms / inOrder.p99Ms).toFixed(2)
    return `  ${kind.padEnd(6)} p99 ${inOrder.p99Ms.toFixed(1)} ms beside calls in order, ${meanwhile.p99Ms.toFixed(1)} ms beside these: ${ratio} times; ${whole(meanwhile.count)} calls`
  }
  return [
    `${run.surface}: ${whole(run.count)} inputs of seed ${run.seed} in ${whole(run.durationMs / 1_000)} s`,
    `  ${whole(run.refused)} refused, ${whole(run.unavailable)} by a temporary 5xx, ${whole(run.accepted)} harmless, ${whole(run.held)} held, ${whole(run.failed)} failed`,
    ...(felt === null
      ? ['  without the network']
      : [
          p99(felt, 'health'),
          p99(felt, 'chat'),
          `  of the well-behaved client's calls ${felt.meanwhile.failed} failed`,
        ]),
    `  coordinator ${whole(residentBeforeMib)} MiB before, ${whole(residentAfterMib)} MiB after; ${bugs.length} bugs in its log`,
    ...bugs.slice(0, 5).map((line) => `  ${line.slice(0, 1_500)}`),
    ...failureOf(run),
    '',
  ]
}

function failureOf({ firstFailure }: SurfaceRun): string[] {
  if (!firstFailure) return []
  return [`  FIRST FAILURE: ${firstFailure.complaint}`, `  input: ${firstFailure.inputBase64}`]
}
