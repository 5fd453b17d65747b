/** Looks every few seconds whether the machine is its owner's alone, and parks the node while it is. */
import { decideRest, type OwnerRules, WORKING } from '#agent/owner/owner-rules.ts'
import type { Parking } from '#agent/owner/parking.ts'
import type { Clock, Log, Timer } from '#host/host.ts'
import type { Machine } from '#host/machine.ts'
import { createUseProbe } from '#host/probe-use.ts'
import { SECOND_MS } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'

export interface OwnerWatch {
  close(): void
}

const LOOK_MS = 5 * SECOND_MS
const MINUTES_PER_HOUR = 60

export interface OwnerParts {
  readonly clock: Clock
  readonly log: Log
  readonly machine: Machine
  /** Of this process: what it and its children do is the node's own work. */
  readonly pid: number
}

/** Rejects with `Problem('config_invalid')` for a rule that nothing here can tell anything about. */
export async function checkOwnerRules(rules: OwnerRules, { clock, machine, pid }: OwnerParts): Promise<void> {
  const { idleMinutes, yieldsToOthers } = rules
  const probe = createUseProbe(machine, pid)
  if (idleMinutes !== null && (await probe.idleMs(clock.nowMs())) === null)
    throw unmeasurable('--idle-minutes')
  if (yieldsToOthers && machine.readFile('/proc/stat') === null) throw unmeasurable('--pause-when-busy')
}

/** Resolves after the first look. */
export async function watchOwner(
  rules: OwnerRules,
  { clock, log, machine, pid }: OwnerParts,
  { parking, onNote }: { readonly parking: Parking; readonly onNote: (text: string) => void },
): Promise<OwnerWatch> {
  const probe = createUseProbe(machine, pid)
  let state = WORKING
  let told: string | null = null
  let timer: Timer | null = null
  let isClosed = false

  async function look(): Promise<void> {
    const nowMs = clock.nowMs()
    const verdict = decideRest(
      rules,
      {
        nowMs: clock.elapsedMs(),
        minuteOfDay: minuteOfDay(nowMs),
        othersCpuShare: rules.yieldsToOthers ? probe.othersCpuShare() : null,
        othersGpuShare: rules.yieldsToOthers ? await probe.othersGpuShare() : null,
        idleMs: rules.idleMinutes === null ? null : await probe.idleMs(nowMs),
      },
      state,
    )
    if (isClosed) return
    state = verdict.state
    const reason = verdict.rest?.reason ?? null
    if (verdict.rest) parking.park('owner', verdict.rest.reason, verdict.rest.how)
    else parking.unpark('owner')
    if (reason !== told) {
      log.info('owner.rule', { rests: reason !== null, reason })
      onNote(reason === null ? 'takes work again' : `rests: ${reason}`)
    }
    told = reason
    timer = clock.after(LOOK_MS, () => void look())
  }

  const hasRules = rules.hours !== null || rules.yieldsToOthers || rules.idleMinutes !== null
  if (hasRules) await look()
  return {
    close() {
      isClosed = true
      timer?.cancel()
    },
  }
}

function minuteOfDay(nowMs: number): number {
  const now = new Date(nowMs)
  return now.getHours() * MINUTES_PER_HOUR + now.getMinutes()
}

const unmeasurable = (flag: string): Problem =>
  new Problem(
    'config_invalid',
    `${flag} needs to see what else this machine does, and nothing here tells that: no terminals, no desktop session, no /proc. Leave it out, or give --hours.`,
  )
