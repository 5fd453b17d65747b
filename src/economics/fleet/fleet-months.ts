/**
 * Months of a fleet, event by event: machines leave and come back, spares step in, and what runs on them is up or down. A
 * machine at work that is lost leaves its place to an idle spare, which serves after `replaceMs`; without one the place waits for the
 * next machine that comes back. Pure and deterministic: the same plan and seed give the same months.
 */

import { assert } from '#kernel/assert.ts'
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { exponential } from '../draws.ts'
import { Agenda } from './agenda.ts'
import { type Cause, causeNames, commonCauses } from './common-causes.ts'
import { type FleetMonths, Hours, MONTH_MS } from './fleet-hours.ts'
import { type FleetMachine, type FleetPlan, machinesOf, streamOf } from './fleet-plan.ts'
import { awayMs, stayMs } from './named-fleets.ts'
import { Places } from './places.ts'

/** Before the first month, so that it is one like any other. */
const BEFORE_MS = MONTH_MS
/** 2026-01-01, a Thursday as good as any. */
const EPOCH_MS = 1_767_225_600_000
const TOGETHER_MS = 3 * MINUTE_MS

interface MachineState {
  readonly machine: FleetMachine
  readonly random: Random
  isUp: boolean
  /** When it leaves of itself. */
  leavesAtMs: number
  backAtMs: number
}

export function liveFleet(plan: FleetPlan, seed: number): FleetMonths {
  return new Fleet(plan, seed).run()
}

class Fleet {
  readonly #plan: FleetPlan
  readonly #machines: readonly MachineState[]
  readonly #agenda: Agenda
  readonly #places: Places
  readonly #hours: Hours
  readonly #random: Random
  /** Things on the agenda from here on are causes, and behind them the regions' spot groups. */
  readonly #causesFrom: number
  #nowMs = -BEFORE_MS
  #losses = 0

  constructor(plan: FleetPlan, seed: number) {
    assert(plan.nodes % plan.replicas === 0, 'every service has all of its copies')
    assert(plan.needs >= 1 && plan.needs <= plan.replicas, 'a service needs one of its copies at least')
    this.#plan = plan
    this.#random = createRandom(seed ^ 0x66_6c_65)
    const machines = machinesOf(plan, seed)
    this.#machines = machines.map((machine) => ({
      machine,
      random: createRandom(streamOf(seed + 1, machine.index)),
      isUp: true,
      leavesAtMs: 0,
      backAtMs: 0,
    }))
    this.#causesFrom = machines.length + plan.nodes
    this.#agenda = new Agenda(this.#causesFrom + causeNames.length + plan.regions)
    this.#hours = new Hours(plan)
    this.#places = new Places(plan, machines, {
      agenda: this.#agenda,
      placesFrom: machines.length,
      hours: this.#hours,
      random: forkRandom(this.#random),
    })
  }

  run(): FleetMonths {
    for (const state of this.#machines) {
      this.#hours.come(state.machine, this.#nowMs)
      this.#stay(state)
    }
    if (this.#plan.isCorrelated) this.#beginCauses()
    const endMs = this.#plan.months * MONTH_MS
    for (;;) {
      const thing = this.#agenda.take()
      const atMs = thing === -1 ? endMs : this.#agenda.atMs(thing)
      if (atMs >= endMs) break
      this.#nowMs = atMs
      this.#happen(thing)
    }
    for (const { machine, isUp } of this.#machines) if (isUp) this.#hours.go(machine, endMs)
    return { ...this.#hours.end(endMs), losses: this.#losses }
  }

  #happen(thing: number): void {
    const state = this.#machines[thing]
    if (state) return state.isUp ? this.#leave(state) : this.#comeBack(state)
    if (thing < this.#causesFrom) return this.#places.serve(thing - this.#machines.length, this.#nowMs)
    const cause = thing - this.#causesFrom
    if (cause < causeNames.length) return this.#strike(cause)
    this.#groupLeaves(cause - causeNames.length)
  }

  /** Of its own, or with what left together with it. */
  #leave(state: MachineState): void {
    const { churn } = state.machine.kind
    const isTold = churn.noticePercent > 0 && state.random.chance(churn.noticePercent, 100)
    this.#lose(state, this.#nowMs + awayMs(churn, state.random), isTold ? churn.noticeMs : 0)
  }

  #lose(state: MachineState, backAtMs: number, noticeMs: number): void {
    if (this.#nowMs >= 0) this.#losses++
    state.isUp = false
    state.backAtMs = backAtMs
    this.#agenda.set(state.machine.index, backAtMs)
    this.#hours.go(state.machine, this.#nowMs)
    this.#places.lose(state.machine, this.#nowMs, noticeMs)
  }

  #comeBack(state: MachineState): void {
    state.isUp = true
    this.#hours.come(state.machine, this.#nowMs)
    if (state.leavesAtMs <= this.#nowMs) this.#stay(state)
    else this.#agenda.set(state.machine.index, state.leavesAtMs)
    this.#places.offer(state.machine, this.#nowMs)
  }

  #stay(state: MachineState): void {
    const { random, machine } = state
    const { churn } = machine.kind
    const at = { atMs: EPOCH_MS + this.#nowMs, utcOffsetHours: machine.utcOffsetHours }
    // What leaves with its group leaves by itself the less.
    const alone = this.#plan.isCorrelated ? 1 - churn.togetherPercent / 100 : 1
    state.leavesAtMs = this.#nowMs + stayMs(churn, at, random) / alone
    this.#agenda.set(machine.index, state.leavesAtMs)
  }

  /** Something else takes the machine away for a while; in that time it may also leave of itself. */
  #interrupt(state: MachineState, downMs: number): void {
    const backAtMs = this.#nowMs + downMs
    if (!state.isUp) {
      state.backAtMs = Math.max(state.backAtMs, backAtMs)
      this.#agenda.set(state.machine.index, state.backAtMs)
      return
    }
    const isLeaving = state.leavesAtMs <= backAtMs
    const away = isLeaving ? state.leavesAtMs + awayMs(state.machine.kind.churn, state.random) : 0
    this.#lose(state, Math.max(backAtMs, away), 0)
  }

  #beginCauses(): void {
    for (const index of causeNames.keys()) this.#nextStrike(index)
    for (let region = 0; region < this.#plan.regions; region++) this.#nextGroup(region)
  }

  #nextStrike(index: number): void {
    const { cause, targets } = this.#causeAt(index)
    if (targets === 0) return
    this.#agenda.set(
      this.#causesFrom + index,
      this.#nowMs + exponential(cause.everyMs / targets)(this.#random),
    )
  }

  #causeAt(index: number): { cause: Cause; targets: number; key: 'index' | 'owner' | 'region' | 'version' } {
    const { regions, versions, machinesPerOwner } = this.#plan
    const name = causeNames[index] ?? 'blip'
    const machines = this.#machines.length
    const owners = machinesPerOwner === 1 ? 0 : Math.ceil(machines / machinesPerOwner)
    const targets = { region: regions, owner: owners, version: versions, blip: machines }[name]
    return { cause: commonCauses[name], targets, key: name === 'blip' ? 'index' : name }
  }

  #strike(index: number): void {
    const { cause, targets, key } = this.#causeAt(index)
    const target = this.#random.int(targets)
    const downMs = cause.downHours(this.#random) * HOUR_MS
    for (const state of this.#machines) if (state.machine[key] === target) this.#interrupt(state, downMs)
    this.#nextStrike(index)
  }

  /** The machines of a region that leave together, if it has any. */
  #groupOf(region: number): MachineState[] {
    return this.#machines.filter(
      ({ machine }) => machine.region === region && machine.kind.churn.togetherPercent > 0,
    )
  }

  #nextGroup(region: number): void {
    const [first] = this.#groupOf(region)
    if (!first) return
    const at = { atMs: EPOCH_MS + this.#nowMs, utcOffsetHours: first.machine.utcOffsetHours }
    const thing = this.#causesFrom + causeNames.length + region
    this.#agenda.set(thing, this.#nowMs + stayMs(first.machine.kind.churn, at, this.#random))
  }

  #groupLeaves(region: number): void {
    for (const state of this.#groupOf(region)) {
      if (!state.isUp || !state.random.chance(state.machine.kind.churn.togetherPercent, 100)) continue
      state.leavesAtMs = Math.min(state.leavesAtMs, this.#nowMs + state.random.int(TOGETHER_MS))
      this.#agenda.set(state.machine.index, state.leavesAtMs)
    }
    this.#nextGroup(region)
  }
}
