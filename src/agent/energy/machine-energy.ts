/**
 * What the whole machine used, out of what its meters say. A plug is the truth; without one, and while it is silent for
 * longer than its silence can be bridged, the parts that measure themselves stand in as a lower bound.
 *
 *   plug answers            its energy counts; the parts are kept as a detail of it
 *   plug silent, not long   the parts wait: if it comes back in time, its own energy bridges the silence
 *   plug silent for long    the parts that waited count, and so do those after them, until it answers again
 */
import type { EnergyQuality, EnergySource, LoadFit } from '#host/energy-store.ts'
import { type EnergyCounter, joulesBetween } from '#host/rapl.ts'
import { SECOND_MS } from '#kernel/time.ts'
import {
  type GapLimits,
  integrateMeter,
  integratePower,
  type MeterReading,
  type PowerReading,
  qualityOf,
  type Stretch,
} from './integrate-power.ts'

/** What the meters said in one round; `null` is a meter that is not there or did not answer. */
export interface MeterRound {
  /** Both clocks at one instant: energy is measured by the steady one and belongs to an hour by the other. */
  readonly elapsedMs: number
  readonly nowMs: number
  readonly gpu: PowerReading | null
  readonly cpu: { readonly atMs: number; readonly counters: ReadonlyMap<string, EnergyCounter> } | null
  readonly plug: MeterReading | null
}

/** Energy of one source over a stretch of wall time. */
export interface EnergyPiece extends Stretch {
  readonly source: EnergySource
  readonly quality: EnergyQuality
  readonly isDetail: boolean
  readonly joules: number
}

/** The machine's mean power since the round before. */
export interface MeanPower {
  readonly watts: number
  readonly basis: LoadFit['basis']
  readonly quality: EnergyQuality
}

export interface MachineEnergy {
  /**
   * What is known since the round before. Pieces come once each, some of them rounds later. `power` is `null` when a
   * meter that told before did not tell this time.
   */
  take(round: MeterRound): { pieces: EnergyPiece[]; power: MeanPower | null }
  /** What still waits for the plug: the process ends, so it counts as it is. */
  flush(): EnergyPiece[]
}

export function createMachineEnergy(options: {
  readonly hasPlug: boolean
  readonly limits: GapLimits
}): MachineEnergy {
  const { hasPlug, limits } = options
  let gpuBefore: MeterRound['gpu'] = null
  let cpuBefore: MeterRound['cpu'] = null
  let plugBefore: MeterRound['plug'] = null
  /** Parts of the time since the plug's last answer. */
  let waiting: EnergyPiece[] = []

  function takeParts(round: MeterRound): EnergyPiece[] {
    const { gpu, cpu } = round
    const pieces: EnergyPiece[] = []
    if (gpu && gpuBefore) {
      const energy = integratePower(gpuBefore, gpu, limits)
      if (energy) pieces.push(pieceOf('gpu', energy, { round, fromMs: gpuBefore.atMs, toMs: gpu.atMs }))
    }
    if (cpu && cpuBefore) {
      const elapsedMs = cpu.atMs - cpuBefore.atMs
      const quality = qualityOf(elapsedMs, limits)
      const joules = joulesBetween(cpuBefore.counters, cpu.counters, elapsedMs)
      if (quality && joules !== null)
        pieces.push(pieceOf('cpu', { joules, quality }, { round, fromMs: cpuBefore.atMs, toMs: cpu.atMs }))
    }
    gpuBefore = gpu ?? gpuBefore
    cpuBefore = cpu ?? cpuBefore
    return pieces
  }

  function takePlug(round: MeterRound): EnergyPiece | null {
    const { plug } = round
    if (!plug) return null
    const before = plugBefore
    plugBefore = plug
    const energy = before && integrateMeter(before, plug, limits)
    return energy && pieceOf('plug', energy, { round, fromMs: before.atMs, toMs: plug.atMs })
  }

  function release(): EnergyPiece[] {
    const released = waiting
    waiting = []
    return released
  }

  /** Which pieces count now, given those of this round. */
  function choose(
    round: MeterRound,
    parts: readonly EnergyPiece[],
    whole: EnergyPiece | null,
  ): EnergyPiece[] {
    if (whole) return [whole, ...[...release(), ...parts].map((piece) => ({ ...piece, isDetail: true }))]
    waiting.push(...parts)
    const isBridgeable =
      plugBefore !== null &&
      round.plug === null &&
      round.elapsedMs - plugBefore.atMs <= limits.interpolatedMsMax
    if (isBridgeable) return []
    // One that answers again after long begins anew with this answer.
    plugBefore = round.plug
    return release()
  }

  return {
    take(round) {
      const toldBefore = Number(gpuBefore !== null) + Number(cpuBefore !== null)
      const parts = takeParts(round)
      const whole = takePlug(round)
      const ofParts = parts.length > 0 && parts.length === toldBefore ? parts : []
      return {
        pieces: hasPlug ? choose(round, parts, whole) : parts,
        power: whole ? powerOf([whole], 'plug') : powerOf(ofParts, 'parts'),
      }
    },
    flush: release,
  }
}

function powerOf(pieces: readonly EnergyPiece[], basis: MeanPower['basis']): MeanPower | null {
  if (pieces.length === 0) return null
  const watts = pieces.reduce(
    (sum, { joules, fromMs, toMs }) => sum + joules / ((toMs - fromMs) / SECOND_MS),
    0,
  )
  const isMeasured = pieces.every(({ quality }) => quality === 'measured')
  return { watts, basis, quality: isMeasured ? 'measured' : 'interpolated' }
}

function pieceOf(
  source: EnergySource,
  energy: { readonly joules: number; readonly quality: EnergyQuality },
  { round, fromMs, toMs }: Stretch & { readonly round: MeterRound },
): EnergyPiece {
  const toWall = round.nowMs - round.elapsedMs
  return { source, ...energy, isDetail: false, fromMs: fromMs + toWall, toMs: toMs + toWall }
}
