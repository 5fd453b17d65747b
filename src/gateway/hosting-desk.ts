/**
 * The gateway's part in models that the network places: tells nodes what they are to serve, hears how far they are,
 * counts who asks for what, and knows what a node may be paid for a model of the catalogue.
 */
import type { Clock } from '#host/host.ts'
import { cachedPrice, type TokenPrice } from '#ledger/price.ts'
import { PROTOCOL_WITH_HOSTING } from '#protocol/agent-version.ts'
import type { Follow } from '#protocol/cell.ts'
import { encodeJsonFrame, FrameType } from '#protocol/frame.ts'
import type { HostedModel, WantedModels } from '#protocol/model-catalogue.ts'
import { isClassEnough } from '#protocol/node-class.ts'
import type { Problem } from '#protocol/problem.ts'
import { type SlaClass, stricter } from '#protocol/sla.ts'
import { coldModelAnswer } from './cold-model.ts'
import type { Directory } from './directory.ts'

/** What the desk needs to know of a connected node. */
export interface HostingNode {
  readonly nodeId: string
  /** Of the agent protocol, as agreed on for this connection. */
  readonly protocol: number
  /** What the node said last of the models that were placed on it. */
  readonly hosted: readonly HostedModel[]
  send(message: Uint8Array): void
  /** The network took these models from it, all others it may serve: it is not waited for with what it lost. */
  withdraw(models: ReadonlySet<string>): void
}

export interface HostingDesk {
  /** Tells `node` what it is to serve, unless it knows. */
  tell(node: HostingNode): void
  /** At what price a node's offer of `model` may be used: null when it may not. */
  quote(nodeId: string, model: string, asked: TokenPrice): TokenPrice | null
  /**
   * Counts a request. `not_ours` when the catalogue does not have the model; else null, when it may be taken in, or why
   * not. `isServed`: a node offers it now.
   */
  ask(
    model: string,
    situation: {
      readonly isServed: boolean
      readonly waitMs: number
      readonly slaClass?: SlaClass | undefined
    },
  ): Problem | null | 'not_ours'
  /** What the next call to the coordinator carries. */
  news(
    nodes: Iterable<HostingNode>,
    open: Iterable<{ readonly model: string; readonly isWaiting: boolean }>,
  ): Pick<Follow, 'demand' | 'hosted'>
}

/** Spare replicas are kept for so long after a request with a promise. */
const PROMISED_MS = 10 * 60_000

type HostingDirectory = Pick<Directory, 'catalogued' | 'cold' | 'epoch' | 'node' | 'version'>

export function createHostingDesk(
  { elapsedMs }: Pick<Clock, 'elapsedMs'>,
  directory: HostingDirectory,
): HostingDesk {
  /** What each connection was told last, and all models that it was ever told of. */
  const told = new WeakMap<HostingNode, { readonly text: string; readonly ever: ReadonlySet<string> }>()
  const requests = new Map<string, number>()
  /** The strictest promise that each model was asked for under, and when last. */
  const promised = new Map<string, { readonly slaClass: SlaClass; readonly atMs: number }>()

  function promise(model: string, slaClass: SlaClass): void {
    const before = promisedOf(model)
    if (slaClass !== 'none' && stricter(slaClass, before) === slaClass)
      promised.set(model, { slaClass, atMs: elapsedMs() })
  }
  function promisedOf(model: string): SlaClass {
    const known = promised.get(model)
    return known && elapsedMs() - known.atMs < PROMISED_MS ? known.slaClass : 'none'
  }

  return {
    tell(node) {
      const wanted = directory.node(node.nodeId)?.wanted
      if (!wanted || node.protocol < PROTOCOL_WITH_HOSTING) return
      const text = JSON.stringify(wanted)
      const before = told.get(node)
      if (before?.text === text) return
      const now = new Set(wanted.map(({ model }) => model))
      const ever = new Set([...(before?.ever ?? []), ...now])
      told.set(node, { text, ever })
      node.withdraw(new Set([...ever].filter((model) => !now.has(model))))
      const order: WantedModels = { epoch: directory.epoch(), version: directory.version(), models: wanted }
      node.send(encodeJsonFrame(FrameType.wantedModels, 0, order))
    },
    quote(nodeId, model, asked) {
      const entry = directory.catalogued(model)
      if (!entry) return asked
      const { minClass, priceMax, price, isUpstream } = entry
      if (!isClassEnough(directory.node(nodeId)?.nodeClass ?? 'community', minClass)) return null
      // What another server computes has no hour of a GPU behind it: the operator set its price.
      if (isUpstream && price && directory.node(nodeId)?.wanted?.some((wanted) => wanted.model === model))
        return {
          promptPerMillion: price.input,
          completionPerMillion: price.output,
          ...cachedPrice(price.input, price.cached),
        }
      const isTooDear =
        priceMax !== null &&
        (asked.promptPerMillion > priceMax.input || asked.completionPerMillion > priceMax.output)
      if (isTooDear) return null
      // Nobody states an ask for what it has read before: it costs what callers are quoted for it at most.
      const { promptPerMillion } = asked
      return { ...asked, ...cachedPrice(asked.cachedPerMillion ?? promptPerMillion, priceMax?.cached) }
    },
    ask(model, { isServed, waitMs, slaClass = 'none' }) {
      if (!directory.catalogued(model)) return 'not_ours'
      promise(model, slaClass)
      requests.set(model, (requests.get(model) ?? 0) + 1)
      if (isServed) return null
      const { cold, toldAtMs } = directory.cold(model)
      return coldModelAnswer({ model, cold, toldMsAgo: elapsedMs() - toldAtMs, waitMs })
    },
    news(nodes, open) {
      const hosted = [...nodes].flatMap(({ nodeId, hosted: models }) =>
        models.length > 0 ? [{ nodeId, models: [...models] }] : [],
      )
      const now = new Map<string, { running: number; queued: number }>()
      for (const { model, isWaiting } of open) {
        const count = now.get(model) ?? { running: 0, queued: 0 }
        count[isWaiting ? 'queued' : 'running']++
        now.set(model, count)
      }
      for (const model of requests.keys()) if (!directory.catalogued(model)) requests.delete(model)
      const demand = [...requests].map(([model, count]) => ({
        model,
        requests: count,
        ...(now.get(model) ?? { running: 0, queued: 0 }),
        ...(promisedOf(model) !== 'none' && { slaClass: promisedOf(model) }),
      }))
      return { ...(demand.length > 0 && { demand }), ...(hosted.length > 0 && { hosted }) }
    },
  }
}
