/**
 * Sends malformed inputs to every surface of a running network, while a well-behaved client is timed.
 *
 *     node bench/fuzz.ts [--count 100000] [--surface NAME] [--seed N] [--per-second 500] [--json]
 *     node bench/fuzz.ts --surface NAME --input BASE64       one input again
 *
 * Prints the seed, and the first input that failed in base64. Ends with 1 when one failed, the log tells of a bug, or the
 * coordinator died. Takes count / per-second seconds a surface at best.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openRig } from '../test/e2e/rig.ts'
import { type FuzzedNetwork, startFuzzed, surfaceNames } from '../test/fuzz/fuzz-network.ts'
import { type GoodTraffic, startGoodTraffic } from '../test/fuzz/good-traffic.ts'
import { runSurface, type SurfaceRun } from '../test/fuzz/run-surface.ts'
import type { Surface } from '../test/fuzz/surface.ts'
import { print, whole } from './parts/machine.ts'

const BASELINE_MS = 10_000
/** Code and buffers that a surface needs come with its first inputs. */
const WARM_UP = 1_000
const SETTLE_MS = 3_000
const IN_FLIGHT = 4

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' },
    surface: { type: 'string' },
    seed: { type: 'string', default: '1' },
    'per-second': { type: 'string', default: '500' },
    input: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const name = values.surface
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
    isGood &&= result.run.failed === 0 && result.bugs.length === 0
    print(values.json, { bench: 'fuzz', ...result }, () => describe(result))
  }
  await traffic.end()
  return isGood ? 0 : 1
}

type Result = Awaited<ReturnType<typeof fuzzOne>>

async function fuzzOne(fuzzed: FuzzedNetwork, surface: Surface, traffic: GoodTraffic) {
  const options = { seed: Number(values.seed), inFlight: IN_FLIGHT, perSecond: Number(values['per-second']) }
  const count = Number(values.count)
  const before = fuzzed.bugs().length
  // Other seeds than the run's: what it sends is new to the network.
  await runSurface(surface, { ...options, seed: options.seed + 1_000_000, count: Math.min(WARM_UP, count) })
  await traffic.take()
  await sleep(BASELINE_MS)
  const calm = await traffic.take()
  const residentBeforeMib = fuzzed.residentMib()
  const run = await runSurface(surface, { ...options, count })
  const busy = await traffic.take()
  await sleep(SETTLE_MS)
  const residentAfterMib = fuzzed.residentMib()
  await traffic.take()
  const bugs = fuzzed.bugs().slice(before)
  return { run, calm, busy, residentBeforeMib, residentAfterMib, bugs }
}

function describe({ run, calm, busy, residentBeforeMib, residentAfterMib, bugs }: Result): string[] {
  const p99 = (kind: 'health' | 'chat'): string => {
    const [before, during] = [calm[kind], busy[kind]]
    const failed = during.failed > 0 ? `, ${during.failed} FAILED` : ''
    const ratio = (during.p99Ms / before.p99Ms).toFixed(2)
    return `  ${kind.padEnd(6)} p99 ${before.p99Ms.toFixed(1)} ms alone, ${during.p99Ms.toFixed(1)} ms meanwhile: ${ratio} times; ${whole(during.count)} calls${failed}`
  }
  return [
    `${run.surface}: ${whole(run.count)} inputs of seed ${run.seed} in ${whole(run.durationMs / 1_000)} s`,
    `  ${whole(run.refused)} refused, ${whole(run.accepted)} harmless, ${whole(run.held)} held, ${whole(run.failed)} failed`,
    p99('health'),
    p99('chat'),
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
