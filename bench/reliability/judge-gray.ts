/** What nodes that are there and do not work came to. */
import { spread } from '../parts/spread.ts'
import { textChecks } from './prove-run.ts'
import { atMost, type Check, type ScenarioResult } from './scenario.ts'
import { shareText } from './share-text.ts'
import type { Steady } from './steady-load.ts'
import type { TextProof } from './text-proof.ts'

export type GrayKind = 'slow' | 'engine stopped' | 'stopped' | 'half open'

export interface GrayPhase {
  readonly kind: GrayKind
  readonly results: readonly Steady[]
  /** Begun when it should have been found. */
  readonly secondHalf: readonly Steady[]
}

export interface GrayFound {
  readonly agents: number
  readonly healthyShort: readonly Steady[]
  readonly healthyLong: readonly Steady[]
  readonly slow: GrayPhase
  /** In each of them a node stops in the middle of an answer. */
  readonly stops: readonly GrayPhase[]
  readonly slowNode: string
  readonly texts: readonly TextProof[]
}

/** A stall is found so soon: no stream may stand still for longer. */
const STALL_MS_MAX = 8_000
/** A node that is known to be slow is given less than this part of an equal share. */
const SLOW_SHARE_MAX = 0.5

export function judgeGray(found: GrayFound): ScenarioResult {
  const { agents, healthyShort, healthyLong, slow, stops, slowNode } = found
  const phases = [slow, ...stops]
  const all = phases.flatMap(({ results }) => results)
  const well = all.filter(({ error }) => error === null)
  const texts = sumTexts(found.texts)
  const beyond = ({ results }: GrayPhase, healthy: readonly Steady[]): number =>
    Math.max(...timesOf(results)) - spread(timesOf(healthy)).p50
  const later = slow.secondHalf
  const slowShare = later.filter(({ node }) => node === slowNode).length / Math.max(1, later.length)
  return {
    figures: {
      agents,
      healthyFirstTokenMs: firstTokens(healthyShort),
      healthyTotalMs: { short: spread(timesOf(healthyShort)), long: spread(timesOf(healthyLong)) },
      phases: phases.map(({ kind, results }) => ({
        kind,
        streams: results.length,
        firstTokenMs: firstTokens(results),
        totalMs: spread(timesOf(results)),
        continued: countContinued(results),
        errors: results.flatMap(({ error }) => error ?? []),
      })),
      slowNodeSharePercent: 100 * slowShare,
      texts,
    },
    checks: [
      {
        what: 'streams that ended well, without the caller trying again',
        found: shareText(well.length, all.length),
        pass: '≥ 99.9 %',
        isPassed: all.length > 0 && well.length >= 0.999 * all.length,
      },
      ...textChecks(texts),
      ...stops.map(hitCheck),
      atMost(
        'the longest stream, stalls in it, less a healthy one’s time',
        Math.max(beyond(slow, healthyShort), ...stops.map((one) => beyond(one, healthyLong))),
        STALL_MS_MAX,
        'ms',
      ),
      atMost(
        'of an equal share of streams, what the slow node was given once it was found',
        later.length === 0 ? Number.POSITIVE_INFINITY : slowShare * agents,
        SLOW_SHARE_MAX,
        'times',
      ),
      atMost(
        'p99 of first tokens once the slow node was found, beside healthy',
        firstTokens(later).p99 / firstTokens(healthyShort).p99,
        2,
        'times',
      ),
    ],
  }
}

/** Where no answer was under way, nothing was found of how a stall is left. */
function hitCheck({ kind, results }: GrayPhase): Check {
  const continued = countContinued(results)
  return {
    what: `streams that went on elsewhere, node ${kind}`,
    found: String(continued),
    pass: 'some',
    isPassed: continued > 0,
  }
}

const countContinued = (results: readonly Steady[]): number =>
  results.filter(({ continuations, error }) => error === null && continuations > 0).length

const timesOf = (some: readonly Steady[]): number[] => some.map(({ totalMs }) => totalMs)

const firstTokens = (some: readonly Steady[]) =>
  spread(some.flatMap(({ firstTokenMs }) => firstTokenMs ?? []))

function sumTexts(texts: readonly TextProof[]): TextProof {
  const sum = (of: keyof TextProof): number => texts.reduce((total, one) => total + one[of], 0)
  return {
    compared: sum('compared'),
    same: sum('same'),
    nearTies: sum('nearTies'),
    unexplained: sum('unexplained'),
  }
}
