/** What a process of a cell tells about itself: metrics, traces, access log, and what it does right now. */
import { randomUUID, timingSafeEqual } from 'node:crypto'
import type { Coordinator } from '#coordinator/coordinator.ts'
import type { Projector } from '#coordinator/read-models/projector.ts'
import type { CallWatch } from '#gateway/call-watch.ts'
import type { Gateway } from '#gateway/gateway.ts'
import type { GatewayTelemetry } from '#gateway/telemetry.ts'
import type { Host, Journals, SharedJournals } from '#host/host.ts'
import { createMetrics } from '#host/metrics.ts'
import { openAccessLog } from '#host/node/access-log.ts'
import { openTracer } from '#host/node/tracing.ts'
import type { GatewayLive } from '#protocol/live.ts'
import { isInRanges } from '#protocol/network-range.ts'
import { VERSION } from '#protocol/version.ts'
import { createCallLog } from './call-log.ts'
import { type CallObserver, joinTelemetry, watchCalls } from './call-observers.ts'
import type { CellConfig } from './cell-config.ts'
import { createGatewayMetrics } from './gateway-metrics.ts'
import { createGatewayTraces } from './gateway-traces.ts'
import { createLiveBoard } from './live-board.ts'
import { type LiveListener, listenLive, tellLive } from './live-bus.ts'
import { coordinatorMetrics, journalMetrics, processMetrics } from './metric-tables.ts'
import { createMetricsDoor, type MetricsDoor } from './metrics-door.ts'
import { createReputationMetrics } from './reputation-metrics.ts'
import { QUIET } from './telemetry-config.ts'
import { timeJournals, timeSharedJournals } from './timed-journals.ts'
import { createWorkMetrics, type WatchedWork } from './work-metrics.ts'
import { joinWorkerMetrics } from './worker-metrics.ts'

export interface CellTelemetry {
  /** For the gateway of this process. */
  readonly gateway: GatewayTelemetry
  readonly watch: CallWatch | undefined
  readonly metrics: MetricsDoor
  timed(journals: Journals): Journals
  timedShared(journals: SharedJournals): SharedJournals
  watchGateway(gateway: Gateway): void
  watchCoordinator(known: WatchedCoordinator): void
  /** What each gateway of the cell does now. */
  gatewaysLive(): Promise<readonly GatewayLive[]>
  /** Writes and sends what waits. */
  close(): Promise<void>
}

export interface WatchedCoordinator extends WatchedWork {
  readonly coordinator: Coordinator
  readonly projector: Pick<Projector, 'lag'>
  isOperator(key: string, address: string | null): boolean
}

type Parts = Pick<Host, 'bus' | 'clock' | 'log'> & {
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Throws a `Problem` for what cannot be set up. */
export async function openCellTelemetry(parts: Parts, config: CellConfig): Promise<CellTelemetry> {
  const { clock, log, env } = parts
  const { role, listen, telemetry: asked = QUIET } = config
  const { accessLog } = asked
  const isGateway = role !== 'coordinator'
  let gateway: Gateway | null = null
  let coordinator: WatchedCoordinator | null = null
  let listener: LiveListener | null = null
  const closers: (() => void)[] = []

  const tracer = await openTracer({ serviceName: `shoal-${role}`, version: VERSION, env, log })
  const traces = tracer && isGateway ? createGatewayTraces(tracer) : null
  const lines =
    accessLog && isGateway
      ? openAccessLog({ ...accessLog, file: fileOf(accessLog.file, config.worker?.index ?? 0) })
      : null
  const callLog =
    lines &&
    createCallLog({
      hasPrompts: accessLog?.hasPrompts === true,
      nowMs: () => clock.nowMs(),
      elapsedMs: () => clock.elapsedMs(),
      ...(traces && { traceIdOf: traces.traceIdOf }),
      write: (entry) => lines.write(entry),
    })
  const observers = [traces, callLog].filter((observer): observer is CallObserver => observer !== null)

  const ofProcess = createMetrics(processMetrics)
  const ofJournals = createMetrics(journalMetrics)
  const ofCoordinator = createMetrics(coordinatorMetrics)
  const ofGateway = createGatewayMetrics(
    (nodeId) => gateway?.directory.node(nodeId)?.nodeClass ?? 'community',
  )
  const ofWork = createWorkMetrics()
  const ofReputation = createReputationMetrics()
  ofProcess.buildInfo.of(VERSION, role).set(1)
  const board = createLiveBoard(clock)
  closers.push(board.close)

  function collectCoordinator({
    coordinator: { state, journal, sequence },
    projector,
  }: WatchedCoordinator): void {
    ofCoordinator.sequence.of().set(sequence())
    ofCoordinator.epoch.of().set(journal.epoch)
    ofCoordinator.readModelLag.of().set(projector.lag())
    ofCoordinator.nodes.clear()
    let drained = 0
    let banned = 0
    for (const node of state.fleet.nodes.values()) {
      ofCoordinator.nodes.of(node.presence, node.nodeClass).add(1)
      if (node.isDrained) drained++
      if (node.bannedReason !== null) banned++
    }
    ofCoordinator.nodesDrained.of().set(drained)
    ofCoordinator.nodesBanned.of().set(banned)
  }

  const metrics: MetricsDoor = createMetricsDoor({
    families: [
      ...Object.values(ofProcess),
      ...(isGateway ? Object.values(ofGateway.families) : []),
      ...(role === 'gateway'
        ? []
        : [...Object.values(ofCoordinator), ...ofWork.families, ...ofReputation.families]),
      ...Object.values(ofJournals),
    ],
    collect() {
      if (gateway) ofGateway.collect(gateway)
      if (!coordinator) return
      collectCoordinator(coordinator)
      ofWork.collect(coordinator)
      ofReputation.collect(coordinator.coordinator)
    },
    ...(config.worker && { join: (own: string) => workers?.join(own) ?? Promise.resolve(own) }),
    token: asked.metricsToken,
    trustsLoopback: listen.proxies === null,
    isSame: (a, b) => {
      const [left, right] = [Buffer.from(a), Buffer.from(b)]
      return left.length === right.length && timingSafeEqual(left, right)
    },
    isOperator: (key, address) =>
      coordinator ? coordinator.isOperator(key, address) : isOperatorAt(gateway, key, address),
  })

  const workers = config.worker
    ? joinWorkerMetrics(parts, { ...config.worker, text: metrics.text, newId: () => randomUUID() })
    : null
  if (workers) closers.push(workers.close)

  return {
    gateway: joinTelemetry([
      ofGateway.telemetry,
      board.telemetry,
      ...observers.map(({ telemetry }) => telemetry),
    ]),
    watch: watchCalls(clock, observers),
    metrics,
    timed: (journals) => timeJournals(journals, { clock, metrics: ofJournals }),
    timedShared: (journals) => timeSharedJournals(journals, { clock, metrics: ofJournals }),
    watchGateway(opened) {
      gateway = opened
      const telling = tellLive(parts, () => board.snapshot(opened))
      closers.push(telling.close)
    },
    watchCoordinator(known) {
      coordinator = known
      ofWork.watch(known)
      ofReputation.watch(known.coordinator)
      listener = listenLive(parts)
      closers.push(listener.close)
    },
    gatewaysLive: async () => (await listener?.read()) ?? [],
    async close() {
      for (const close of closers) close()
      lines?.close()
      await tracer?.close()
    },
  }
}

/** Each worker has a file of its own: `access.log`, `access-1.log` … */
const fileOf = (file: string | null, worker: number): string | null =>
  file === null || worker === 0 ? file : file.replace(/(\.[^./]*)?$/, (end) => `-${worker}${end}`)

function isOperatorAt(gateway: Gateway | null, key: string, address: string | null): boolean {
  const caller = gateway?.authenticate(key)
  if (!caller || caller instanceof Error || !caller.scopes.includes('operator')) return false
  const { networks } = caller.limited?.limits ?? {}
  return !networks || isInRanges(address ?? '', networks)
}
