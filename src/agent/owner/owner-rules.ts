/**
 * When the machine is its owner's alone. Pure.
 *
 *   working ⇄ resting
 *
 * Outside of its hours it takes nothing new, and what runs may end. When other programs or a person want the machine, what
 * runs is given back at once. It comes back a while after they are done, so that a pause between two bursts is no invitation.
 */
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import type { PauseHow } from '../work/task-worker.ts'

export interface OwnerRules {
  /** Minutes since midnight in which it works; may pass midnight. `null`: always. */
  readonly hours: { readonly from: number; readonly to: number } | null
  readonly yieldsToOthers: boolean
  /** Works only after nobody used the machine for so long; `null`: whoever is there. */
  readonly idleMinutes: number | null
}

export interface OwnerSeen {
  readonly nowMs: number
  /** By the clocks of the machine. */
  readonly minuteOfDay: number
  /** What programs of others use, from 0 to 1 of the machine; `null` where it is not known. */
  readonly othersCpuShare: number | null
  readonly othersGpuShare: number | null
  /** Since somebody used it last; `null` where it is not known. */
  readonly idleMs: number | null
}

export interface RestState {
  /** Others want the machine, or did a moment ago. */
  readonly isTaken: boolean
  /** Since when they use little of it. */
  readonly calmSinceMs: number | null
}

export interface RestVerdict {
  readonly state: RestState
  /** `null` while it works. */
  readonly rest: { readonly reason: string; readonly how: PauseHow } | null
}

export const WORKING: RestState = { isTaken: false, calmSinceMs: null }

const TAKEN_SHARE = 0.5
const CALM_SHARE = 0.25
const CALM_MS = 60 * SECOND_MS

export function decideRest(rules: OwnerRules, seen: OwnerSeen, before: RestState): RestVerdict {
  const state = rules.yieldsToOthers ? lookAtOthers(seen, before) : WORKING
  const { hours, idleMinutes } = rules
  const isUsed = idleMinutes !== null && seen.idleMs !== null && seen.idleMs < idleMinutes * MINUTE_MS
  if (isUsed) return { state, rest: { reason: 'somebody uses this machine', how: 'give_back' } }
  if (state.isTaken) return { state, rest: { reason: 'other programs use this machine', how: 'give_back' } }
  if (hours === null || isWithin(hours, seen.minuteOfDay)) return { state, rest: null }
  const reason = `its hours are ${clockText(hours.from)} to ${clockText(hours.to)}`
  return { state, rest: { reason, how: 'finish' } }
}

function lookAtOthers({ nowMs, othersCpuShare, othersGpuShare }: OwnerSeen, before: RestState): RestState {
  const share = Math.max(othersCpuShare ?? 0, othersGpuShare ?? 0)
  if (share >= TAKEN_SHARE) return { isTaken: true, calmSinceMs: null }
  if (!before.isTaken) return WORKING
  if (share >= CALM_SHARE) return { isTaken: true, calmSinceMs: null }
  const calmSinceMs = before.calmSinceMs ?? nowMs
  return nowMs - calmSinceMs >= CALM_MS ? WORKING : { isTaken: true, calmSinceMs }
}

const isWithin = ({ from, to }: { readonly from: number; readonly to: number }, minute: number): boolean =>
  from < to ? minute >= from && minute < to : minute >= from || minute < to

const clockText = (minutes: number): string =>
  [Math.floor(minutes / 60), minutes % 60].map((part) => String(part).padStart(2, '0')).join(':')
