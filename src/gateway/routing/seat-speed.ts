/**
 * How fast a node is with a model: what it measured of itself, corrected by what this gateway measures. The time to the
 * first token is also kept as a *peak* average: it jumps to a bad value and forgets it slowly, so that a node that
 * begins to queue for somebody else is avoided at once.
 */
import type { ModelCapability } from '#protocol/capability.ts'

/** Of a node that did not measure itself. */
const PREFILL_DEFAULT = 500
const DECODE_DEFAULT = 20
/** How much the newest measurement counts. */
const WEIGHT = 0.2
const RATIO_MIN = 0.05
const RATIO_MAX = 50
/** After this long a bad first token counts for a third. */
const PEAK_WINDOW_MS = 15_000
/** Fewer tokens say nothing about a speed. */
const PREFILL_TOKENS_MIN = 128
const DECODE_TOKENS_MIN = 16

export class SeatSpeed {
  /** To the node and back. */
  roundTripMs = 0
  /** First tokens measured. */
  samples = 0
  /** Mean of the time to the first token over the one that the node's own benchmark promises: 1 as promised. */
  slowness = 1
  /** Mean time to the first token. */
  firstTokenMs = 0
  #prefillPerMs = PREFILL_DEFAULT / 1_000
  #decodePerMs = DECODE_DEFAULT / 1_000
  #decodeSinglePerMs = DECODE_DEFAULT / 1_000
  #prefillRatio = 1
  #decodeRatio = 1
  #peak = 1
  #peakAtMs = 0
  #hasDecoded = false

  /** Takes over what the node measured. */
  promise(model: ModelCapability, roundTripMs: number): void {
    const { prefillTokensPerSecond, decodeTokensPerSecond, decodeTokensPerSecondSingle } = model
    this.roundTripMs = roundTripMs
    this.#prefillPerMs = (prefillTokensPerSecond || PREFILL_DEFAULT) / 1_000
    this.#decodePerMs = (decodeTokensPerSecond || DECODE_DEFAULT) / 1_000
    this.#decodeSinglePerMs = (decodeTokensPerSecondSingle || decodeTokensPerSecond || DECODE_DEFAULT) / 1_000
  }

  /** To read so many tokens of a prompt. */
  prefillMs(tokens: number): number {
    return tokens / (this.#prefillPerMs * this.#prefillRatio)
  }

  /** Of the whole machine, to generate so many tokens among others. */
  decodeMs(tokens: number): number {
    return tokens / (this.#decodePerMs * this.#decodeRatio)
  }

  /** By the node's own benchmark, whatever was measured since. */
  promisedMs(tokens: number): number {
    return this.roundTripMs + tokens / this.#prefillPerMs
  }

  /** Tokens of one answer while the node works on `busy` at once, by its own benchmark. */
  promisedPerMs(busy: number): number {
    return Math.min(this.#decodeSinglePerMs, this.#decodePerMs / busy)
  }

  /** How fast its answers came of late, by its own benchmark; `null` until one was measured. */
  get pace(): number | null {
    return this.#hasDecoded ? this.#decodeRatio : null
  }

  /** By how much first tokens come later than foreseen, of late. At least what was measured, forgotten towards 1. */
  peak(nowMs: number): number {
    return 1 + (this.#peak - 1) * Math.exp(-Math.max(0, nowMs - this.#peakAtMs) / PEAK_WINDOW_MS)
  }

  /** `expectedMs`: as foreseen when the node was asked. `isAlone`: it read no other prompt meanwhile. */
  firstToken(
    measured: { tookMs: number; expectedMs: number; promisedMs: number; tokens: number; isAlone: boolean },
    nowMs: number,
  ): void {
    const { tookMs, expectedMs, promisedMs, tokens } = measured
    const first = this.samples++ === 0
    this.firstTokenMs = first ? tookMs : mix(this.firstTokenMs, tookMs)
    this.slowness = bounded(mix(this.slowness, bounded(tookMs / Math.max(1, promisedMs))))
    const surprise = bounded(tookMs / Math.max(1, expectedMs))
    const peak = this.peak(nowMs)
    this.#peak = surprise > peak ? surprise : mix(peak, surprise)
    this.#peakAtMs = nowMs
    if (!measured.isAlone || tokens < PREFILL_TOKENS_MIN) return
    const perMs = tokens / Math.max(1, tookMs - this.roundTripMs)
    this.#prefillRatio = bounded(mix(this.#prefillRatio, bounded(perMs / this.#prefillPerMs)))
  }

  /** One answer of `tokens` took `tookMs` behind its first, while the node worked on `busy` at once. */
  decoded(tokens: number, tookMs: number, busy: number): void {
    if (tokens < DECODE_TOKENS_MIN || tookMs <= 0) return
    const ratio = bounded(tokens / tookMs / this.promisedPerMs(Math.max(1, busy)))
    this.#decodeRatio = this.#hasDecoded ? bounded(mix(this.#decodeRatio, ratio)) : ratio
    this.#hasDecoded = true
  }

  /** What was measured no longer holds, as after a long absence. */
  forget(): void {
    this.samples = 0
    this.slowness = 1
    this.#prefillRatio = 1
    this.#decodeRatio = 1
    this.#hasDecoded = false
    this.#peak = 1
  }
}

const mix = (mean: number, newest: number): number => mean + WEIGHT * (newest - mean)
const bounded = (ratio: number): number => Math.min(RATIO_MAX, Math.max(RATIO_MIN, ratio))
