/** The places of a fleet at which machines work: who has which, which wait, and who is idle. */
import type { Random } from '#kernel/random.ts'
import type { Agenda } from './agenda.ts'
import type { Hours } from './fleet-hours.ts'
import { closeness, type FleetMachine, type FleetPlan } from './fleet-plan.ts'

const NOBODY = -1

interface PlaceParts {
  readonly agenda: Agenda
  /** Of the agenda's things, from here on each stands for a place at which a machine begins to serve. */
  readonly placesFrom: number
  readonly hours: Hours
  readonly random: Random
}

export class Places {
  readonly #plan: FleetPlan
  readonly #machines: readonly FleetMachine[]
  readonly #parts: PlaceParts
  /** By place: the machine that has it. A service's places stand side by side. */
  readonly #holder: Int32Array
  readonly #isServing: Uint8Array
  /** By machine: its place, and the last one that it had. */
  readonly #placeOf: Int32Array
  readonly #lastPlaceOf: Int32Array
  readonly #waiting: number[] = []
  readonly #idle: number[] = []
  /** Places whose machine had something in common with another copy's when it came. */
  readonly #crowded = new Set<number>()

  /** All machines are there. */
  constructor(plan: FleetPlan, machines: readonly FleetMachine[], parts: PlaceParts) {
    this.#plan = plan
    this.#machines = machines
    this.#parts = parts
    this.#holder = new Int32Array(plan.nodes).fill(NOBODY)
    this.#isServing = new Uint8Array(plan.nodes)
    this.#placeOf = new Int32Array(machines.length).fill(NOBODY)
    this.#lastPlaceOf = new Int32Array(machines.length).fill(NOBODY)
    this.#idle = machines.map(({ index }) => index)
    for (let place = 0; place < plan.nodes; place++) {
      const machine = this.#takeIdle(place)
      this.#give(place, machine)
      this.#isServing[place] = 1
    }
  }

  /** The machine is gone: an idle one takes its place, or the place waits. */
  lose({ index }: FleetMachine, nowMs: number, noticeMs: number): void {
    const place = this.#placeOf[index] as number
    if (place === NOBODY) {
      this.#idle.splice(this.#idle.indexOf(index), 1)
      return
    }
    this.#placeOf[index] = NOBODY
    this.#holder[place] = NOBODY
    this.#crowded.delete(place)
    const { agenda, placesFrom, hours } = this.#parts
    if (this.#isServing[place] === 1) {
      this.#isServing[place] = 0
      hours.down(place, nowMs)
    } else agenda.remove(placesFrom + place)
    if (this.#idle.length === 0) this.#waiting.push(place)
    else this.#send(this.#takeIdle(place), place, nowMs + Math.max(0, this.#plan.replaceMs - noticeMs))
  }

  /** A machine is back: at its last place it is at home and serves at once, at another after a while. */
  offer({ index }: FleetMachine, nowMs: number): void {
    const home = this.#waiting.indexOf(this.#lastPlaceOf[index] as number)
    const [place] = this.#waiting.splice(Math.max(0, home), 1)
    if (place === undefined) this.#idle.push(this.#moveApart(index))
    else this.#send(index, place, home === -1 ? nowMs + this.#plan.replaceMs : nowMs)
  }

  serve(place: number, nowMs: number): void {
    this.#isServing[place] = 1
    this.#parts.hours.up(place, nowMs)
  }

  /** A copy that stands too near to another moves to this idle machine, and only then leaves its own, which is answered. */
  #moveApart(index: number): number {
    for (const place of this.#crowded) {
      const holder = this.#holder[place] as number
      const close = this.#closeTo(place, holder)
      if (close === 0) this.#crowded.delete(place)
      else if (this.#isServing[place] === 1 && this.#closeTo(place, index) < close) {
        this.#placeOf[holder] = NOBODY
        this.#give(place, index)
        return holder
      }
    }
    return index
  }

  #send(machine: number, place: number, servesAtMs: number): void {
    this.#give(place, machine)
    this.#parts.agenda.set(this.#parts.placesFrom + place, servesAtMs)
  }

  #give(place: number, machine: number): void {
    this.#holder[place] = machine
    this.#placeOf[machine] = place
    this.#lastPlaceOf[machine] = place
    if (this.#plan.isSpread && this.#closeTo(place, machine) > 0) this.#crowded.add(place)
    else this.#crowded.delete(place)
  }

  /** The idle machine that has least in common with those that serve the same thing; or any. */
  #takeIdle(place: number): number {
    const at = this.#plan.isSpread ? this.#farthest(place) : this.#parts.random.int(this.#idle.length)
    const [machine = NOBODY] = this.#idle.splice(at, 1)
    return machine
  }

  #farthest(place: number): number {
    let [best, least] = [0, Number.POSITIVE_INFINITY]
    for (const [at, index] of this.#idle.entries()) {
      const close = this.#closeTo(place, index)
      if (close < least) [best, least] = [at, close]
      if (close === 0) break
    }
    return best
  }

  /** What the machine would have in common with those that serve the same thing at other places. */
  #closeTo(place: number, index: number): number {
    const { replicas } = this.#plan
    const first = place - (place % replicas)
    const machine = this.#machines[index] as FleetMachine
    let close = 0
    for (let other = first; other < first + replicas; other++) {
      const holder = this.#machines[this.#holder[other] as number]
      if (holder && other !== place) close += closeness(holder, machine)
    }
    return close
  }
}
