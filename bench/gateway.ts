/**
 * The gateway beside nginx, a lean proxy in Node and Portkey, each alone on one core, in one run: latency, requests, tokens,
 * processor time.
 *
 *     node bench/gateway.ts [--short] [--json] [--only json,stream,open,paced,prompts] [--targets direct,bare,nginx,undici,portkey,shoal]
 *                           [--agents 100] [--seconds 5] [--warm-seconds 8] [--tries 3] [--despite-noise]
 *
 * Needs two cores, Linux, `taskset` and a C compiler; a peer that is not here is left out, and the reason told. Where others
 * took more than 10 % of a core, nothing is published: it ends with 3. `--despite-noise` shows the figures all the same.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { obeySignals } from './gateway/cores.ts'
import { type Measurement, measureOnce, measureQuietly } from './gateway/measure.ts'
import { type Load, type Part, parts } from './gateway/parts.ts'
import {
  nginxMissing,
  startBareHttp,
  startDirect,
  startNginx,
  startPortkey,
  startUndici,
  startUpstreams,
} from './gateway/peers.ts'
import { describePart, memoryPerStream, OURS, type Row } from './gateway/report.ts'
import { startShoal } from './gateway/shoal.ts'
import type { Target } from './gateway/target.ts'
import { buildTools, type Tools } from './gateway/tools.ts'
import { print } from './parts/machine.ts'

const FOREIGN_PERCENT_MAX = 10
const NOT_PUBLISHED = 3
const TARGETS = ['direct', 'bare', 'nginx', 'undici', 'portkey', 'shoal'] as const
type TargetName = (typeof TARGETS)[number]

interface Options {
  readonly isShort: boolean
  readonly isJson: boolean
  readonly parts: readonly Part[]
  readonly targets: readonly string[]
  readonly agents: number
  readonly seconds: number
  readonly warmSeconds: number
  readonly tries: number
  readonly isDespiteNoise: boolean
}

if (import.meta.main) {
  obeySignals()
  try {
    process.exitCode = await main(readOptions())
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    process.exitCode = 1
  }
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      short: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      only: { type: 'string' },
      targets: { type: 'string', default: TARGETS.join(',') },
      agents: { type: 'string', default: '100' },
      seconds: { type: 'string' },
      'warm-seconds': { type: 'string' },
      tries: { type: 'string' },
      'despite-noise': { type: 'boolean', default: false },
    },
  })
  const { short: isShort } = values
  const names = values.only?.split(',') ?? parts.map(({ name }) => name)
  const unknown = names.find((name) => parts.every((part) => part.name !== name))
  if (unknown !== undefined) {
    throw new Error(`There is no part '${unknown}'. There are: ${parts.map(({ name }) => name).join(', ')}.`)
  }
  const chosen = parts.filter(({ name }) => names.includes(name))
  return {
    isShort,
    isJson: values.json,
    parts: isShort
      ? chosen.map((part) => ({ ...part, loads: part.loads.filter((load) => load.isShort) }))
      : chosen,
    targets: values.targets.split(','),
    agents: Number(values.agents),
    seconds: Number(values.seconds ?? (isShort ? 2 : 5)),
    warmSeconds: Number(values['warm-seconds'] ?? (isShort ? 4 : 8)),
    tries: Number(values.tries ?? (isShort ? 2 : 3)),
    isDespiteNoise: values['despite-noise'],
  }
}

async function main(options: Options): Promise<number> {
  if (availableParallelism() < 2)
    throw new Error('This takes two cores: one for the gateway, one for its load.')
  const folder = mkdtempSync(join(tmpdir(), 'shoal-bench-gateway-'))
  try {
    const { rows, absent } = await measureAll(options, folder)
    return publish(options, rows, absent)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measureAll(options: Options, folder: string) {
  const tools = buildTools(folder)
  const upstreams = await startUpstreams(tools.mock)
  const starts: Readonly<Record<TargetName, () => Promise<Target | string>>> = {
    direct: () => startDirect(upstreams),
    bare: () => startBareHttp(),
    nginx: async () => nginxMissing() ?? (await startNginx(upstreams, folder)),
    undici: () => startUndici(upstreams),
    portkey: () => startPortkey(upstreams, folder).catch((error: Error) => error.message),
    shoal: () => startShoal({ folder, agents: options.agents, agentsProgram: tools.agents }),
  }
  const rows: Row[] = []
  const absent: string[] = []
  try {
    for (const name of TARGETS) {
      if (!options.targets.includes(name)) continue
      const target = await starts[name]()
      if (typeof target === 'string') {
        absent.push(`${name}: ${target}`)
        continue
      }
      try {
        rows.push(...(await measureTarget(tools, target, options)))
      } finally {
        await target.stop()
      }
    }
  } finally {
    await upstreams.stop()
  }
  return { rows, absent }
}

async function measureTarget(tools: Tools, target: Target, options: Options): Promise<Row[]> {
  const rows: Row[] = []
  const { seconds, tries, warmSeconds } = options
  for (const part of options.parts) {
    // Only whole answers come from where nothing is behind.
    const loads = part.loads.filter(({ pace }) => target.name !== 'bare node:http' || pace === 'whole')
    const [first] = loads
    if (!first) continue
    if (target.pid !== null) await warmUp(tools, target, { ...first, warmSeconds })
    for (const load of loads) {
      progress(`${part.name}, ${load.name}: ${target.name}`)
      const measure = (): Promise<Measurement> => measureOnce(tools.load, target, { ...load, seconds })
      const measurement = await measureQuietly(measure, { tries, foreignPercentMax: FOREIGN_PERCENT_MAX })
      rows.push({ part: part.name, load: load.name, target: target.name, streams: load.streams, measurement })
    }
  }
  return rows
}

/** Code that runs for the first time is slow in a way that passes. */
function warmUp(tools: Tools, target: Target, { pace, warmSeconds }: Load): Promise<Measurement> {
  return measureOnce(tools.load, target, { pace, load: ['conns=32'], warmSeconds: 0, seconds: warmSeconds })
}

function publish(options: Options, rows: readonly Row[], absent: readonly string[]): number {
  const noisy = rows.filter(({ measurement }) => measurement.foreignPercent > FOREIGN_PERCENT_MAX)
  if (noisy.length > 0 && !options.isDespiteNoise) {
    console.error(
      `Not published: others took more than ${FOREIGN_PERCENT_MAX} % of a core during ${noisy.length} of ${rows.length} measurements:`,
    )
    for (const { part, load, target, measurement } of noisy)
      console.error(`  ${part}, ${load}, ${target}: ${measurement.foreignPercent.toFixed(0)} %`)
    console.error(
      'Stop what else runs on this machine and try again, or see the figures with --despite-noise.',
    )
    return NOT_PUBLISHED
  }
  const kibPerStream = memoryPerStream(rows, OURS)
  const { agents, seconds, isShort } = options
  print(options.isJson, { agents, seconds, isShort, absent, noisy: noisy.length, kibPerStream, rows }, () => [
    `One core for the gateway, one for load, mock and ${agents} agents; ${seconds} s each; microseconds.`,
    ...(noisy.length > 0
      ? [`NOT FOR PUBLICATION: ${noisy.length} of ${rows.length} measurements were disturbed.`]
      : []),
    ...absent.map((why) => `Not here: ${why}`),
    ...options.parts.flatMap((part) => ['', ...describePart(part, rows)]),
    ...(kibPerStream === null
      ? []
      : ['', `Memory of each further live stream of ours: ${kibPerStream.toFixed(1)} KiB.`]),
  ])
  return noisy.length > 0 ? NOT_PUBLISHED : 0
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}
