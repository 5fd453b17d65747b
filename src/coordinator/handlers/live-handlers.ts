/** What the network does at this moment: the gateways' own words, put together with what is known of nodes. */
import type { Node as FleetNode } from '#fleet/fleet.ts'
import { maximum, minimum } from '#kernel/money.ts'
import {
  type GatewayLive,
  LIVE_RECENT_MAX,
  LIVE_STREAMS_MAX,
  type LiveModel,
  type LiveNetwork,
  type LiveNode,
  quantileMs,
} from '#protocol/live.ts'
import type { Caller, Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { VERSION } from '#protocol/version.ts'
import { execute, type HandlerParts, maySee } from './handler-parts.ts'
import { workCounts } from './job-parts.ts'

export function liveHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, 'getLive'> {
  const { coordinator, clock, networkName } = parts
  const startedMs = clock.elapsedMs()
  return {
    async getLive(_input, caller) {
      const gateways = (await parts.gatewaysLive?.()) ?? []
      return execute(parts, () => ({
        networkName,
        version: VERSION,
        nowMs: clock.nowMs(),
        uptimeMs: Math.floor(clock.elapsedMs() - startedMs),
        ...(parts.jobs && { work: workCounts(parts, parts.jobs) }),
        ...liveOf(gateways, [...coordinator.state.fleet.nodes.values()], caller),
      }))
    },
  }
}

type Figures = Omit<LiveNetwork, 'networkName' | 'version' | 'nowMs' | 'uptimeMs' | 'work'>

/** Only an operator sees what belongs to others; how busy the models are is everybody's to know, as their prices are. */
export function liveOf(
  gateways: readonly GatewayLive[],
  nodes: readonly FleetNode[],
  caller: Caller,
): Figures {
  const isSeen = ({ organisationId }: { organisationId: string }): boolean => maySee(caller, organisationId)
  const firstTokens = addTimes(gateways.map((gateway) => gateway.firstTokens))
  return {
    gateways: gateways.length,
    inFlight: sum(gateways, (gateway) => gateway.inFlight),
    waiting: sum(gateways, (gateway) => gateway.waiting),
    requestsPerSecond: sum(gateways, (gateway) => gateway.requestsPerSecond),
    tokensPerSecond: sum(gateways, (gateway) => gateway.tokensPerSecond),
    firstTokenP50Ms: quantileMs(firstTokens, 0.5),
    firstTokenP99Ms: quantileMs(firstTokens, 0.99),
    models: modelsOf(gateways),
    nodes: nodes.filter(isSeen).map((node) => nodeOf(node, gateways)),
    streams: gateways
      .flatMap(({ streams }) => streams)
      .filter(isSeen)
      .sort((a, b) => b.ageMs - a.ageMs || (a.requestId < b.requestId ? -1 : 1))
      .slice(0, LIVE_STREAMS_MAX),
    recent: gateways
      .flatMap(({ recent }) => recent)
      .filter(isSeen)
      .sort((a, b) => b.endedAtMs - a.endedAtMs || (a.requestId < b.requestId ? -1 : 1))
      .slice(0, LIVE_RECENT_MAX),
  }
}

function modelsOf(gateways: readonly GatewayLive[]): LiveModel[] {
  const all = Map.groupBy(
    gateways.flatMap(({ models }) => models),
    ({ model }) => model,
  )
  return [...all]
    .map(([model, ones]) => {
      const firstTokens = addTimes(ones.map((one) => one.firstTokens))
      return {
        model,
        nodes: sum(ones, ({ nodes }) => nodes),
        slots: sum(ones, ({ slots }) => slots),
        busy: sum(ones, ({ busy }) => busy),
        waiting: sum(ones, ({ waiting }) => waiting),
        requestsPerSecond: sum(ones, (one) => one.requestsPerSecond),
        tokensPerSecond: sum(ones, (one) => one.tokensPerSecond),
        firstTokenP50Ms: quantileMs(firstTokens, 0.5),
        firstTokenP99Ms: quantileMs(firstTokens, 0.99),
        promptPerMillion: rangeOf(ones.flatMap(({ promptPerMillion }) => promptPerMillion ?? [])),
        completionPerMillion: rangeOf(ones.flatMap(({ completionPerMillion }) => completionPerMillion ?? [])),
      }
    })
    .sort((a, b) => (a.model < b.model ? -1 : 1))
}

function nodeOf(node: FleetNode, gateways: readonly GatewayLive[]): LiveNode {
  const { id, organisationId, name, nodeClass, capability } = node
  const ones = gateways.flatMap(({ nodes }) => nodes.filter(({ nodeId }) => nodeId === id))
  const firstTokens = addTimes(ones.map((one) => one.firstTokens))
  const connected = ones.find(({ state }) => state !== 'online') ?? ones[0]
  const isWorking = node.presence === 'online' && !node.isDrained
  return {
    nodeId: id,
    organisationId,
    name,
    nodeClass,
    state:
      node.bannedReason !== null
        ? 'banned'
        : isWorking
          ? (connected?.state ?? 'online')
          : node.presence === 'online'
            ? 'draining'
            : node.presence,
    models: [
      ...new Set([
        ...(capability?.models ?? []).map((model) => model.id),
        ...ones.flatMap((one) => one.models),
      ]),
    ],
    slots: Math.max(0, ...ones.map(({ slots }) => slots)),
    busy: sum(ones, ({ busy }) => busy),
    tokensPerSecond: sum(ones, (one) => one.tokensPerSecond),
    firstTokenP50Ms: quantileMs(firstTokens, 0.5),
    failures: sum(ones, ({ failures }) => failures),
  }
}

const sum = <T>(items: readonly T[], read: (item: T) => number): number =>
  Math.round(items.reduce((total, item) => total + read(item), 0) * 100) / 100

function addTimes(lists: readonly (readonly number[])[]): number[] {
  const [first = [], ...others] = lists
  return first.map((count, index) => others.reduce((total, list) => total + (list[index] ?? 0), count))
}

const rangeOf = (ranges: readonly { min: bigint; max: bigint }[]): { min: bigint; max: bigint } | null =>
  ranges.length === 0
    ? null
    : ranges.reduce((a, b) => ({ min: minimum(a.min, b.min), max: maximum(a.max, b.max) }))
