/**
 * A render farm under virtual time, from one seed: the real job engine, its journal in memory, and simulated nodes that
 * crash, freeze, straggle, fail and lie behind a line that loses, doubles and delays what they say. The coordinator is
 * killed and replays. In the end all is well again, and every job has to come to its end.
 */

import { exponential } from '#economics/draws.ts'
import { assert } from '#kernel/assert.ts'
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { checkWork } from '#work/check-work.ts'
import type { Job } from '#work/work.ts'
import type { WorkEvent } from '#work/work-events.ts'
import { workLimits } from '#work/work-limits.ts'
import { FarmCoordinator } from './farm-coordinator.ts'
import { FarmNode, type Grant, type NodeParts } from './farm-node.ts'
import { FarmOracle, type FarmTally } from './farm-oracle.ts'
import { type FarmAct, type FarmPlan, planFarm } from './farm-plan.ts'
import { Scheduler } from './scheduler.ts'

const LATE_MS_MAX = 40_000

export interface FarmRun {
  readonly plan: Pick<FarmPlan, 'seed' | 'faultsMs'> & { readonly nodes: number; readonly jobs: number }
  readonly tally: FarmTally
  readonly events: number
  readonly simulatedMs: number
  readonly kills: number
  readonly crashes: number
  readonly freezes: number
}

/** The grace after a start, a message that was late, and a look a second. */
const GIVEN_UP_MS = workLimits.graceMs + LATE_MS_MAX + 2 * SECOND_MS

/** Rejects when something does not hold that must. */
export async function runFarm(
  seed: number,
  part: Partial<FarmPlan> = {},
  onEvent: (event: WorkEvent) => void = () => {},
): Promise<FarmRun> {
  const farm = new Farm({ ...planFarm(seed), ...part }, onEvent)
  return await farm.run()
}

class Farm {
  readonly #plan: FarmPlan
  readonly #random: Random
  readonly #scheduler: Scheduler
  readonly #oracle = new FarmOracle(workLimits)
  readonly #coordinator: FarmCoordinator
  readonly #nodes = new Map<string, FarmNode>()
  readonly #mended = new Set<string>()
  readonly #needed: ReadonlySet<string>
  readonly #gone = new Set<FarmNode>()
  /** When what was sent last over a line arrives. */
  readonly #lines = new Map<string, number>()
  #isHealed = false
  #kills = 0
  #crashes = 0
  #freezes = 0

  constructor(plan: FarmPlan, onEvent: (event: WorkEvent) => void) {
    this.#plan = plan
    this.#needed = new Set(plan.nodes.slice(0, 2).map(({ nodeId }) => nodeId))
    this.#random = createRandom(plan.seed)
    this.#scheduler = new Scheduler(forkRandom(this.#random))
    this.#coordinator = new FarmCoordinator({
      scheduler: this.#scheduler,
      random: forkRandom(this.#random),
      limits: { ...workLimits, keepMs: 20 * MINUTE_MS },
      send: (nodeId, message) => this.#carry(`to ${nodeId}`, () => this.#nodes.get(nodeId)?.receive(message)),
      onEvent: (event) => {
        this.#oracle.see(event)
        onEvent(event)
      },
      onTaken: (command) => this.#oracle.taken(command),
    })
    for (const node of plan.nodes) {
      const parts = {
        scheduler: this.#scheduler,
        random: forkRandom(this.#random),
        truth: {
          durationMs: (grant: Grant) => this.#durationMs(grant),
          isPoisoned: (grant: Grant) => this.#isPoisoned(grant),
        },
      }
      const send: NodeParts['send'] = (message) =>
        this.#carry(`from ${node.nodeId}`, () => this.#coordinator.receive(node.nodeId, message))
      this.#nodes.set(node.nodeId, new FarmNode(node, { ...parts, send }))
    }
  }

  async run(): Promise<FarmRun> {
    const { seed, faultsMs, limitMs, jobs, nodes } = this.#plan
    this.#coordinator.start()
    for (const node of this.#nodes.values())
      this.#scheduler.after(this.#random.int(5_000), () => node.start())
    for (const { atMs, plan } of jobs) this.#scheduler.after(atMs, () => this.#submit(plan.jobId))
    for (const act of this.#plan.acts) this.#scheduler.after(act.atMs, () => this.#act(act))
    this.#disturb()
    this.#watch()
    this.#scheduler.after(faultsMs, () => this.#heal())
    await this.#scheduler.run(limitMs, () => this.#isHealed && this.#isAllOver())
    for (const { plan } of jobs)
      assert(this.#oracle.isOver(plan.jobId), `${plan.jobId} came to its end: ${this.#say(plan.jobId)}`)
    const endedAtMs = this.#scheduler.nowMs()
    await this.#scheduler.run(endedAtMs + 100)
    checkWork(this.#coordinator.work)
    this.#oracle.compare(this.#coordinator.work)
    this.#coordinator.checkReplay()
    return {
      plan: { seed, faultsMs, nodes: nodes.length, jobs: jobs.length },
      tally: this.#oracle.tally,
      events: this.#scheduler.count(),
      simulatedMs: endedAtMs,
      kills: this.#kills,
      crashes: this.#crashes,
      freezes: this.#freezes,
    }
  }

  #isAllOver(): boolean {
    return this.#plan.jobs.every(({ plan }) => this.#oracle.isOver(plan.jobId))
  }

  /** Asks until it is durable, as a client does that was cut off. */
  #submit(jobId: string): void {
    const plan = this.#plan.jobs.find((job) => job.plan.jobId === jobId)?.plan
    if (!plan || this.#oracle.knows(jobId)) return
    this.#coordinator.ask({ kind: 'submit', plan, nowMs: this.#scheduler.nowMs() })
    this.#scheduler.after(SECOND_MS, () => this.#submit(jobId))
  }

  /** A line keeps its order, but for what is late and what comes twice. */
  #carry(line: string, deliver: () => void): void {
    const { lost, doubled, late } = this.#plan
    const random = this.#random
    const often = (share: number): boolean => !this.#isHealed && random.chance(share, 1_000)
    if (often(lost)) return
    const nowMs = this.#scheduler.nowMs()
    const arrivesAtMs = Math.max(this.#lines.get(line) ?? 0, nowMs + 1 + random.int(40))
    if (often(late)) this.#scheduler.after(random.int(LATE_MS_MAX), deliver)
    else {
      // Of two at the same instant chance makes one the first.
      this.#lines.set(line, arrivesAtMs + 1)
      this.#scheduler.after(arrivesAtMs - nowMs, deliver)
    }
    if (often(doubled)) this.#scheduler.after(random.int(500), deliver)
  }

  /** What a node had that went down is given up in time, also after a replay. */
  #watch(): void {
    const nowMs = this.#scheduler.nowMs()
    const { attempts } = this.#coordinator.work
    for (const { fence, nodeId, grantedAtMs } of this.#coordinator.isUp ? attempts.values() : []) {
      const node = this.#nodes.get(nodeId)
      if (!node || node.isUp) continue
      const sinceMs = Math.max(grantedAtMs, node.downSinceMs, this.#coordinator.upSinceMs)
      assert(nowMs - sinceMs < GIVEN_UP_MS, `attempt ${fence} of ${nodeId}, which is down, was given up`)
    }
    this.#scheduler.after(2 * SECOND_MS, () => this.#watch())
  }

  #disturb(): void {
    const { crashEveryMs, freezeEveryMs, killEveryMs, userEveryMs } = this.#plan
    this.#every(crashEveryMs, () => this.#crash())
    this.#every(freezeEveryMs, () => this.#freeze())
    this.#every(killEveryMs, () => this.#kill())
    this.#every(userEveryMs, () => this.#meddle())
    this.#every(2 * SECOND_MS, () => this.#condemn())
  }

  #every(meanMs: number, run: () => void): void {
    if (!Number.isFinite(meanMs)) return
    this.#scheduler.after(Math.ceil(exponential(meanMs)(this.#random)), () => {
      if (this.#isHealed) return
      run()
      this.#every(meanMs, run)
    })
  }

  #act({ act, node: place, awayMs, isSilent = false }: FarmAct): void {
    const node = [...this.#nodes.values()][place]
    assert(node, `the farm has a node ${place}`)
    if (act === 'freeze') node.freeze(HOUR_MS)
    if (act === 'crash' && node.isUp) {
      this.#crashes++
      node.crash()
      if (!isSilent) this.#close(node)
      if (awayMs !== undefined) this.#scheduler.after(awayMs, () => node.start())
    }
    if (act !== 'kill') return
    this.#coordinator.kill()
    this.#scheduler.after(SECOND_MS, () => this.#coordinator.start())
  }

  #crash(): void {
    const node = this.#anyNode()
    if (!node.isUp) return
    this.#crashes++
    node.crash()
    // Mostly the other end hears of it at once.
    if (this.#random.chance(2, 3)) this.#close(node)
    // Some leave for good, but for the two that are needed.
    const isGone = this.#random.chance(1, 5) && !this.#needed.has(node.plan.nodeId)
    if (isGone) this.#gone.add(node)
    else this.#scheduler.after(500 + this.#random.int(60_000), () => node.start())
  }

  /** Its connection ends, behind all that it said. */
  #close(node: FarmNode): void {
    this.#scheduler.after(100, () => !node.isUp && this.#coordinator.cutOff(node.plan.nodeId))
  }

  #freeze(): void {
    this.#freezes++
    this.#anyNode().freeze(1_000 + this.#random.int(40_000))
  }

  #kill(): void {
    if (!this.#coordinator.isUp) return
    this.#kills++
    this.#coordinator.kill()
    // What takes a coordinator down often takes nodes with it.
    for (let crashes = this.#random.int(5); crashes > 1; crashes--) this.#crash()
    const downMs = this.#random.chance(1, 5) ? 60_000 : 5_000
    this.#scheduler.after(100 + this.#random.int(downMs), () => this.#coordinator.start())
  }

  #anyNode(): FarmNode {
    const nodes = [...this.#nodes.values()]
    const node = nodes[this.#random.int(nodes.length)]
    assert(node, 'a farm has nodes')
    return node
  }

  /** A person does something to a job, sensible or not. */
  #meddle(): void {
    const random = this.#random
    const { plan } = this.#plan.jobs[random.int(this.#plan.jobs.length)] ?? {}
    if (!plan) return
    const about = { jobId: plan.jobId, nowMs: this.#scheduler.nowMs() }
    const draw = random.int(20)
    if (draw < 5) this.#coordinator.ask({ kind: 'pause', ...about })
    else if (draw < 11) this.#coordinator.ask({ kind: 'resume', ...about })
    else if (draw < 13) this.#coordinator.ask({ kind: 'set_priority', ...about, priority: random.int(101) })
    else if (draw < 16) this.#coordinator.ask({ kind: 'requeue', ...about, tasks: null })
    else if (draw < 19) {
      const cap = random.chance(1, 4)
        ? null
        : ((plan.cap ?? 1_000_000n) * BigInt(50 + random.int(150))) / 100n
      this.#coordinator.ask({ kind: 'set_cap', ...about, cap })
    } else this.#coordinator.ask({ kind: 'cancel', ...about })
  }

  /** Somebody finds a node out, rightly or not: best while what it made is being made use of. */
  #condemn(): void {
    const { nodeId } = this.#anyNode().plan
    if (this.#needed.has(nodeId)) return
    const jobs = [...this.#coordinator.work.jobs.values()].filter(({ status }) => status === 'active')
    const late = jobs.filter(({ steps }) => steps.length > 1 && steps[0]?.tasksOpen === 0)
    const isLiar = this.#anyNode().plan.manner === 'liar'
    const job = late[0] ?? (isLiar ? jobs[0] : undefined)
    if (!job) return
    this.#coordinator.ask({ kind: 'condemn', jobId: job.jobId, nodeId, nowMs: this.#scheduler.nowMs() })
  }

  #heal(): void {
    this.#isHealed = true
    this.#coordinator.start()
    for (const node of this.#nodes.values()) {
      node.isMended = true
      node.thaw()
      if (!this.#gone.has(node)) node.start()
    }
    this.#mend()
  }

  /** Whoever's job is paused sees why, and does something about it. */
  #mend(): void {
    if (this.#isAllOver()) return
    const nowMs = this.#scheduler.nowMs()
    for (const { jobId, pause } of this.#coordinator.work.jobs.values()) {
      if (!pause) continue
      this.#mended.add(jobId)
      if (pause.reason === 'cap_reached') this.#coordinator.ask({ kind: 'set_cap', jobId, cap: null, nowMs })
      else this.#coordinator.ask({ kind: 'resume', jobId, nowMs })
    }
    this.#scheduler.after(5 * SECOND_MS, () => this.#mend())
  }

  #durationMs({ jobId, step, task }: Grant): number {
    const job = this.#plan.jobs.find(({ plan }) => plan.jobId === jobId)
    return (job?.plan.steps[step]?.tasks[task]?.referenceMs ?? 0) * (job?.pace ?? 1)
  }

  #isPoisoned({ jobId, step, task }: Grant): boolean {
    if (step > 0 || this.#mended.has(jobId)) return false
    return this.#plan.jobs.some(({ plan, poisoned }) => plan.jobId === jobId && poisoned.has(task))
  }

  #say(jobId: string): string {
    const job = this.#coordinator.work.jobs.get(jobId)
    return job ? describe(job) : 'it is not known'
  }
}

const describe = ({ status, pause, tasksOpen, tasksReady, fences }: Job): string =>
  `${status} ${pause?.reason ?? ''}, ${tasksOpen} open, ${tasksReady} ready, attempts ${[...fences.keys()].join(' ')}`
