/** Who was there for how long, and which service was down when: the account of a fleet's months. */
import { HOUR_MS } from '#kernel/time.ts'
import type { FleetMachine, FleetPlan } from './fleet-plan.ts'

/** A twelfth of a year. */
export const MONTH_HOURS = 730
export const MONTH_MS = MONTH_HOURS * HOUR_MS

export interface FleetMonths {
  readonly months: number
  readonly services: number
  /** Hours down, by month and service: service `s` of month `m` is at `m * services + s`. */
  readonly downHours: Float64Array
  /** Times that a service went down, and the longest of them. */
  readonly outages: number
  readonly longestHours: number
  /** Machines that were lost, each time counted. */
  readonly losses: number
  /** Share of the time at which every place was served. */
  readonly fullShare: number
  /** Hours for which machines were there, and what they cost. */
  readonly upHours: number
  readonly usd: number
}

export class Hours {
  readonly #plan: FleetPlan
  readonly #services: number
  readonly #downMs: Float64Array
  /** By service: copies that serve, and since when too few do. */
  readonly #serving: Int32Array
  readonly #downSinceMs: Float64Array
  readonly #cameAtMs: Float64Array
  #missing = 0
  #missingSinceMs = 0
  #missingMs = 0
  #outages = 0
  #longestMs = 0
  #upMs = 0
  #usdMs = 0

  /** Everything serves. */
  constructor(plan: FleetPlan) {
    const { nodes, spares, replicas, months } = plan
    this.#plan = plan
    this.#services = nodes / replicas
    this.#downMs = new Float64Array(months * this.#services)
    this.#serving = new Int32Array(this.#services).fill(replicas)
    this.#downSinceMs = new Float64Array(this.#services)
    this.#cameAtMs = new Float64Array(nodes + spares)
  }

  come({ index }: FleetMachine, nowMs: number): void {
    this.#cameAtMs[index] = Math.max(0, nowMs)
  }

  go({ index, kind }: FleetMachine, nowMs: number): void {
    const upMs = Math.max(0, nowMs - (this.#cameAtMs[index] as number))
    this.#cameAtMs[index] = Number.POSITIVE_INFINITY
    this.#upMs += upMs
    this.#usdMs += upMs * kind.usdPerHour
  }

  /** One place less serves. */
  down(place: number, nowMs: number): void {
    if (this.#missing++ === 0) this.#missingSinceMs = nowMs
    const service = Math.floor(place / this.#plan.replicas)
    const left = (this.#serving[service] as number) - 1
    this.#serving[service] = left
    if (left === this.#plan.needs - 1) this.#downSinceMs[service] = nowMs
  }

  up(place: number, nowMs: number): void {
    if (--this.#missing === 0) this.#missingMs += Math.max(0, nowMs - Math.max(0, this.#missingSinceMs))
    const service = Math.floor(place / this.#plan.replicas)
    const now = (this.#serving[service] as number) + 1
    this.#serving[service] = now
    if (now === this.#plan.needs) this.#noteOutage(service, nowMs)
  }

  #noteOutage(service: number, toMs: number): void {
    const fromMs = Math.max(0, this.#downSinceMs[service] as number)
    if (toMs <= fromMs) return
    this.#outages++
    this.#longestMs = Math.max(this.#longestMs, toMs - fromMs)
    for (let atMs = fromMs; atMs < toMs; ) {
      const month = Math.floor(atMs / MONTH_MS)
      const untilMs = Math.min(toMs, (month + 1) * MONTH_MS)
      const at = month * this.#services + service
      this.#downMs[at] = (this.#downMs[at] ?? 0) + untilMs - atMs
      atMs = untilMs
    }
  }

  /** All that is open ends. Call it once. */
  end(endMs: number): Omit<FleetMonths, 'losses'> {
    const { months, needs } = this.#plan
    for (let service = 0; service < this.#services; service++)
      if ((this.#serving[service] as number) < needs) this.#noteOutage(service, endMs)
    if (this.#missing > 0) this.#missingMs += endMs - Math.max(0, this.#missingSinceMs)
    return {
      months,
      services: this.#services,
      downHours: this.#downMs.map((ms) => ms / HOUR_MS),
      outages: this.#outages,
      longestHours: this.#longestMs / HOUR_MS,
      fullShare: 1 - this.#missingMs / endMs,
      upHours: this.#upMs / HOUR_MS,
      usd: this.#usdMs / HOUR_MS,
    }
  }
}
