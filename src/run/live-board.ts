/** What a gateway does at this moment, kept beside it for whoever looks: rates, times to the first token, newest ends. */
import type { LiveModel } from '#gateway/live-models.ts'
import type { NodeConnection } from '#gateway/node-connection.ts'
import type { RequestRun } from '#gateway/request-run.ts'
import type { GatewayTelemetry } from '#gateway/telemetry.ts'
import type { Clock } from '#host/host.ts'
import { costOf } from '#ledger/price.ts'
import {
  type GatewayLive,
  LIVE_RECENT_MAX,
  LIVE_STREAMS_MAX,
  type LiveStream,
  type RecentRequest,
} from '#protocol/live.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { Tally } from './live-tally.ts'

/** What the board asks of its gateway when somebody looks. */
export interface BoardGateway {
  readonly gatewayId: string
  readonly nodes: { all(): Iterable<NodeConnection> }
  models(): Map<string, LiveModel>
  requests(): Iterable<RequestRun>
}

export interface LiveBoard {
  readonly telemetry: Partial<GatewayTelemetry>
  snapshot(gateway: BoardGateway): GatewayLive
  close(): void
}

const TICK_MS = 1_000
/** Names beyond these count for the whole alone; what nobody asks for is forgotten. */
const NAMES_MAX = 5_000
const NODES_SHOWN_MAX = 1_000

export function createLiveBoard(clock: Pick<Clock, 'nowMs' | 'elapsedMs' | 'after'>): LiveBoard {
  const whole = new Tally(clock.elapsedMs())
  const models = new Map<string, Tally>()
  const nodes = new Map<string, Tally>()
  const waiting = new Map<string, number>()
  const ejected = new Map<string, Set<string>>()
  /** Of requests that have not ended. */
  const tries = new Map<string, { attempts: number; isHedged: boolean; code: string | null }>()
  const recent: RecentRequest[] = []
  let isClosed = false

  const tallyOf = (tallies: Map<string, Tally>, name: string): Tally => {
    const known = tallies.get(name)
    if (known) return known
    const made = new Tally(clock.elapsedMs(), whole.sinceMs)
    if (tallies.size < NAMES_MAX) tallies.set(name, made)
    return made
  }

  function tick(): void {
    if (isClosed) return
    const nowMs = clock.elapsedMs()
    whole.tick(nowMs)
    for (const tallies of [models, nodes]) {
      for (const [name, tally] of tallies) {
        tally.tick(nowMs)
        if (tally.isIdle(nowMs)) tallies.delete(name)
      }
    }
    clock.after(TICK_MS, tick)
  }
  tick()

  function end(record: UsageRecord): void {
    const { requestId, organisationId, model, outcome, parts, firstTokenMs, totalMs } = record
    const tried = tries.get(requestId)
    tries.delete(requestId)
    whole.requests++
    tallyOf(models, model).requests++
    const sum = (read: (part: UsageRecord['parts'][number]) => number): number =>
      parts.reduce((total, part) => total + read(part), 0)
    recent.unshift({
      requestId,
      organisationId,
      model,
      nodeId: parts.at(-1)?.nodeId ?? null,
      outcome,
      code: tried?.code ?? null,
      endedAtMs: clock.nowMs(),
      firstTokenMs,
      totalMs,
      promptTokens: sum((part) => part.promptTokens),
      completionTokens: sum((part) => part.completionTokens),
      cost: parts.reduce((total, part) => total + costOf(part, part), 0n),
      attempts: tried?.attempts ?? 0,
      isHedged: tried?.isHedged ?? false,
    })
    if (recent.length > LIVE_RECENT_MAX) recent.pop()
  }

  const telemetry: Partial<GatewayTelemetry> = {
    onAdmitted: ({ requestId }) => void tries.set(requestId, { attempts: 0, isHedged: false, code: null }),
    onQueue(model, count) {
      if (count === 0) waiting.delete(model)
      else waiting.set(model, count)
    },
    onAttempt({ requestId }) {
      const tried = tries.get(requestId)
      if (tried) tried.attempts++
    },
    onFirstToken({ model, nodeId, firstTokenMs, attemptMs }) {
      whole.firstToken(firstTokenMs)
      tallyOf(models, model).firstToken(firstTokenMs)
      // What a request waited before is not this node's doing.
      tallyOf(nodes, nodeId).firstToken(attemptMs)
    },
    onToken(model, tokens, _pauseMs, nodeId) {
      whole.tokens += tokens
      tallyOf(models, model).tokens += tokens
      tallyOf(nodes, nodeId).tokens += tokens
    },
    onFailover: ({ nodeId }) => void tallyOf(nodes, nodeId).failures++,
    onHedge({ requestId, nodeId, result }) {
      const tried = tries.get(requestId)
      if (tried && result === 'started') {
        tried.attempts++
        tried.isHedged = true
      }
      if (result === 'failed') tallyOf(nodes, nodeId).failures++
    },
    onEjected({ model, nodeId }) {
      ejected.set(nodeId, (ejected.get(nodeId) ?? new Set()).add(model))
    },
    onReadmitted({ model, nodeId }) {
      const of = ejected.get(nodeId)
      of?.delete(model)
      if (of?.size === 0) ejected.delete(nodeId)
    },
    onFailed({ requestId, code }) {
      const tried = tries.get(requestId)
      if (tried) tried.code = code
    },
    onOutcome: end,
  }

  return {
    telemetry,
    close() {
      isClosed = true
    },
    snapshot(gateway) {
      const runs = [...gateway.requests()]
      const nowMs = clock.elapsedMs()
      const busy = new Map<string, number>()
      for (const { model, nodeId } of runs) if (nodeId !== null) busy.set(model, (busy.get(model) ?? 0) + 1)
      const offered = gateway.models()
      const names = new Set([...offered.keys(), ...waiting.keys(), ...busy.keys()])
      return {
        gatewayId: gateway.gatewayId,
        inFlight: runs.length,
        waiting: [...waiting.values()].reduce((sum, count) => sum + count, 0),
        ...whole.rates(),
        models: [...names].map((model) => {
          const offer = offered.get(model)
          return {
            model,
            nodes: offer?.nodes ?? 0,
            slots: offer?.slots ?? 0,
            busy: busy.get(model) ?? 0,
            waiting: waiting.get(model) ?? 0,
            ...(models.get(model) ?? new Tally(nowMs)).rates(),
            promptPerMillion: offer
              ? { min: offer.promptPerMillionMin, max: offer.promptPerMillionMax }
              : null,
            completionPerMillion: offer
              ? { min: offer.completionPerMillionMin, max: offer.completionPerMillionMax }
              : null,
          }
        }),
        nodes: [...gateway.nodes.all()].slice(0, NODES_SHOWN_MAX).map((node) => {
          const tally = nodes.get(node.nodeId) ?? new Tally(nowMs)
          const { tokensPerSecond, firstTokens } = tally.rates()
          const offers = [...node.offers.values()]
          return {
            nodeId: node.nodeId,
            state: stateOf(node, ejected.has(node.nodeId)),
            models: offers.map(({ model }) => model.id),
            slots: offers.reduce((sum, { model }) => sum + model.slots, 0),
            busy: node.outstanding(),
            tokensPerSecond,
            firstTokens,
            failures: tally.failures,
          }
        }),
        streams: runs.slice(0, LIVE_STREAMS_MAX).map((run) => streamOf(run, nowMs)),
        recent: [...recent],
      }
    },
  }
}

function stateOf(
  { status, isDraining }: NodeConnection,
  isEjected: boolean,
): 'online' | 'suspect' | 'draining' | 'ejected' {
  if (status === 'suspect') return 'suspect'
  if (isDraining) return 'draining'
  return isEjected ? 'ejected' : 'online'
}

function streamOf(run: RequestRun, nowMs: number): LiveStream {
  const { request, organisationId, model, nodeId, state, startedMs, firstTokenMs } = run
  return {
    requestId: request.requestId,
    organisationId,
    model,
    nodeId,
    state,
    ageMs: Math.max(0, Math.round(nowMs - startedMs)),
    firstTokenMs: firstTokenMs === null ? null : Math.round(firstTokenMs),
    completionTokens: run.delivered,
    continuations: run.continuations,
  }
}
