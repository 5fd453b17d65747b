/** Energy out of readings: the area under watts, the steps of a counter, and how far either is to be trusted. Pure. */
import type { EnergyQuality } from '#host/energy-store.ts'

/** How far apart two readings may lie. */
export interface GapLimits {
  /** Up to here the energy between them counts as measured. */
  readonly measuredMsMax: number
  /** Up to here it is interpolated; beyond, nothing is known and the time is missing. */
  readonly interpolatedMsMax: number
}

export interface Energy {
  readonly joules: number
  readonly quality: EnergyQuality
}

/** Between two readings `elapsedMs` apart; `null` when they are too far apart to say, or time did not pass. */
export function qualityOf(elapsedMs: number, limits: GapLimits): EnergyQuality | null {
  if (!(elapsedMs > 0) || elapsedMs > limits.interpolatedMsMax) return null
  return elapsedMs <= limits.measuredMsMax ? 'measured' : 'interpolated'
}

/** A reading of watts at a time of the steady clock. */
export interface PowerReading {
  readonly atMs: number
  readonly watts: number
}

/** The trapezoid between two readings: the power is taken to change evenly from one to the other. */
export function integratePower(before: PowerReading, after: PowerReading, limits: GapLimits): Energy | null {
  const elapsedMs = after.atMs - before.atMs
  const quality = qualityOf(elapsedMs, limits)
  if (quality === null) return null
  return { joules: ((before.watts + after.watts) / 2) * (elapsedMs / 1_000), quality }
}

/** A meter that shows watts, and where it has a counter the watt-hours since some start. */
export interface MeterReading extends PowerReading {
  readonly wattHours: number | null
}

/** Above what any socket carries: a step that asks for more is no step but another start of the counter. */
const METER_WATTS_MAX = 100_000

/**
 * The counter's step where both readings have one, for it misses nothing between them; else, and where the counter was
 * set back or leaps, the trapezoid of the watts, marked as interpolated.
 */
export function integrateMeter(before: MeterReading, after: MeterReading, limits: GapLimits): Energy | null {
  const elapsedMs = after.atMs - before.atMs
  const quality = qualityOf(elapsedMs, limits)
  if (quality === null) return null
  if (before.wattHours === null || after.wattHours === null) return integratePower(before, after, limits)
  const joules = (after.wattHours - before.wattHours) * 3_600
  if (joules >= 0 && joules <= METER_WATTS_MAX * (elapsedMs / 1_000)) return { joules, quality }
  const underPower = integratePower(before, after, limits)
  return underPower && { ...underPower, quality: 'interpolated' }
}

/** A stretch of wall time. */
export interface Stretch {
  readonly fromMs: number
  readonly toMs: number
}

/** Cuts a stretch at every multiple of `stepMs`, with the part of the whole that each piece is. */
export function cutAtSteps(
  { fromMs, toMs }: Stretch,
  stepMs: number,
): (Stretch & { readonly share: number })[] {
  const pieces: (Stretch & { share: number })[] = []
  for (let startMs = fromMs; startMs < toMs; ) {
    const endMs = Math.min(toMs, (Math.floor(startMs / stepMs) + 1) * stepMs)
    pieces.push({ fromMs: startMs, toMs: endMs, share: (endMs - startMs) / (toMs - fromMs) })
    startMs = endMs
  }
  return pieces
}
