/**
 * The nodes that may work now: what they say of themselves, when they were heard of, what they run and how far it is.
 * Nothing of it is kept: after a start of the coordinator the floor is empty, and attempts have `graceMs` to be mentioned.
 */
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { NodeClass } from '#protocol/node-class.ts'
import type { Attempt } from './work.ts'
import type { WorkLimits } from './work-limits.ts'

/** What a node's work counts for, and what it asks for an hour of the reference node. */
export interface NodeTerms {
  readonly speed: number
  readonly askPerHour: NanoUsd
}

export interface NodeFacts {
  readonly nodeId: string
  /** Engines that it has. */
  readonly kinds: readonly string[]
  /** Of tasks per time, where the reference node has 1. */
  readonly speed: number
  /** What it renders on; `CPU` where it is not said. */
  readonly device?: string | undefined
  /** Of its processor, which does all but render, where `speed` and `askPerHour` are of a GPU. */
  readonly cpu?: NodeTerms | undefined
  readonly memoryMib: number
  readonly vramMib: number
  readonly bytesPerSecond: number
  /** For an hour of the reference node: it takes nothing that pays less. */
  readonly askPerHour: NanoUsd
  /** Since when it is up without a break. */
  readonly upSinceMs: TimestampMs
  /** Whose it is, and how far it is trusted: as the fleet knows it. Community where it is not said. */
  readonly organisationId?: string | undefined
  readonly nodeClass?: NodeClass | undefined
  /** It looks at what others made, and takes nothing else. */
  readonly onlyAudits?: boolean | undefined
  /** How well it works, from 0 to 1, as the network counted; absent: nothing is known. */
  readonly standing?: number | undefined
  /** It takes nothing new; what it has it brings to an end. */
  readonly isDrained?: boolean | undefined
}

export interface FloorNode {
  facts: NodeFacts
  heardAtMs: TimestampMs
  /** When it told what it has; 0 while it has not since it was seated. */
  listedAtMs: TimestampMs
  /** Its connection closed and it was not heard of since. */
  isCutOff: boolean
  /** It is given nothing before. */
  restsUntilMs: TimestampMs
  /** Since when it says that it takes nothing, though it has little: its owner wants the machine, say. `null`: it takes what comes. */
  restingSinceMs: TimestampMs | null
  /** Input folders that it has. */
  cached: ReadonlySet<string>
}

/** How far a node is with an attempt: the fraction that it told last, and since when it tells the same. */
interface Mention {
  atMs: TimestampMs
  fraction: number
  movedAtMs: TimestampMs
}

export interface Held {
  readonly fence: number
  readonly fraction: number
}

export class Floor {
  readonly #openedAtMs: TimestampMs
  readonly #limits: Pick<WorkLimits, 'leaseMs' | 'graceMs' | 'silentMs'>
  readonly #nodes = new Map<string, FloorNode>()
  readonly #waiting = new Set<string>()
  readonly #mentions = new Map<number, Mention>()
  /** Of jobs that leave the memory in parts, how many tasks went. */
  readonly #forgotten = new Map<string, number>()

  /** `openedAtMs`: when the coordinator began to lead. */
  constructor(openedAtMs: TimestampMs, limits: Pick<WorkLimits, 'leaseMs' | 'graceMs' | 'silentMs'>) {
    this.#openedAtMs = openedAtMs
    this.#limits = limits
  }

  forgottenTo(jobId: string): number {
    return this.#forgotten.get(jobId) ?? 0
  }

  /** `null`: all of it, and the job. */
  forgetTo(jobId: string, to: number | null): void {
    if (to === null) this.#forgotten.delete(jobId)
    else this.#forgotten.set(jobId, to)
  }

  node(nodeId: string): FloorNode | undefined {
    return this.#nodes.get(nodeId)
  }

  nodes(): Iterable<FloorNode> {
    return this.#nodes.values()
  }

  /** Nodes that knew what is from `sinceMs` may yet be on their way back, since the coordinator has only begun to lead. */
  isFilling(sinceMs: TimestampMs, nowMs: TimestampMs): boolean {
    return sinceMs < this.#openedAtMs && nowMs < this.#openedAtMs + this.#limits.graceMs
  }

  seat(facts: NodeFacts, cached: ReadonlySet<string>, nowMs: TimestampMs): void {
    const { restsUntilMs = 0 } = this.#nodes.get(facts.nodeId) ?? {}
    const heard = { heardAtMs: nowMs, listedAtMs: 0, isCutOff: false, restsUntilMs, restingSinceMs: null }
    this.#nodes.set(facts.nodeId, { facts, cached, ...heard })
  }

  /** Something else is known of it than when it was seated. */
  amend(nodeId: string, facts: Partial<Omit<NodeFacts, 'nodeId'>>): void {
    const node = this.#nodes.get(nodeId)
    if (node) node.facts = { ...node.facts, ...facts }
  }

  /** It is given nothing until then: what it was given came back at once. */
  rest(nodeId: string, untilMs: TimestampMs): void {
    const node = this.#nodes.get(nodeId)
    if (node) node.restsUntilMs = untilMs
  }

  /** Its connection closed: as if it had been silent for long, until it is heard of again. */
  cutOff(nodeId: string): void {
    const node = this.#nodes.get(nodeId)
    if (node) node.isCutOff = true
  }

  /** It takes nothing any more; what it has runs on until its lease ends. */
  leave(nodeId: string): void {
    this.#nodes.delete(nodeId)
    this.#waiting.delete(nodeId)
  }

  /** Those that nobody heard of for long are gone; one that comes back is asked again what it is. */
  sweep(nowMs: TimestampMs): void {
    for (const [nodeId, { heardAtMs }] of this.#nodes) {
      if (nowMs - heardAtMs >= this.#limits.graceMs) this.leave(nodeId)
    }
  }

  /** The node lives, and has these attempts. Answers false for one that is not seated: it has to say again what it is. */
  hear(nodeId: string, held: readonly Held[], nowMs: TimestampMs): boolean {
    const node = this.#nodes.get(nodeId)
    if (!node) return false
    node.heardAtMs = nowMs
    node.listedAtMs = nowMs
    node.isCutOff = false
    for (const { fence, fraction } of held) {
      const mention = this.#mentions.get(fence)
      if (!mention) {
        this.#mentions.set(fence, { atMs: nowMs, fraction, movedAtMs: nowMs })
        continue
      }
      mention.atMs = nowMs
      if (fraction <= mention.fraction) continue
      mention.fraction = fraction
      mention.movedAtMs = nowMs
    }
    return true
  }

  /** Whether it takes what comes. */
  noteRoom(nodeId: string, hasRoom: boolean, nowMs: TimestampMs): void {
    const node = this.#nodes.get(nodeId)
    if (node) node.restingSinceMs = hasRoom ? null : (node.restingSinceMs ?? nowMs)
  }

  /** The attempt is over: nothing more is to be known of it. */
  forget(fence: number): void {
    this.#mentions.delete(fence)
  }

  /** Its node asked for work and there was none: the next goes to it without being asked for. */
  wait(nodeId: string): void {
    if (this.#nodes.has(nodeId)) this.#waiting.add(nodeId)
  }

  serve(nodeId: string): void {
    this.#waiting.delete(nodeId)
  }

  waiting(): readonly string[] {
    return [...this.#waiting]
  }

  get waitingCount(): number {
    return this.#waiting.size
  }

  /** Heard of so lately that it may be given something. */
  isAlive(nodeId: string, nowMs: TimestampMs): boolean {
    const node = this.#nodes.get(nodeId)
    return node !== undefined && !node.isCutOff && nowMs - node.heardAtMs < this.#limits.silentMs
  }

  isResting(nodeId: string, nowMs: TimestampMs): boolean {
    return nowMs < (this.#nodes.get(nodeId)?.restsUntilMs ?? 0)
  }

  /** When the attempt is lost unless its node mentions it before. */
  leaseEndMs(attempt: Pick<Attempt, 'fence' | 'grantedAtMs'>): TimestampMs {
    const mention = this.#mentions.get(attempt.fence)
    if (mention) return mention.atMs + this.#limits.leaseMs
    const { leaseMs, graceMs } = this.#limits
    const leaseEndMs = attempt.grantedAtMs + leaseMs
    // One that was given before the start: its node may be on its way back.
    return attempt.grantedAtMs < this.#openedAtMs
      ? Math.max(leaseEndMs, this.#openedAtMs + graceMs)
      : leaseEndMs
  }

  /** Its node was not heard of for a while, though it could have been. */
  isSilent({ nodeId, grantedAtMs }: Pick<Attempt, 'nodeId' | 'grantedAtMs'>, nowMs: TimestampMs): boolean {
    const { silentMs, graceMs } = this.#limits
    const { heardAtMs, isCutOff } = this.#nodes.get(nodeId) ?? {}
    if (isCutOff) return true
    // Who was not seated since the start may yet be on its way back.
    if (heardAtMs === undefined) return nowMs >= Math.max(this.#openedAtMs + graceMs, grantedAtMs + silentMs)
    return nowMs - Math.max(heardAtMs, grantedAtMs) >= silentMs
  }

  /** Its node told what it has and did not mention it, though the grant must have arrived by then. */
  isForgotten({ fence, nodeId, grantedAtMs }: Attempt): boolean {
    const listedAtMs = this.#nodes.get(nodeId)?.listedAtMs ?? 0
    const knownAtMs = this.#mentions.get(fence)?.atMs ?? Math.max(grantedAtMs, this.#openedAtMs)
    return listedAtMs - knownAtMs >= this.#limits.silentMs
  }

  /** Since when nothing is known to have moved on in an attempt that has begun. */
  stillSinceMs(fence: number, startedAtMs: TimestampMs): TimestampMs {
    const mention = this.#mentions.get(fence)
    // It began before the start: its node may be on its way back, and go on meanwhile.
    if (!mention && startedAtMs < this.#openedAtMs) return this.#openedAtMs + this.#limits.graceMs
    const movedAtMs = mention && mention.fraction > 0 ? mention.movedAtMs : startedAtMs
    return Math.max(startedAtMs, movedAtMs, this.#openedAtMs)
  }

  fractionOf(fence: number): number {
    return this.#mentions.get(fence)?.fraction ?? 0
  }
}
