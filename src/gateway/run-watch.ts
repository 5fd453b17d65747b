/** Watches all requests of a gateway for those that wait too long, and for nodes and callers that fell silent. */
import type { Clock } from '#host/host.ts'
import { HEARTBEAT_MS } from '#protocol/agent-link.ts'
import { Problem } from '#protocol/problem.ts'
import type { Directory } from './directory.ts'
import type { NodeConnection } from './node-connection.ts'
import type { NodeLinks } from './node-links.ts'
import type { RequestRun } from './request-run.ts'
import type { ModelSeats } from './routing/model-seats.ts'
import { offerFor } from './run-offer.ts'
import { noNodeInTime, notReserved } from './run-refusals.ts'
import type { GatewayTelemetry } from './telemetry.ts'

/** Silence of an engine that counts as its failure: before the first token, and after it. */
export const FIRST_TOKEN_WAIT_MS = 60_000
export const STALL_MS = 20_000
/** Of an answer whose node is heard otherwise, with another node at hand. */
const HEARD_STALL_MS = 2_000
/** With another node at hand: so many times what nearly all first tokens take, and no less than this. */
const FIRST_TOKEN_TIMES = 3
const FIRST_TOKEN_WAIT_MS_MIN = 2_000
/** A caller that reads nothing for this long loses its answer: it must not hold a slot for ever. */
export const SLOW_READER_MS = 60_000
const SWEEP_MS = 250
/** A heartbeat that is so late does not come. */
const HEARTBEATS_LATE = 1.1

export interface RunWatch {
  close(): void
}

export function startRunWatch(
  clock: Clock,
  parts: {
    runs: Iterable<RequestRun>
    nodes: Pick<NodeLinks, 'ready' | 'all'>
    directory: Pick<Directory, 'node'>
    telemetry: GatewayTelemetry
    /** Between two heartbeats of an agent. */
    heartbeatMs?: number | undefined
    tableOf(model: string): ModelSeats<NodeConnection> | null
    /** It waited in vain, and is about to be told. */
    onGivenUp(run: RequestRun): void
    onSwept(): void
  },
): RunWatch {
  const { runs, telemetry, tableOf, heartbeatMs = HEARTBEAT_MS } = parts
  const beatWithinMs = HEARTBEATS_LATE * heartbeatMs
  let isClosed = false

  function look(run: RequestRun, nowMs: number): void {
    const silenceMs = nowMs - run.pace.movedMs
    switch (run.state) {
      case 'waiting':
      case 'reserving':
        if (nowMs - run.waitingSinceMs > run.waitMsMax) giveUp(run)
        return
      case 'running':
        if (!run.isPaused) return lookAtNode(run, nowMs)
        if (silenceMs > SLOW_READER_MS) run.cutReader()
        return
      default:
        return
    }
  }

  function lookAtNode(run: RequestRun, nowMs: number): void {
    const silenceMs = nowMs - run.pace.movedMs
    noteQuiet(run, silenceMs)
    // The pace of the node before it says nothing about the first token of this one.
    const isDue = !run.pace.hasData || silenceMs > run.pace.stallMs()
    const isStalled = isDue && silenceMs > silenceMsMax(run, nowMs)
    if (isStalled || (isGone(run, nowMs) && canMove(run))) run.abandon(stalled(silenceMs))
    else if (isCrawling(run, nowMs) && canMove(run)) run.abandon(crawling(), 'slow')
  }

  /** Its answer comes in long steps, which make silence usual; but a heartbeat is missing, too. */
  const isGone = ({ attempt, pace }: RequestRun, nowMs: number): boolean =>
    attempt !== null &&
    pace.hasData &&
    nowMs - pace.movedMs > pace.lateMs() &&
    nowMs - attempt.node.lastHeardMs > Math.max(beatWithinMs, pace.lateMs())

  const lacksBeat = ({ attempt }: RequestRun, nowMs: number): boolean =>
    attempt !== null && nowMs - attempt.node.lastHeardMs > beatWithinMs

  function giveUp(run: RequestRun): void {
    parts.onGivenUp(run)
    const problem = run.state === 'waiting' ? noNodeInTime(run, parts) : notReserved()
    const { model, organisationId } = run
    telemetry.onRefused({ requestId: run.request.requestId, model, organisationId, code: problem.code })
    run.fail(problem)
  }

  /** With another node at hand a silent one is left soon; alone it is waited for. */
  function silenceMsMax(run: RequestRun, nowMs: number): number {
    const table = tableOf(run.model)
    // What failed before may be long in coming; but of a node that is there, something is heard.
    const mayLeave = run.failedOffers.size === 0 || (isUnheard(run) && lacksBeat(run, nowMs))
    const p95 = mayLeave ? (table?.times.p95(run.needs.promptTokens) ?? null) : null
    if (!run.pace.hasData && p95 === null) return FIRST_TOKEN_WAIT_MS
    if (run.pace.hasData) return canMove(run) ? Math.min(stallMs(run), STALL_MS) : STALL_MS
    if (p95 === null || !canMove(run)) return FIRST_TOKEN_WAIT_MS
    return Math.min(FIRST_TOKEN_WAIT_MS, Math.max(FIRST_TOKEN_WAIT_MS_MIN, FIRST_TOKEN_TIMES * p95))
  }

  /** Another node is here that could go on with it. */
  const canMove = (run: RequestRun): boolean =>
    tableOf(run.model)?.seats.some((seat) => {
      const offer = offerFor(run, seat)
      const isOther = seat.isHere && seat.health.isIn && seat.node.nodeId !== run.nodeId
      return isOther && offer !== undefined && run.accepts(offer)
    }) === true

  function sweep(): void {
    if (isClosed) return
    const nowMs = clock.elapsedMs()
    for (const run of runs) look(run, nowMs)
    parts.onSwept()
    clock.after(SWEEP_MS, sweep)
  }
  clock.after(SWEEP_MS, sweep)
  return {
    close() {
      isClosed = true
    },
  }
}

/** A node that is heard otherwise meanwhile is alive: with prompts to read, or little time for this one. */
function stallMs({ pace, attempt }: RequestRun): number {
  if (!attempt) return pace.stallMs()
  const isHeard = attempt.node.lastHeardMs > pace.movedMs
  return Math.max(pace.stallMs(), isHeard ? HEARD_STALL_MS : 0) + attempt.placement.seat.machine.prefillMs
}

/** Its answer should have gone on by now, and nothing else was heard of the node either: it gets no more until it is. */
function noteQuiet(run: RequestRun, silenceMs: number): void {
  const { attempt, pace } = run
  if (!attempt || silenceMs < (pace.hasData ? pace.stallMs() / 2 : FIRST_TOKEN_WAIT_MS_MIN)) return
  if (isUnheard(run)) attempt.node.isQuiet = true
}

/** Since it was asked, or since its answer moved last, nothing at all was heard of the node, not even a heartbeat. */
const isUnheard = ({ attempt, pace }: RequestRun): boolean =>
  attempt !== null && attempt.node.lastHeardMs <= pace.movedMs

const isCrawling = ({ attempt, pace }: RequestRun, nowMs: number): boolean =>
  attempt !== null &&
  pace.hasData &&
  !pace.wasPaused &&
  attempt.placement.isCrawling(attempt.completionTokens, nowMs)

const stalled = (silenceMs: number): Problem =>
  new Problem('node_timeout', `The node sent nothing for ${Math.round(silenceMs / 1000)} s.`)
const crawling = (): Problem => new Problem('node_timeout', 'The node was far slower than it says of itself.')
