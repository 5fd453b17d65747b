/**
 * What nodes say of their devices, between them and the coordinator. A node that says it is sick gets no new request from
 * that moment on, before anybody has decided anything; it is told to the coordinator for as long as it sees it otherwise.
 */
import type { Bus, Clock } from '#host/host.ts'
import { PROTOCOL_WITH_EVIDENCE } from '#protocol/agent-version.ts'
import { subjects } from '#protocol/cell.ts'
import { decodeJson, encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import { HealthNews, type MeasureAgain, NodeHealth } from '#protocol/node-health.ts'
import { quickReader } from '#protocol/quick-reader.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import type { Directory } from './directory.ts'
import type { GatewayTelemetry } from './telemetry.ts'

/** What the relay needs of a connection. */
export interface HealthNode {
  readonly nodeId: string
  /** Of the agent protocol, as agreed on. */
  readonly protocol: number
  /** It says that something is wrong with its devices. */
  isSick: boolean
  send(message: Uint8Array): void
}

export interface HealthRelay {
  /** Takes the payload of a `health` frame. Throws a `Problem` or a `ZodError` for what no agent says. */
  hear(node: HealthNode, payload: Uint8Array): void
  lost(node: HealthNode): void
  /** Asks the node to measure its speed with `model` anew; at most once in a while. */
  measureAgain(node: HealthNode, model: string): void
  close(): void
}

interface Entry {
  readonly node: HealthNode
  faults: NodeHealth['faults']
  heardAtMs: number
  measuredAtMs: number
}

const SWEEP_MS = 5_000
/** A node has news of this kind now and then; what comes quicker is looked at when it pauses. */
const HEAR_EVERY_MS = 200
const MEASURE_EVERY_MS = 5 * 60_000
const writeNews = jsonWriter(HealthNews)
const nodeHealth = quickReader(NodeHealth)

export function createHealthRelay(
  { bus, clock, directory }: { bus: Pick<Bus, 'publish'>; clock: Clock; directory: Pick<Directory, 'node'> },
  /** A node is sick, or well again. */
  onChange: () => void,
): HealthRelay {
  const entries = new Map<string, Entry>()
  let isClosed = false

  function entryOf(node: HealthNode): Entry {
    let entry = entries.get(node.nodeId)
    if (entry?.node !== node) {
      entry = {
        node,
        faults: [],
        heardAtMs: Number.NEGATIVE_INFINITY,
        measuredAtMs: Number.NEGATIVE_INFINITY,
      }
      entries.set(node.nodeId, entry)
    }
    return entry
  }

  const seenAsSick = (nodeId: string): boolean => directory.node(nodeId)?.barred?.code === 'sick'

  function tell(told: readonly Entry[]): void {
    if (told.length === 0) return
    const news = told.map(({ node: { nodeId }, faults }) => ({ nodeId, faults }))
    bus.publish(subjects.health, writeNews({ told: news }))
  }

  function sweep(): void {
    if (isClosed) return
    tell([...entries.values()].filter(({ node, faults }) => faults.length > 0 !== seenAsSick(node.nodeId)))
    clock.after(SWEEP_MS, sweep)
  }
  clock.after(SWEEP_MS, sweep)

  return {
    hear(node, payload) {
      const { faults } = nodeHealth.parse(decodeJson(payload))
      const entry = entryOf(node)
      const nowMs = clock.elapsedMs()
      const isQuick = nowMs - entry.heardAtMs < HEAR_EVERY_MS
      entry.heardAtMs = nowMs
      entry.faults = faults
      const isSick = faults.length > 0
      if (!isQuick && isSick !== seenAsSick(node.nodeId)) tell([entry])
      if (isSick === node.isSick) return
      node.isSick = isSick
      onChange()
    },
    lost(node) {
      if (entries.get(node.nodeId)?.node === node) entries.delete(node.nodeId)
    },
    measureAgain(node, model) {
      if (node.protocol < PROTOCOL_WITH_EVIDENCE) return
      const entry = entryOf(node)
      const nowMs = clock.elapsedMs()
      if (nowMs - entry.measuredAtMs < MEASURE_EVERY_MS) return
      entry.measuredAtMs = nowMs
      node.send(encodeJsonFrame(FrameType.health, 0, { measure: model } satisfies MeasureAgain))
    },
    close() {
      isClosed = true
    },
  }
}

/** `telemetry`, where a node that is put out for its pace is also asked to measure itself again. */
export const measuringAgain = (
  telemetry: GatewayTelemetry,
  relay: Pick<HealthRelay, 'measureAgain'>,
  nodes: { all(): Iterable<HealthNode> },
): GatewayTelemetry =>
  Object.assign(Object.create(telemetry) as GatewayTelemetry, {
    onEjected(event: Parameters<GatewayTelemetry['onEjected']>[0]) {
      telemetry.onEjected(event)
      if (event.reason !== 'slow') return
      for (const node of nodes.all()) if (node.nodeId === event.nodeId) relay.measureAgain(node, event.model)
    },
  })
