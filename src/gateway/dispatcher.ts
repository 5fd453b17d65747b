/**
 * Gives requests to nodes: admits them to the queue, lets routing choose, races a second node against one that is late,
 * and gives up on what is silent for too long. All requests of a gateway are in here from their admission to their end.
 */
import type { Clock, Log } from '#host/host.ts'
import type { Random } from '#kernel/random.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import { Admission, QUEUE_MAX } from './admission.ts'
import type { Place } from './attempt.ts'
import { batchRoomOf } from './batches/batch-offers.ts'
import type { Directory } from './directory.ts'
import type { NodeConnection } from './node-connection.ts'
import type { NodeLinks } from './node-links.ts'
import type { Room } from './peers.ts'
import { excludes, type NodeFacts } from './preferences.ts'
import { RequestRun } from './request-run.ts'
import { carefulSteps, isPromised } from './routing/careful.ts'
import { type Chosen, chooseSeat, type SeatAsk } from './routing/choose-seat.ts'
import type { ModelSeats } from './routing/model-seats.ts'
import { Placement } from './routing/placement.ts'
import { SeatTable } from './routing/seat-table.ts'
import { createHedger } from './run-hedger.ts'
import type { RunHost } from './run-host.ts'
import { type LiveSeat, offerFor } from './run-offer.ts'
import type { RunRequest, RunSink } from './run-request.ts'
import { startRunWatch } from './run-watch.ts'
import type { GatewayTelemetry } from './telemetry.ts'

export interface DispatcherParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly nodes: NodeLinks
  readonly directory: Directory
  readonly telemetry: GatewayTelemetry
  /** Between two heartbeats of an agent; the protocol's own unless told otherwise. */
  readonly heartbeatMs?: number | undefined
  readonly money: Pick<RunHost, 'reserve' | 'settle' | 'meter' | 'keepAnswer' | 'prepare'>
}

export interface Dispatcher {
  /** Takes the request in, or says why not. From here on it ends in exactly one outcome. */
  admit(request: RunRequest, sink: RunSink): RequestRun | Problem
  /** Some node may take work that it could not before. */
  pump(): void
  /** What is known of the nodes that serve it; null while none does. */
  tableOf(model: string): ModelSeats<NodeConnection> | null
  /** How much of it is taken; null while no node serves it, or none for `task` where one is given. */
  roomOf(model: string, task?: EngineRequest['kind']): Room | null
  runs(): Iterable<RequestRun>
  open(): number
  batchRoom(model: string): number
  close(): void
}

/** How long a request waits for the network's own nodes before one of last resort may have it. */
const BACKSTOP_AFTER_MS = 500

type Table = ModelSeats<NodeConnection>

export function createDispatcher(parts: DispatcherParts): Dispatcher {
  const { clock, random, nodes, directory, telemetry, money } = parts
  const seats = new SeatTable<NodeConnection>()
  const admission = new Admission<RequestRun>(QUEUE_MAX, (model, waiting) =>
    telemetry.onQueue(model, waiting),
  )
  const runs = new Set<RequestRun>()
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
    try {
      while (isPumpDue) {
        isPumpDue = false
        for (const model of admission.models())
          admission.serve(model, { choose: chooseFor, assign: assigning(parts.log) }, clock.elapsedMs())
      }
    } finally {
      isPumping = false
    }
  }

  function chooseFor(run: RequestRun): Place | 'unfit' | 'yield' | 'stop' {
    const table = tableOf(run.model)
    if (!table || (table.busy >= table.slots && run.isPlain)) return 'stop'
    if (run.isNew && table.shares.mustYield(run.organisationId, table, clock.elapsedMs())) return 'yield'
    const own = chooseOwn(run, table, () => true)
    if (own) return own
    const waitedMs = clock.elapsedMs() - run.waitingSinceMs
    const mayBuy = waitedMs >= BACKSTOP_AFTER_MS || table.seats.every(({ node }) => node.isBackstop)
    const bought = mayBuy ? choose(run, table, ({ node }) => node.isBackstop) : null
    if (bought) return bought
    // Where every node could serve it none has room for anybody; else others may fit those that it does not.
    return run.isPlain && table.seats.every(({ offer }) => run.needs.fits(offer)) ? 'stop' : 'unfit'
  }

  /** Nodes of last resort are left out. */
  function chooseOwn(run: RequestRun, table: Table, isAlso: (seat: LiveSeat) => boolean): Place | null {
    const { silence } = run
    if (silence === null) return chooseCareful(run, table, isAlso)
    const chooseHeard = (sinceMs: number): Place | null =>
      chooseCareful(run, table, (seat) => seat.node.lastHeardMs > sinceMs && isAlso(seat))
    // What cut its node off may have cut off more of them, and of those nothing was heard since either. Not every
    // healthy node beats within half of a silence, but one that did is the surer.
    return chooseHeard(silence.middleMs) ?? chooseHeard(silence.beganMs) ?? chooseCareful(run, table, isAlso)
  }

  function chooseCareful(run: RequestRun, table: Table, isAlso: (seat: LiveSeat) => boolean): Place | null {
    for (const isFit of carefulSteps(run.request.slaClass, run.before, directory.cellNowMs())) {
      const place = choose(run, table, (seat) => !seat.node.isBackstop && isFit(seat.facts) && isAlso(seat))
      if (place) return place
    }
    return null
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
    nowMs: directory.cellNowMs,
    elapsedMs: () => clock.elapsedMs(),
    onAsked: (run) => hedger.asked(run),
    onHeard: (run) => hedger.heard(run),
    onFreed(run) {
      hedger.heard(run)
      // A caller may leave while its request still waits for a node.
      admission.remove(run)
      pump()
    },
    onLoserStopped: () => pump(),
    onOver(run) {
      runs.delete(run)
      admission.correct(run, run.workDone - run.work)
    },
    requeue(run) {
      admission.putBack(run)
      pump()
    },
  }

  const hedger = createHedger(clock, {
    tableOf,
    choose: chooseOwn,
    waitingFor: (model) => admission.waitingFor(model),
  })
  const watch = startRunWatch(clock, {
    heartbeatMs: parts.heartbeatMs,
    runs,
    nodes,
    directory: parts.directory,
    tableOf,
    telemetry,
    onGivenUp: (run) => admission.remove(run),
    // What waits may fit a node that is on trial from now on, or that takes one more again.
    onSwept: () => {
      if (admission.length > 0) pump()
    },
  })

  return {
    admit(request, sink) {
      const run = new RequestRun(runHost, request, sink, ++ticket)
      const table = tableOf(run.model)
      run.needs.expectAnswer(table?.completionTokens ?? null)
      table?.shares.seen(run.organisationId, clock.elapsedMs())
      hedger.earn()
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
    roomOf(model, task) {
      const table = tableOf(model)
      if (task && table && !table.seats.some(({ offer }) => offer.model.tasks.includes(task))) return null
      return table && { slots: table.slots, busy: table.busy, waiting: admission.waitingFor(model) }
    },
    runs: () => runs,
    open: () => runs.size,
    batchRoom(model) {
      let batchesWaiting = 0
      for (const { state, request, model: asked } of runs) {
        if (state !== 'waiting') continue
        if (!request.batch) return 0
        // Of other models nothing waits that a node with room could take: it is for the nodes of its own.
        if (asked === model) batchesWaiting++
      }
      let room = 0
      for (const node of nodes.ready()) room += batchRoomOf(node, model)
      return Math.max(0, room - batchesWaiting)
    },
    close() {
      isClosed = true
      hedger.close()
      watch.close()
    },
  }
}

/** What no node can be sent ends that request alone: those behind it are not to wait for ever. */
const assigning =
  (log: Log) =>
  (run: RequestRun, place: Place): void => {
    try {
      run.assign(place)
    } catch (error) {
      const { requestId } = run.request
      if (!(error instanceof Problem)) log.error('run.unsendable', { requestId, message: String(error) })
      run.fail(toProblem(error))
    }
  }

/** Connections that may get work, now or when they are heard again. */
function* enrolled(nodes: NodeLinks, directory: Directory): Iterable<NodeConnection> {
  for (const node of nodes.all()) {
    const known = directory.node(node.nodeId)
    if (!node.isSick && known && !known.isDrained && !known.isBanned && !known.barred) yield node
  }
}

function factsOf(node: NodeConnection, directory: Directory): NodeFacts {
  const { nodeId, region, keepsNoPrompts, agentVersion } = node
  const known = directory.node(nodeId)
  const { nodeClass = 'community', organisationId = '', standing, upSinceMs, isHalted, network } = known ?? {}
  return {
    ...{ nodeId, organisationId, nodeClass, region, keepsNoPrompts, agentVersion },
    ...(standing !== undefined && { standing }),
    ...(upSinceMs !== undefined && { upSinceMs }),
    ...(isHalted !== undefined && { isHalted }),
    ...(network !== undefined && { network }),
  }
}

function askOf(run: RequestRun, isAlso: (seat: LiveSeat) => boolean): SeatAsk<NodeConnection> {
  const { needs, request } = run
  const { preferences, batch } = request
  return {
    organisationId: run.organisationId,
    prompt: needs.prompt,
    promptTokens: needs.prompt.tokensTotal || needs.promptTokens,
    completionTokens: needs.completionTokens,
    mayTry: !run.isContinuing && !isPromised(request.slaClass),
    sort: preferences?.sort ?? null,
    accepts(seat) {
      const offer = offerFor(run, seat)
      if (!offer || !run.accepts(offer) || !isAlso(seat)) return false
      if (batch && batchRoomOf(seat.node, seat.model) === 0) return false
      return !preferences || excludes(preferences, seat.facts, offer) === null
    },
  }
}
