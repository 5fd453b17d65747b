/**
 * How many replicas of a model the demand asks for: requests at once, smoothed, against what a replica computes at once.
 * It rises within seconds and falls within minutes, one replica at a time, so that no lull unloads what the next minute
 * needs again.
 */
import type { TimestampMs } from '#kernel/time.ts'

/** What all gateways together saw of one model. */
export interface DemandSample {
  readonly atMs: TimestampMs
  readonly running: number
  readonly queued: number
  /** Requests that came since the sample before. */
  readonly arrived: number
}

export interface ReplicaBounds {
  readonly min: number
  readonly max: number
  /** Requests that one replica computes at once. */
  readonly slots: number
  /** Replicas that serve now. */
  readonly ready: number
  /** Those, and the ones that load: what a coordinator that has just begun to watch finds. */
  readonly live: number
}

export interface Demand {
  readonly sample: DemandSample
  /** Requests at once, smoothed. */
  readonly level: number
  readonly requestsPerMinute: number
  readonly askedAtMs: TimestampMs | null
  /** Replicas. */
  readonly wanted: number
  /** Since when there is too much work for `wanted`, and too little. */
  readonly pressedSinceMs: TimestampMs | null
  readonly slackSinceMs: TimestampMs | null
}

const RISE_MS = 15_000
const FALL_MS = 120_000
const RATE_MS = 60_000
/** A replica is full enough for another one, as full as it should be, and empty enough to go without one. */
const PRESSED_SHARE = 0.8
const AIMED_SHARE = 0.65
const SLACK_SHARE = 0.5
export const PRESSED_MS = 10_000
export const SLACK_MS = 5 * 60_000
/** A model without a minimum is unloaded when nobody has asked for it for this long. */
export const IDLE_MS = 15 * 60_000
/** A model of which none is loaded gets a replica when somebody asked for it lately. */
const COLD_ASK_MS = 60_000
const MINUTE_MS = 60_000

/** The demand with one more sample. `before` is null for a model that was not watched before. */
export function stepDemand(before: Demand | null, sample: DemandSample, bounds: ReplicaBounds): Demand {
  const { atMs, running, queued, arrived } = sample
  const now = running + queued
  const passedMs = before === null ? 0 : Math.max(0, atMs - before.sample.atMs)
  const level =
    before === null ? 0 : towards(before.level, now, passedMs, now > before.level ? RISE_MS : FALL_MS)
  const rate = passedMs === 0 ? 0 : (arrived * MINUTE_MS) / passedMs
  const requestsPerMinute =
    before === null || passedMs === 0
      ? (before?.requestsPerMinute ?? 0)
      : towards(before.requestsPerMinute, rate, passedMs, RATE_MS)
  const isAsked = arrived > 0 || now > 0 || (before === null && bounds.live > 0)
  const askedAtMs = isAsked ? atMs : (before?.askedAtMs ?? null)
  const wanted = Math.min(bounds.max, Math.max(bounds.min, before?.wanted ?? bounds.live))
  const seen = { sample, level, requestsPerMinute, askedAtMs }
  return { ...seen, ...judge({ ...seen, wanted, before }, bounds) }
}

function judge(
  seen: Pick<Demand, 'sample' | 'level' | 'askedAtMs' | 'wanted'> & { readonly before: Demand | null },
  bounds: ReplicaBounds,
): Pick<Demand, 'wanted' | 'pressedSinceMs' | 'slackSinceMs'> {
  const { sample, level, askedAtMs, wanted, before } = seen
  const { min, max, slots, ready } = bounds
  const { atMs, queued } = sample
  const unpressed = { pressedSinceMs: null, slackSinceMs: null }
  const askedAgoMs = askedAtMs === null ? Number.POSITIVE_INFINITY : atMs - askedAtMs
  if (wanted === 0) return { wanted: askedAgoMs < COLD_ASK_MS ? 1 : 0, ...unpressed }
  if (wanted === 1 && min === 0 && askedAgoMs > IDLE_MS) return { wanted: 0, ...unpressed }

  // What waits only because a replica is still loading asks for no further one.
  const isPressed = level > wanted * slots * PRESSED_SHARE || (queued > 0 && ready >= wanted)
  const pressedSinceMs = isPressed && wanted < max ? (before?.pressedSinceMs ?? atMs) : null
  if (pressedSinceMs !== null && atMs - pressedSinceMs >= PRESSED_MS) {
    const aimed = Math.ceil(level / (slots * AIMED_SHARE))
    const more = Math.min(max, Math.max(aimed, ready >= wanted ? wanted + 1 : wanted))
    return { wanted: more, ...unpressed }
  }
  const floor = Math.max(1, min)
  const isSlack = queued === 0 && wanted > floor && level < (wanted - 1) * slots * SLACK_SHARE
  const slackSinceMs = isSlack ? (before?.slackSinceMs ?? atMs) : null
  if (slackSinceMs !== null && atMs - slackSinceMs >= SLACK_MS) return { wanted: wanted - 1, ...unpressed }
  return { wanted, pressedSinceMs, slackSinceMs }
}

/** Exponential smoothing over `timeMs`. */
const towards = (from: number, to: number, passedMs: number, timeMs: number): number =>
  to + (from - to) * Math.exp(-passedMs / timeMs)
