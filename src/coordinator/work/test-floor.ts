/** For tests: a served cell with jobs, and a gateway's machine that speaks for its nodes. */
import type { Host } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { NANO_PER_USD, type NanoUsd } from '#kernel/money.ts'
import { subjects } from '#protocol/cell.ts'
import type { Problem } from '#protocol/problem.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import {
  type TaskGrant,
  type WorkerFacts,
  WorkNews,
  type WorkOrder,
  WorkOrders,
  type WorkSay,
  workOrdersTo,
} from '#protocol/work-link.ts'
import { createTestWorld, foundCell, PAYER, type TestMachine, type TestWorld } from '#sim/test-world.ts'
import type { WorkCommand } from '#work/decide-work.ts'
import { type Job, jobOf } from '#work/work.ts'
import type { JobPlan, PlannedStep, WorkEvent } from '#work/work-events.ts'
import {
  type CoordinatorService,
  type CoordinatorServiceOptions,
  openCoordinatorService,
} from '../coordinator-service.ts'
import { checkState, formatState } from '../coordinator-state.ts'
import type { DeskRefusal } from './work-desk.ts'

export const GATEWAY = 'g'
const FEE_BPS = 500
const writeNews = jsonWriter(WorkNews)

export const facts: WorkerFacts = {
  kinds: ['blender'],
  speed: 1,
  memoryMib: 8_000,
  vramMib: 0,
  bytesPerSecond: 1e7,
  askPerHour: 1n,
  engines: {},
}

/** A task of `referenceMs` costs as many nano-USD. */
export function planOf({
  frames = 4,
  referenceMs = 1_000,
  ...plan
}: Partial<JobPlan> & { frames?: number; referenceMs?: number } = {}): JobPlan {
  return {
    jobId: 'job_1',
    organisationId: PAYER,
    name: 'castle.blend',
    priority: 50,
    cap: 1_000_000n,
    pricePerHour: 3_600_000n,
    isIdempotent: true,
    isVerified: false,
    steps: [stepOf({ frames, referenceMs })],
    ...plan,
  }
}

export function stepOf({
  frames = 1,
  referenceMs = 1_000,
  ...step
}: Partial<PlannedStep> & { frames?: number; referenceMs?: number } = {}): PlannedStep {
  return {
    name: 'frames',
    digest: 'digest',
    dependsOn: [],
    requirements: { kind: 'blender', memoryMib: 1_000, vramMib: 0 },
    inputRoot: 'a'.repeat(64),
    inputBytes: 0,
    settings: {},
    tasks: Array.from({ length: frames }, (_, place) => ({
      params: { frame: place + 1 },
      referenceMs,
      referenceMsP90: Math.ceil(referenceMs * 1.3),
    })),
    ...step,
  }
}

export class TestFloor {
  readonly world: TestWorld
  readonly #gateway: TestMachine
  #machine: TestMachine
  #service: CoordinatorService
  /** What nodes were told since it was asked last. */
  #told: { nodeId: string; order: WorkOrder }[] = []
  readonly events: WorkEvent[] = []
  /** All that were ever given. */
  readonly grants: TaskGrant[] = []
  #starts = 0
  /** Gateways of the first release do not say so. */
  takesPages = true

  /** Who looks at results. */
  #inspect: InspectOn | undefined

  private constructor(world: TestWorld, machine: TestMachine, service: CoordinatorService) {
    this.world = world
    this.#machine = machine
    this.#service = service
    this.#gateway = world.machine(GATEWAY)
    this.#gateway.host.bus.subscribe(workOrdersTo(GATEWAY), (message) => {
      const { orders } = WorkOrders.parse(JSON.parse(message))
      this.#told.push(...orders)
      this.grants.push(...grantsIn(orders.map(({ order }) => order)))
    })
    this.#live()
  }

  /** As every gateway, it asks what is new once a second. */
  #live(): void {
    const message = JSON.stringify({ gatewayId: GATEWAY, epoch: 0, version: 0 })
    const { bus, clock } = this.#gateway.host
    bus.request({ subject: subjects.follow, message, timeoutMs: 500 }, () => {})
    clock.after(1_000, () => this.#live())
  }

  /** With nodes `a` and `b`, online at the gateway; the payer has `balance`. */
  static async open({
    balance = NANO_PER_USD,
    inspect,
  }: {
    balance?: NanoUsd
    inspect?: InspectOn
  } = {}): Promise<TestFloor> {
    const world = createTestWorld()
    const machine = world.machine('coordinator')
    const service = await world.settle(openCoordinatorService(machine.host, optionsOn(machine.host, inspect)))
    const floor = new TestFloor(world, machine, service)
    floor.#inspect = inspect
    service.coordinator.execute((turn) => foundCell(turn, { balance, nodes: { a: 'key a', b: 'key b' } }))
    floor.#watch()
    await world.run(50)
    await floor.present()
    return floor
  }

  /** Of the gateway's machine. */
  get bus() {
    return this.#gateway.host.bus
  }
  /** Of the coordinator's machine. */
  get host() {
    return this.#machine.host
  }
  get service(): CoordinatorService {
    return this.#service
  }
  get state() {
    return this.#service.coordinator.state
  }
  job(jobId = 'job_1'): Job {
    return jobOf(this.state.work, jobId)
  }
  account(accountId: string) {
    const found = this.state.ledger.accounts.get(accountId)
    assert(found, `${accountId} is there`)
    return found
  }

  #watch(): void {
    this.#service.desk.onEvent((_, event) => void this.events.push(event))
  }

  /** The gateway tells that its nodes are there. */
  async present(nodes = ['a', 'b'], status: 'online' | 'suspect' | 'gone' = 'online'): Promise<void> {
    this.#starts++
    const session = status === 'online' ? this.#starts : this.#starts - 1
    const reason = status === 'online' ? null : status === 'gone' ? 'left' : 'link_closed'
    const report = {
      gatewayId: GATEWAY,
      incarnation: this.#starts,
      sequence: 1,
      isComplete: status === 'online',
      nodes: nodes.map((nodeId) => ({ nodeId, session, status, reason })),
    }
    const call = { subject: subjects.presence, message: JSON.stringify(report), timeoutMs: 2_000 }
    await this.world.settle(
      new Promise<void>((resolve) => this.#gateway.host.bus.request(call, () => resolve())),
    )
  }

  /** Says it as the node's gateway would, and waits until it is heard and answered. */
  async say(nodeId: string, ...says: WorkSay[]): Promise<WorkOrder[]> {
    this.publish(nodeId, says)
    await this.world.run(40)
    checkState(this.state)
    return this.told(nodeId)
  }

  publish(nodeId: string, says: readonly WorkSay[]): void {
    const said = says.map((say) => ({ nodeId, say }))
    const { takesPages } = this
    this.raw(writeNews({ gatewayId: GATEWAY, said, ...(takesPages && { takesPages }) }))
  }

  raw(message: string): void {
    this.#gateway.host.bus.publish(subjects.work, message)
  }

  hello(nodeId: string, part: Partial<WorkerFacts> = {}, cached = ['a'.repeat(64)]): Promise<WorkOrder[]> {
    return this.say(nodeId, { kind: 'hello', facts: { ...facts, ...part }, cached })
  }

  beat(nodeId: string, fences: readonly number[] = [], room = 2): Promise<WorkOrder[]> {
    return this.say(nodeId, { kind: 'beat', held: fences.map((fence) => ({ fence, fraction: 0.1 })), room })
  }

  /** Commits and delivers. */
  async finish(nodeId: string, fence: number, name = `${fence}.png`): Promise<WorkOrder[]> {
    const outputs = [{ name, bytes: 10, sha256: fence.toString(16).padStart(64, '0') }]
    const first = await this.say(nodeId, { kind: 'commit', fence, outputs, wallMs: 1_000 })
    return [...first, ...(await this.say(nodeId, { kind: 'deliver', fence }))]
  }

  told(nodeId: string): WorkOrder[] {
    const those = this.#told.filter((one) => one.nodeId === nodeId)
    this.#told = this.#told.filter((one) => one.nodeId !== nodeId)
    return those.map(({ order }) => order)
  }

  /** A command of people, answered once it is durable. */
  async command(command: WorkCommand): Promise<DeskRefusal | null> {
    const { coordinator, desk } = this.#service
    return await this.world.settle(
      new Promise<DeskRefusal | null>((resolve) =>
        coordinator.execute((turn) => {
          const refusal = desk.carryOut(turn, command)
          desk.serveWaiting(turn)
          return refusal
        }, resolve),
      ),
    )
  }

  submit(plan = planOf()): Promise<DeskRefusal | null> {
    return this.command({ kind: 'submit', plan, nowMs: this.nowMs() })
  }

  nowMs(): number {
    return this.#service.coordinator.nowMs()
  }

  /** The process dies with what was not durable; another one leads from the same disk. Answers the state before and after. */
  async restart(downMs = 500): Promise<void> {
    this.#machine.process.kill()
    this.#machine.disk.crash(this.#machine.process)
    await this.world.run(downMs)
    this.#machine = this.world.machine('coordinator', this.#machine.disk)
    const opening = openCoordinatorService(this.#machine.host, optionsOn(this.#machine.host, this.#inspect))
    this.#service = await this.world.settle(opening)
    this.#watch()
    await this.present()
  }

  text(): string {
    return formatState(this.state)
  }
}

type InspectOn = (host: Host) => CoordinatorServiceOptions['inspect']

function optionsOn(host: Host, inspectOn?: InspectOn): CoordinatorServiceOptions {
  const inspect = inspectOn?.(host)
  return {
    feeBps: FEE_BPS,
    snapshotEvery: 1_000,
    onFatal: (problem: Problem) => assert(false, problem.message),
    ...(inspect && { inspect }),
  }
}

export const grantsIn = (orders: readonly WorkOrder[]): TaskGrant[] =>
  orders.filter((order): order is TaskGrant => order.kind === 'grant')
