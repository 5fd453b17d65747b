/**
 * Gives requests to nodes: admits them to the queue, lets routing choose, races a second node against one that is late,
 * and gives up on what is silent for too long. All requests of a gateway are in here from their admission to their end.
 */
import type { Clock, Timer } from '#host/host.ts'
import type { Random } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import { Admission, QUEUE_MAX } from './admission.ts'
import type { Place } from './attempt.ts'
import { batchRoomOf } from './batches/batch-offers.ts'
import type { Directory } from './directory.ts'
import type { NodeConnection, Offer } from './node-connection.ts'
import type { NodeLinks } from './node-links.ts'
import { excludes, type NodeFacts } from './preferences.ts'
import { RequestRun, type RunHost } from './request-run.ts'
import type { RunRequest, RunSink } from './run-request.ts'
import { type Chosen, chooseSeat, type SeatAsk } from './routing/choose-seat.ts'
import { HedgeBudget } from './routing/hedge-budget.ts'
import { HedgeTimes } from './routing/hedge-times.ts'
import type { ModelSeats } from './routing/model-seats.ts'
import { Placement } from './routing/placement.ts'
import type { Seat } from './routing/seat.ts'
import { SeatTable } from './routing/seat-table.ts'
import { noNodeInTime, notReserved } from './run-refusals.ts'
import type { GatewayTelemetry } from './telemetry.ts'

/** Silence of an engine that counts as its failure: before the first token, and after it. */
export const FIRST_TOKEN_WAIT_MS = 60_000
export const STALL_MS = 20_000
/** With another node at hand: so many times what nearly all first tokens take, and no less than this. */
const FIRST_TOKEN_TIMES = 5
const FIRST_TOKEN_WAIT_MS_MIN = 3_000
/** A caller that reads nothing for this long loses its answer: it must not hold a slot for ever. */
export const SLOW_READER_MS = 60_000
const SWEEP_MS = 250
/** A second node is asked when so much of all slots is free, at least. */
const SPARE_SHARE_MIN = 0.1

export interface DispatcherParts {
  readonly clock: Clock
  readonly random: Random
  readonly nodes: NodeLinks
  readonly directory: Directory
  readonly telemetry: GatewayTelemetry
  readonly money: Pick<RunHost, 'reserve' | 'settle' | 'meter'>
}

export interface Dispatcher {
  /** Takes the request in, or says why not. From here on it ends in exactly one outcome. */
  admit(request: RunRequest, sink: RunSink): RequestRun | Problem
  /** Some node may take work that it could not before. */
  pump(): void
  /** What is known of the nodes that serve it; null while none does. */
  tableOf(model: string): ModelSeats<NodeConnection> | null
  runs(): Iterable<RequestRun>
  open(): number
  batchRoom(model: string): number
  close(): void
}

type Table = ModelSeats<NodeConnection>
type LiveSeat = Seat<NodeConnection>

export function createDispatcher(parts: DispatcherParts): Dispatcher {
  const { clock, random, nodes, directory, telemetry, money } = parts
  const seats = new SeatTable<NodeConnection>()
  const admission = new Admission<RequestRun>(QUEUE_MAX, (model, waiting) => telemetry.onQueue(model, waiting))
  const runs = new Set<RequestRun>()
  const hedges = new HedgeBudget()
  const hedgeTimes = new HedgeTimes<RequestRun>()
  let hedgeTimer: Timer | null = null
  let seatsVersion = -1
  let ticket = 0
  let isClosed = false
  let isPumping = false
  let isPumpDue = false

  function tableOf(model: string): Table | null {
    const version = nodes.version()
    if (version !== seatsVersion) {
      seatsVersion = version
      seats.rebuild(enrolled(nodes, directory), (node) => factsOf(node, directory), clock.elapsedMs())
    }
    return seats.model(model)
  }

  /** Gives waiting requests to free nodes, as long as any fits. What frees a slot meanwhile runs it again. */
  function pump(): void {
    isPumpDue = true
    if (isPumping || isClosed) return
    isPumping = true
    while (isPumpDue) {
      isPumpDue = false
      for (const model of admission.models()) {
        admission.serve(model, { choose: chooseFor, assign: (run, place) => run.assign(place) }, clock.elapsedMs())
      }
    }
    isPumping = false
  }

  function chooseFor(run: RequestRun): Place | 'unfit' | 'stop' {
    const table = tableOf(run.model)
    if (!table || (table.busy >= table.slots && run.isPlain)) return 'stop'
    return choose(run, table, () => true) ?? (run.isPlain ? 'stop' : 'unfit')
  }

  function choose(run: RequestRun, table: Table, isAlso: (seat: LiveSeat) => boolean): Place | null {
    const ask = askOf(run, isAlso)
    const chosen = chooseSeat(table, ask, { nowMs: clock.elapsedMs(), random })
    return chosen && placeAt(table, chosen, ask, run)
  }

  const placeAt = (
    table: Table,
    chosen: Chosen<NodeConnection>,
    ask: SeatAsk<NodeConnection>,
    run: RequestRun,
  ): Place => {
    const { seat } = chosen
    const offer = offerFor(run, seat) ?? seat.offer
    return { node: seat.node, offer, begin: () => new Placement(table, chosen, ask, clock.elapsedMs()) }
  }

  const runHost: RunHost = {
    ...money,
    telemetry,
    nowMs: () => clock.nowMs(),
    elapsedMs: () => clock.elapsedMs(),
    onAsked(run) {
      if (!run.mayRace) return
      const p95 = tableOf(run.model)?.times.p95(run.needs.promptTokens)
      if (p95 !== null && p95 !== undefined) hedgeTimes.add(run, clock.elapsedMs(), p95)
      armHedge()
    },
    onFreed(run) {
      // A caller may leave while its request still waits for a node.
      admission.remove(run, clock.elapsedMs())
      pump()
    },
    onLoserStopped: () => pump(),
    onOver(run) {
      runs.delete(run)
      admission.correct(run, run.workDone - run.work)
    },
    requeue(run) {
      admission.putBack(run, clock.elapsedMs())
      pump()
    },
  }

  /** At the time at which the first of those that have heard nothing is late. */
  function armHedge(): void {
    if (hedgeTimer || isClosed) return
    const dueMs = hedgeTimes.nextDueMs((run) => run.mayRace)
    if (dueMs === null) return
    hedgeTimer = clock.after(Math.max(0, dueMs - clock.elapsedMs()), () => {
      hedgeTimer = null
      for (const run of hedgeTimes.takeDue(clock.elapsedMs())) if (run.mayRace) race(run)
      armHedge()
    })
  }

  /** Only with room to spare: a second try must not be what makes others wait. */
  function race(run: RequestRun): void {
    const table = tableOf(run.model)
    if (isClosed || !table || !hedges.canSpend || admission.waitingFor(run.model) > 0) return
    if (table.slots - table.busy < Math.max(1, SPARE_SHARE_MIN * table.slots)) return
    const place = choose(
      run,
      table,
      (seat) => seat.node.nodeId !== run.nodeId && seat.health.isIn && run.covers(seat.offer),
    )
    if (!place) return
    hedges.spend()
    run.race(place)
  }

  /** With another node at hand a silent one is left soon; alone it is waited for. */
  function silenceMsMax(run: RequestRun): number {
    const table = tableOf(run.model)
    const p95 = run.failedOffers.size === 0 ? (table?.times.p95(run.needs.promptTokens) ?? null) : null
    if (!run.pace.hasData && p95 === null) return FIRST_TOKEN_WAIT_MS
    const canMove = table?.seats.some((seat) => {
      const { node } = seat
      const offer = offerFor(run, seat)
      const isReady = node.status === 'online' && !node.isDraining && node.nodeId !== run.nodeId
      return isReady && offer !== undefined && run.accepts(offer)
    })
    if (run.pace.hasData) return canMove ? Math.min(run.pace.stallMs(), STALL_MS) : STALL_MS
    if (!canMove || p95 === null) return FIRST_TOKEN_WAIT_MS
    return Math.min(FIRST_TOKEN_WAIT_MS, Math.max(FIRST_TOKEN_WAIT_MS_MIN, FIRST_TOKEN_TIMES * p95))
  }

  function sweep(): void {
    if (isClosed) return
    const nowMs = clock.elapsedMs()
    for (const run of runs) {
      const silenceMs = nowMs - run.pace.movedMs
      const isWaiting = run.state === 'waiting' || run.state === 'reserving'
      if (isWaiting && nowMs - run.waitingSinceMs > run.waitMsMax) {
        admission.remove(run, nowMs)
        endInVain(run)
      } else if (run.state === 'running' && run.isPaused) {
        if (silenceMs > SLOW_READER_MS) run.cutReader()
      } else if (run.state === 'running') {
        if (silenceMs > run.pace.stallMs() && silenceMs > silenceMsMax(run)) run.stall(silenceMs)
      }
    }
    // What waits may fit a node that is on trial from now on, or takes one more again.
    if (admission.length > 0) pump()
    clock.after(SWEEP_MS, sweep)
  }
  clock.after(SWEEP_MS, sweep)

  function endInVain(run: RequestRun): void {
    const problem = run.state === 'waiting' ? noNodeInTime(run, nodes) : notReserved()
    const { requestId } = run.request
    const { model, organisationId } = run
    telemetry.onRefused({ requestId, model, organisationId, code: problem.code })
    run.fail(problem)
  }

  return {
    admit(request, sink) {
      const run = new RequestRun(runHost, request, sink, ++ticket)
      const table = tableOf(run.model)
      run.needs.expectAnswer(table?.completionTokens ?? null)
      hedges.earn()
      const drain = { busy: table?.busy ?? 0, holdMs: table?.holdMs ?? null }
      const refusal = admission.push(run, drain, clock.elapsedMs())
      if (refusal) return refusal
      runs.add(run)
      const { requestId } = request
      const { model, organisationId, priority } = run
      const { traceparent } = request.engine
      telemetry.onAdmitted({ requestId, model, organisationId, priority, traceparent })
      pump()
      return run
    },
    pump,
    tableOf,
    runs: () => runs,
    open: () => runs.size,
    batchRoom(model) {
      let batchesWaiting = 0
      for (const { state, request } of runs) {
        if (state !== 'waiting') continue
        if (!request.batch) return 0
        batchesWaiting++
      }
      let room = 0
      for (const node of nodes.ready()) room += batchRoomOf(node, model)
      return Math.max(0, room - batchesWaiting)
    },
    close() {
      isClosed = true
      hedgeTimer?.cancel()
    },
  }
}

/** Connections that may get work, now or when they are heard again. */
function* enrolled(nodes: NodeLinks, directory: Directory): Iterable<NodeConnection> {
  for (const node of nodes.all()) {
    const known = directory.node(node.nodeId)
    if (known && !known.isDrained && !known.isBanned) yield node
  }
}

function factsOf({ nodeId, region, keepsNoPrompts }: NodeConnection, directory: Directory): NodeFacts {
  const known = directory.node(nodeId)
  const { nodeClass = 'community', organisationId = '' } = known ?? {}
  return { nodeId, organisationId, nodeClass, region, keepsNoPrompts }
}

const offerFor = ({ request }: RequestRun, { node, offer, model }: LiveSeat): Offer | undefined =>
  request.batch ? node.batchOffers.get(model) : offer

function askOf(run: RequestRun, isAlso: (seat: LiveSeat) => boolean): SeatAsk<NodeConnection> {
  const { needs, request } = run
  const { preferences, batch } = request
  return {
    prompt: needs.prompt,
    promptTokens: needs.prompt.tokensTotal || needs.promptTokens,
    completionTokens: needs.completionTokens,
    mayTry: !run.isContinuing,
    sort: preferences?.sort ?? null,
    accepts(seat) {
      const offer = offerFor(run, seat)
      if (!offer || !run.accepts(offer) || !isAlso(seat)) return false
      if (batch && batchRoomOf(seat.node, seat.model) === 0) return false
      return !preferences || excludes(preferences, seat.facts, offer) === null
    },
  }
}
