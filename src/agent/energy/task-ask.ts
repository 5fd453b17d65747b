/**
 * The least that an hour of tasks has to bring on this machine, so that it pays its own electricity: the ask of tasks is
 * never below it. Tasks are not sold by the GPU-hour, so the ask of models says nothing of them, and dear electricity keeps
 * only those jobs away that pay too little.
 */
import type { NanoUsd } from '#kernel/money.ts'
import { follow, reserveAt } from '../park.ts'
import type { Watts } from './working-power.ts'

/** What electricity costs now, `null` where nobody knows it, and the network's part of what callers pay. */
export interface PriceNow {
  readonly usdPerKwh: number | null
  readonly feeBps: number
}

/** Tells the least price of an hour of the whole machine when it changes. Without a price the last one stays. */
export function followTaskAsk(watts: Watts, tell: (perHour: NanoUsd) => void): (now: PriceNow) => void {
  const extraKwhPerGpuHour = Math.max(0, watts.loadWatts - watts.idleWatts) / 1_000
  let told: NanoUsd | null = null
  return ({ usdPerKwh, feeBps }) => {
    const reserve = usdPerKwh === null ? null : reserveAt(usdPerKwh, { extraKwhPerGpuHour, feeBps })
    // A network that keeps all of it would have the node work for nothing else either: that is its owner's to judge.
    if (reserve === null) return
    const next = follow(told, reserve)
    if (next === told) return
    told = next
    tell(next)
  }
}
