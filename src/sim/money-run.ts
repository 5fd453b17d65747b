/**
 * A farm in which money counts: the real coordinator with its desk, its inspection and its ledger, real gateways, and real agents
 * with the real loop of tasks, whose engines are simulated and lie here and there. Processes die, freeze and are cut off. In the
 * end all books are sound, each task was paid once, and no liar has more than the honest node beside it.
 */
import { type CoordinatorService, openCoordinatorService } from '#coordinator/coordinator-service.ts'
import { checkState } from '#coordinator/coordinator-state.ts'
import { enrolNode } from '#coordinator/enrol-node.ts'
import { openOrganisation } from '#coordinator/open-organisation.ts'
import { openReference } from '#coordinator/reference.ts'
import type { Turn } from '#coordinator/turn.ts'
import { createInspection } from '#coordinator/work/inspection.ts'
import { assert } from '#kernel/assert.ts'
import { NANO_PER_USD, type NanoUsd } from '#kernel/money.ts'
import { createRandom, forkRandom } from '#kernel/random.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { providerAccount } from '#ledger/ledger.ts'
import { subjects } from '#protocol/cell.ts'
import type { Problem } from '#protocol/problem.ts'
import { CheckOutputs, CompareCrops } from '#protocol/work-check.ts'
import { isOver, taskOf } from '#work/work.ts'
import type { JobPlan } from '#work/work-events.ts'
import { scheduleFaults } from './money-faults.ts'
import { MoneyGateway } from './money-gateway.ts'
import { FALSE } from './money-manner.ts'
import { MoneyNode } from './money-node.ts'
import { GATEWAYS, type MoneyManner, type MoneyPlan, planMoney } from './money-plan.ts'
import { MoneyRules } from './money-rules.ts'
import { simNodeProofs } from './sim-prover.ts'
import { createTestWorld, foundCell, PAYER, type TestMachine, type TestWorld } from './test-world.ts'

const REFERENCE = 'reference'
const LIMIT_MS = 40 * MINUTE_MS
/** After the last job: audits that are open come to their end. */
const SETTLE_MS = 2 * MINUTE_MS

export interface MoneyOutcome {
  readonly seed: number
  /** What each node’s owner has in the end, held back or not, by the node’s manner; a liar with its twin. */
  readonly pairs: readonly {
    readonly manner: MoneyManner
    readonly liar: NanoUsd
    readonly twin: NanoUsd
    readonly lies: number
    readonly isFound: boolean
  }[]
  readonly tasks: number
  /** Of the results that customers have in the end. */
  readonly falseResults: number
  readonly honestBlamed: number
  readonly audits: number
  readonly kills: number
  /** Results of nodes that had been away between their grant and their delivery. */
  readonly deliveredLate: number
  /** By agents that were killed: what they ran, and what they had made and not sent. */
  readonly runningLost: number
  readonly madeLost: number
}

/** Rejects when something does not hold that must. */
export async function runMoney(seed: number): Promise<MoneyOutcome> {
  const farm = new MoneyFarm(planMoney(seed))
  return farm.run()
}

class MoneyFarm {
  readonly #plan: MoneyPlan
  readonly #world: TestWorld
  /** Where files lie, and whoever looks at them. */
  readonly #checks: TestMachine
  readonly #vault = new Set<string>()
  readonly #gateways: readonly MoneyGateway[]
  readonly #rules: MoneyRules
  /** Jobs whose customers were told that they are taken. */
  readonly #accepted = new Set<string>()
  readonly #nodes = new Map<string, MoneyNode>()
  /** Payments less refunds, by task. */
  readonly #paid = new Map<string, number>()
  #machine: TestMachine
  #service: CoordinatorService | null = null
  #audits = 0
  #kills = 0

  constructor(plan: MoneyPlan) {
    this.#plan = plan
    this.#world = createTestWorld(plan.seed)
    this.#machine = this.#world.machine('coordinator')
    this.#checks = this.#world.machine('checks')
    const vault = this.#vault
    const onFatal = (problem: Error): never => {
      throw problem
    }
    this.#gateways = Array.from(
      { length: GATEWAYS },
      (_, index) => new MoneyGateway(this.#world, { gatewayId: `g${index}`, vault, onFatal }),
    )
    this.#addNodes()
    this.#rules = new MoneyRules(this.#nodes, plan.lossPer10k > 0)
  }

  #addNodes(): void {
    const { nodes, seed, hasReference } = this.#plan
    const random = createRandom(seed ^ 0x77)
    const [first] = nodes
    assert(first, 'there are nodes')
    const reference = { ...first, nodeId: REFERENCE, manner: 'honest', onlyAudits: true, speed: 1 } as const
    for (const [index, plan] of [...nodes, ...(hasReference ? [reference] : [])].entries()) {
      const gateway = this.#gateways[(index >> 1) % GATEWAYS]
      assert(gateway, 'there are gateways')
      this.#nodes.set(
        plan.nodeId,
        new MoneyNode({ world: this.#world, plan, random: forkRandom(random), gateway }),
      )
    }
  }

  async run(): Promise<MoneyOutcome> {
    const plan = this.#plan
    const world = this.#world
    this.#service = await this.#open()
    this.#serveChecks()
    this.#service.coordinator.execute((turn) => this.#found(turn))
    for (const gateway of this.#gateways) gateway.start()
    await world.run(100)
    for (const node of this.#nodes.values()) node.start()
    const { lossPer10k, duplicatePer10k, delayMsMax } = plan
    Object.assign(world.faults, { lossPer10k, duplicatePer10k, delayMsMax })
    this.#scheduleFaults()
    for (const [index, { atMs }] of plan.jobs.entries())
      world.scheduler.after(atMs, () => this.#submit(index))
    const kills = [...plan.killsAtMs].toSorted((a, b) => a - b)
    for (let waitedMs = 0; waitedMs < LIMIT_MS && !this.#isOver(); waitedMs += SECOND_MS) {
      await world.run(SECOND_MS)
      this.#rules.look(this.#state, world.scheduler.nowMs())
      const [next = Number.POSITIVE_INFINITY] = kills
      if (next > waitedMs) continue
      kills.shift()
      await this.#kill()
    }
    assert(this.#isOver(), `all jobs come to their end: ${this.#say()}`)
    world.faults.lossPer10k = 0
    await world.run(SETTLE_MS)
    this.#rules.end()
    return this.#outcome()
  }

  #scheduleFaults(): void {
    const { nodes, faults } = this.#plan
    const pairs = nodes.flatMap(({ nodeId, twinId }) => (twinId === null ? [] : [[nodeId, twinId]]))
    const groups = [...pairs, ['judge']].map((ids) => ids.flatMap((id) => this.#nodes.get(id) ?? []))
    const onKill = (node: MoneyNode): void =>
      this.#rules.killed(node, this.#service?.coordinator.state ?? null)
    const { scheduler } = this.#world
    scheduleFaults({ scheduler, groups, gateways: this.#gateways, onKill }, faults)
  }

  get #state() {
    assert(this.#service, 'a coordinator leads')
    return this.#service.coordinator.state
  }

  async #open(): Promise<CoordinatorService> {
    const { host } = this.#machine
    const opening = openCoordinatorService(host, {
      feeBps: 1_000,
      snapshotEvery: 500,
      nodeProofs: simNodeProofs,
      onFatal: (problem: Problem) => assert(false, problem.message),
      inspect: (coordinator, desk) => createInspection({ ...host, coordinator, desk }),
    })
    const service = await this.#world.settle(opening)
    const { scheduler } = this.#world
    this.#rules.opened(scheduler.nowMs())
    service.coordinator.onEvent((event) => {
      this.#rules.note(event, scheduler.nowMs())
      if (event.type === 'verify.audit_opened') this.#audits++
      if (event.type === 'ledger.captured') this.#note(event.transferId)
    })
    return service
  }

  /** Each task is paid once at most, counting what came back. */
  #note(transferId: string): void {
    const [, kind, place] = /^(task|refund):(.+:\d+:\d+):\d+$/.exec(transferId) ?? []
    if (kind === undefined || place === undefined) return
    const paid = (this.#paid.get(place) ?? 0) + (kind === 'task' ? 1 : -1)
    assert(paid === 0 || paid === 1, `${place} is paid ${paid} times`)
    this.#paid.set(place, paid)
  }

  #found(turn: Turn): void {
    const { nowMs } = turn
    foundCell(turn, { balance: 100n * NANO_PER_USD })
    for (const [nodeId, { keys }] of this.#nodes) {
      const publicKey = keys.publicKeyHex
      const organisationId = nodeId === REFERENCE ? openReference(turn, 'org_reference') : `org_${nodeId}`
      if (nodeId !== REFERENCE) openOrganisation(turn, { organisationId, name: nodeId })
      const tokenHash = `token of ${nodeId}`
      turn.fleet({ kind: 'issue_token', tokenHash, organisationId, expiresAtMs: nowMs + MINUTE_MS, nowMs })
      enrolNode(turn, { nodeId, publicKey, name: nodeId, tokenHash, askPerGpuHour: 0n })
    }
  }

  /** Looks at nodes' files. */
  #serveChecks(): void {
    const { bus } = this.#checks.host
    bus.serve(subjects.checkOutputs, (message, reply) => {
      const { outputs } = CheckOutputs.parse(JSON.parse(message))
      const seen = { faults: [], doubts: [], fingerprint: outputs[0]?.sha256 ?? '', width: 64, height: 64 }
      reply(JSON.stringify({ ...seen, crops: '0,0,15,15' }))
    })
    bus.serve(subjects.compareCrops, (message, reply) => {
      const { picture, rendered, before } = CompareCrops.parse(JSON.parse(message))
      const again = rendered[0]?.sha256 ?? ''
      const isSame = !picture.startsWith(FALSE) && !again.startsWith(FALSE)
      const agrees = before ? before.rendered[0]?.sha256 === again : null
      reply(JSON.stringify({ verdict: isSame ? 'same' : 'different', detail: '', agrees }))
    })
  }

  #submit(index: number): void {
    const { coordinator, desk } = this.#service ?? {}
    const jobId = `job_${index}`
    // Until it is durable, as a client does that was cut off, or found nobody there.
    const again = (): void => void this.#world.scheduler.after(SECOND_MS, () => this.#submit(index))
    if (!coordinator || !desk) return again()
    if (this.#state.work.jobs.has(jobId)) return
    const submit = (turn: Turn): void => {
      const refusal = desk.carryOut(turn, { kind: 'submit', plan: this.#jobPlan(index), nowMs: turn.nowMs })
      assert(refusal === null, `${jobId} is taken, and not ${refusal}`)
      desk.serveWaiting(turn)
    }
    coordinator.execute(submit, () => this.#accepted.add(jobId))
    again()
  }

  #jobPlan(index: number): JobPlan {
    const { frames, frameMs } = this.#plan.jobs[index] ?? { frames: 1, frameMs: 1 }
    return {
      jobId: `job_${index}`,
      organisationId: PAYER,
      name: `scene ${index}`,
      priority: 50,
      cap: 10n * NANO_PER_USD,
      pricePerHour: NANO_PER_USD,
      isIdempotent: true,
      isVerified: true,
      steps: [
        {
          name: 'frames',
          digest: `scene ${index}`,
          dependsOn: [],
          requirements: { kind: 'blender', memoryMib: 100, vramMib: 0 },
          inputRoot: 'e'.repeat(64),
          inputBytes: 0,
          settings: { frameMs },
          tasks: Array.from({ length: frames }, (_, at) => ({
            params: { do: 'frame', frame: at + 1 },
            referenceMs: frameMs,
            referenceMsP90: Math.ceil(frameMs * 1.3),
          })),
        },
      ],
    }
  }

  async #kill(): Promise<void> {
    this.#kills++
    this.#service = null
    this.#machine.process.kill()
    this.#machine.disk.crash(this.#machine.process)
    // What was paid and not durable never happened.
    await this.#world.run(SECOND_MS)
    this.#machine = this.#world.machine('coordinator', this.#machine.disk)
    this.#paid.clear()
    this.#service = await this.#open()
    for (const jobId of this.#accepted)
      assert(this.#state.work.jobs.has(jobId), `${jobId} was accepted and is lost`)
    this.#recount()
    for (const index of this.#plan.jobs.keys()) {
      if (this.#plan.jobs[index] && this.#wasSubmitted(index)) this.#submit(index)
    }
  }

  /** After a replay the state says what is paid. */
  #recount(): void {
    for (const job of this.#state.work.jobs.values()) {
      for (const [step, { tasks }] of job.steps.entries()) {
        for (const [task, { state, result }] of tasks.entries())
          if (state === 'done' && result && result.charge > 0n)
            this.#paid.set(`${job.jobId}:${step}:${task}`, 1)
      }
    }
  }

  #wasSubmitted(index: number): boolean {
    return this.#world.scheduler.nowMs() > (this.#plan.jobs[index]?.atMs ?? 0) + SECOND_MS
  }

  #isOver(): boolean {
    const { jobs } = this.#state.work
    return this.#plan.jobs.every((_, index) => {
      const job = jobs.get(`job_${index}`)
      return job !== undefined && isOver(job)
    })
  }

  #say(): string {
    const { jobs } = this.#state.work
    const missing = this.#plan.jobs.flatMap((_, index) =>
      jobs.has(`job_${index}`) ? [] : [`job_${index}: never taken`],
    )
    const open = [...jobs.values()].filter((job) => !isOver(job))
    const said = open.map(
      ({ jobId, tasksOpen, pause }) => `${jobId}: ${tasksOpen} open ${pause?.detail ?? ''}`,
    )
    return [...missing, ...said].join('; ')
  }

  #outcome(): MoneyOutcome {
    const state = this.#state
    checkState(state)
    assert(state.verify.audits.size === 0, 'no audit is open for ever')
    const income = (nodeId: string): NanoUsd => {
      const account = state.ledger.accounts.get(providerAccount(`org_${nodeId}`))
      assert(account, `${nodeId} has an owner`)
      return account.available + account.held
    }
    const pairs = this.#plan.nodes.flatMap(({ nodeId, manner, twinId }) => {
      if (twinId === null) return []
      const isFound = (state.verify.records.get(nodeId)?.failed ?? 0) > 0
      const lies = this.#nodes.get(nodeId)?.lies ?? 0
      return [{ manner, liar: income(nodeId), twin: income(twinId), lies, isFound }]
    })
    for (const { manner, liar, twin, isFound } of pairs)
      assert(!isFound || liar < twin, `a ${manner} liar that was found out has ${liar}, its twin ${twin}`)
    const results = this.#plan.jobs.flatMap(({ frames }, index) =>
      Array.from({ length: frames }, (_, task) => {
        const job = state.work.jobs.get(`job_${index}`)
        return job ? taskOf(job, { step: 0, task }).result : null
      }),
    )
    for (const result of results)
      for (const { sha256 } of result?.outputs ?? [])
        assert(this.#vault.has(sha256), `a result counts whose file never came: ${sha256}`)
    const honest = this.#plan.nodes.filter(({ manner }) => manner === 'honest')
    return {
      seed: this.#plan.seed,
      pairs,
      tasks: results.length,
      falseResults: results.filter((result) => result?.outputs[0]?.sha256.startsWith(FALSE)).length,
      honestBlamed: honest.filter(({ nodeId }) => (state.verify.records.get(nodeId)?.failed ?? 0) > 0).length,
      audits: this.#audits,
      kills: this.#kills,
      deliveredLate: this.#rules.deliveredLate,
      runningLost: this.#rules.runningLost,
      madeLost: this.#rules.madeLost,
    }
  }
}
