/**
 * What the network costs an engine: tokens a second through gateway and agent beside those of the same engine child asked by
 * its own channel, on a model of 98 MB made of chance and on the demo model.
 *
 *     node bench/engine-cost.ts [--json] [--pairs 11] [--only large,demo] [--streams 1,16] [--tokens 256] [--crowd-tokens 48]
 *         [--together] [--despite-noise]
 *
 * Both children have one thread and the same settings; both get the same prompts, one and 16 at once, in turns. The engines have
 * a core of their own, all else the others; `--together` leaves that to the system. Fails (1) where the network reaches less than
 * 97 % of the engine with one stream or 95 % with 16 on the large model. Pairs during which others took more than 10 % of a core
 * do not count and are measured again; with too few left it ends with 3, unless `--despite-noise`.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { numberOf, readGguf } from '#engines/llama-cpp/gguf.ts'
import { guideModel, openRig, type Rig } from '../test/e2e/rig.ts'
import { writeLargeGguf } from './engine-cost/large-gguf.ts'
import { type Cores, commonCores, splitCores } from './engine-cost/own-core.ts'
import { measurePairs, type Pair, type Summary, summarise } from './engine-cost/pairs.ts'
import { mapUsed, openDirectWay, openNetworkWay, type ServedModel, type Used } from './engine-cost/ways.ts'
import { print, whole } from './parts/machine.ts'

const FOREIGN_PERCENT_MAX = 10
const NOT_PUBLISHED = 3
/** How often, of the pairs asked for, a disturbed one may be measured again. */
const MORE_TIMES = 2
const PAIRS_MIN = 3
const CROWD = 16
/** Of the engine's own speed, on the large model. */
const RATIO_MIN = { one: 0.97, crowd: 0.95 } as const

interface Options {
  readonly pairs: number
  readonly only: readonly string[]
  /** How many at once: 1, and more. */
  readonly streams: readonly number[]
  readonly tokens: number
  readonly crowdTokens: number
  readonly isDespiteNoise: boolean
  readonly cores: Cores
}

interface Part {
  readonly streams: number
  readonly summary: Summary
  /** Pairs that did not count. */
  readonly disturbed: number
  readonly foreignPercentMax: number
  /** Of streams whose text is the same both ways. */
  readonly same: number
  readonly texts: number
  /** Events that carry text, a token. */
  readonly piecesPerToken: number
  /** Microseconds of processor time a token, through the network. */
  readonly used: Used
  /** Of the engine that is asked directly. */
  readonly usedDirect: number
}

interface Result {
  readonly large?: readonly Part[]
  readonly demo?: readonly Part[]
  readonly largeBytes?: number
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      pairs: { type: 'string', default: '11' },
      only: { type: 'string', default: 'large,demo' },
      streams: { type: 'string', default: `1,${CROWD}` },
      tokens: { type: 'string', default: '256' },
      'crowd-tokens': { type: 'string', default: '48' },
      together: { type: 'boolean', default: false },
      'despite-noise': { type: 'boolean', default: false },
    },
  })
  const options: Options = {
    pairs: Number(values.pairs),
    only: values.only.split(','),
    streams: values.streams.split(',').map(Number),
    tokens: Number(values.tokens),
    crowdTokens: Number(values['crowd-tokens']),
    isDespiteNoise: values['despite-noise'],
    cores: values.together ? commonCores : splitCores(),
  }
  const result = await measure(options)
  const noise = options.isDespiteNoise ? null : noiseIn(result)
  if (noise === null) print(values.json, result, () => describe(result))
  const failure = failureOf(result)
  if (noise !== null || failure !== null) console.error(noise ?? failure)
  process.exitCode = noise !== null ? NOT_PUBLISHED : failure !== null ? 1 : 0
}

async function measure(options: Options): Promise<Result> {
  const rig = openRig()
  try {
    const result: { -readonly [Key in keyof Result]: Result[Key] } = {}
    if (options.only.includes('large')) {
      const path = rig.path('large.gguf')
      result.largeBytes = writeLargeGguf(path)
      result.large = await measureModel(rig, { path, id: 'large', bannedIds: [] }, options)
    }
    if (options.only.includes('demo')) {
      const bannedIds = endsOf(guideModel.path)
      result.demo = await measureModel(rig, { ...guideModel, bannedIds }, options)
    }
    return result
  } finally {
    await rig.dispose()
  }
}

/** The ids that end an answer of this model. */
function endsOf(path: string): number[] {
  const file = openSync(path, 'r')
  try {
    const read = (offset: number, length: number): Uint8Array => {
      const bytes = new Uint8Array(length)
      return bytes.subarray(0, readSync(file, bytes, 0, length, offset))
    }
    const { metadata } = readGguf({ sizeBytes: fstatSync(file).size, read }, path)
    const ids = ['eos', 'eot'].map((name) => numberOf(metadata, `tokenizer.ggml.${name}_token_id`))
    return [...new Set(ids.filter((id) => id !== undefined))]
  } finally {
    closeSync(file)
  }
}

async function measureModel(rig: Rig, model: ServedModel, options: Options): Promise<Part[]> {
  const network = await openNetworkWay(rig, model, options.cores)
  const direct = await openDirectWay(model, options.cores)
  const parts: Part[] = []
  try {
    for (const streams of options.streams) {
      const tokens = streams === 1 ? options.tokens : options.crowdTokens
      const loadOf = (pair: number) => ({ prompts: promptsOf(pair, streams), tokens })
      // Code is compiled and caches are warm when it counts.
      for (const way of [direct, network]) await way.run(loadOf(-1))
      const before = { used: network.used(), tokens: network.tokens(), direct: direct.engineMicros() }
      const { pairs, disturbed } = await measurePairs({
        direct,
        network,
        loadOf,
        count: options.pairs,
        foreignPercentMax: options.isDespiteNoise ? Number.POSITIVE_INFINITY : FOREIGN_PERCENT_MAX,
        more: options.pairs * MORE_TIMES,
      })
      const after = network.used()
      const spent = network.tokens() - before.tokens
      const used = mapUsed(after, (name) => (after[name] - before.used[name]) / spent)
      const usedDirect = (direct.engineMicros() - before.direct) / spent
      parts.push(toPart(streams, { pairs, disturbed, used, usedDirect }))
      const { ratio } = summarise(pairs)
      process.stderr.write(`${model.id}, ${streams} at once: ${ratio.toFixed(3)} of the engine\n`)
    }
  } finally {
    await direct.close()
  }
  return parts
}

function promptsOf(pair: number, streams: number): string[] {
  return Array.from({ length: streams }, (_, stream) => `Fish number ${pair * CROWD + stream} swims`)
}

interface Measured extends Pick<Part, 'used' | 'usedDirect'> {
  readonly pairs: readonly Pair[]
  readonly disturbed: readonly Pair[]
}

function toPart(streams: number, { pairs, disturbed, used, usedDirect }: Measured): Part {
  const all = pairs.length > 0 ? pairs : disturbed
  const texts = all.flatMap(({ direct, network }) =>
    network.texts.map((text, stream) => text === direct.texts[stream]),
  )
  const sum = (of: (pair: Pair) => number): number => all.reduce((total, pair) => total + of(pair), 0)
  return {
    streams,
    summary: summarise(pairs),
    disturbed: disturbed.length,
    foreignPercentMax: Math.max(0, ...pairs.map(({ foreignPercent }) => foreignPercent)),
    same: texts.filter(Boolean).length,
    texts: texts.length,
    piecesPerToken: sum(({ network }) => network.pieces) / sum(({ network }) => network.tokens),
    used,
    usedDirect,
  }
}

function partsOf({ large = [], demo = [] }: Result): readonly Part[] {
  return [...large, ...demo]
}

function noiseIn(result: Result): string | null {
  const noisy = partsOf(result).find(({ summary }) => summary.pairs < PAIRS_MIN)
  return noisy
    ? `Nothing is published: others took more than ${FOREIGN_PERCENT_MAX} % of a core during all but ${noisy.summary.pairs} of ${noisy.summary.pairs + noisy.disturbed} pairs. --despite-noise shows the figures all the same.`
    : null
}

/** The first aim that was missed. */
function failureOf({ large = [], ...rest }: Result): string | null {
  const cut = partsOf({ large }).find(({ piecesPerToken }) => piecesPerToken < 1)
  if (cut)
    return `with ${cut.streams} streams an event carried ${(1 / cut.piecesPerToken).toFixed(2)} tokens, not one`
  for (const { streams, summary } of large) {
    const aim = streams === 1 ? RATIO_MIN.one : RATIO_MIN.crowd
    if (!(summary.ratio >= aim))
      return `with ${streams} at once the network reaches ${summary.ratio.toFixed(3)} of the engine, and should ${aim}`
  }
  const lost = partsOf({ large, ...rest }).find(({ streams, same, texts }) => streams === 1 && same < texts)
  return lost ? `${lost.texts - lost.same} of ${lost.texts} texts differ between the two ways` : null
}

function describe({ large, demo, largeBytes = 0 }: Result): string[] {
  return [
    ...(large
      ? [`${whole(largeBytes / 1e6)} MB of random weights, one thread:`, ...large.map(describePart)]
      : []),
    ...(demo ? ['the demo model, one thread:', ...demo.map(describePart)] : []),
  ]
}

function describePart(part: Part): string {
  const { streams, summary, disturbed, same, texts, used, usedDirect, piecesPerToken } = part
  const { ratio, ratioMin, ratioMax, directPerSecond, networkPerSecond, addedMicrosPerToken } = summary
  const share = (value: number): string => value.toFixed(3)
  const own = used.gateway + used.recount + used.agent
  return [
    `  ${String(streams).padStart(2)} at once: ${share(ratio)} of the engine (${share(ratioMin)} to ${share(ratioMax)} in ${summary.pairs} pairs${disturbed > 0 ? `, ${disturbed} disturbed ones left out` : ''});`,
    `${directPerSecond.toFixed(1)} tokens/s direct, ${networkPerSecond.toFixed(1)} through the network, ${whole(addedMicrosPerToken)} µs more a token`,
    `\n      processor time a token: ${whole(own)} µs (gateway ${whole(used.gateway)}, agent ${whole(used.agent)}, counting anew ${whole(used.recount)}), beside ${whole(used.engine)} µs of the engine (${whole(usedDirect)} when asked directly) and ${whole(used.client)} µs of the caller`,
    `\n      ${piecesPerToken.toFixed(2)} events a token; others took at most ${part.foreignPercentMax.toFixed(0)} % of a core; ${same} of ${texts} texts are the same both ways`,
  ].join(' ')
}
