import type { Node } from '#fleet/fleet.ts'
import { memoryMibOf } from '#models/memory.ts'
import { isPlaced, type Model } from '#models/models.ts'
import type { CatalogueModel } from '#protocol/model-catalogue.ts'
import { paginate } from '#protocol/page.ts'
import type { Caller, Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { addModel, changeModel, removeModel } from '../change-catalogue.ts'
import { NO_DEMAND } from '../gateway-news.ts'
import { createModelFleet } from '../model-fleet.ts'
import { act } from './act.ts'
import { execute, type HandlerParts, maySee, notFound } from './handler-parts.ts'

type Names = 'listCatalogue' | 'getCatalogueModel' | 'addModel' | 'changeModel' | 'removeModel'

export function modelHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, Names> {
  const { coordinator, crypto } = parts
  const { models, fleet } = coordinator.state
  const modelFleet = parts.models ?? createModelFleet(coordinator.state)
  const sha256 = (text: string): string => Buffer.from(crypto.sha256(text)).toString('hex')

  function shown(model: Model, caller: Caller): CatalogueModel {
    const { name, source, facts, settings, addedAtMs } = model
    const state = modelFleet.stateOf(name, coordinator.nowMs())
    const { replicas, shortage } = state
    const demand = state.demand ?? NO_DEMAND
    const { price, priceMax, minClass, contextTokens, slots, replicasMin, replicasMax } = settings
    return {
      name,
      source,
      price,
      priceMax,
      replicas: {
        min: replicasMin,
        max: replicasMax,
        wanted: Math.max(replicasMin, demand.wanted),
        ready: replicas.serving.length,
        loading: replicas.loading.length,
      },
      minClass,
      contextTokens,
      slots,
      facts,
      needMib: memoryMibOf(model),
      nodes: nodesOf(model, state.hosted, caller),
      demand: {
        requestsPerMinute: demand.requestsPerMinute,
        running: demand.sample.running,
        queued: demand.sample.queued,
        level: demand.level,
      },
      shortage,
      addedAtMs,
    }
  }

  function nodesOf(
    { name }: Model,
    hosted: ReturnType<typeof modelFleet.stateOf>['hosted'],
    caller: Caller,
  ): CatalogueModel['nodes'] {
    const serving = (node: Node) => node.capability?.models.find(({ id }) => id === name)
    return [...fleet.nodes.values()]
      .filter((node) => isPlaced(models, node.id, name) || (node.presence === 'online' && serving(node)))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .map((node) => {
        const told = hosted.get(node.id)
        const offer = node.presence === 'online' ? serving(node) : undefined
        const isTheirs = maySee(caller, node.organisationId)
        return {
          nodeId: isTheirs ? node.id : null,
          name: isTheirs ? node.name : null,
          stage: offer ? ('ready' as const) : (told?.stage ?? 'waiting'),
          etaMs: offer ? 0 : (told?.etaMs ?? null),
          problem: told?.problem?.message ?? null,
          tokensPerSecond: offer?.decodeTokensPerSecond ?? null,
          isPlaced: isPlaced(models, node.id, name),
        }
      })
  }

  const known = (name: string): Model => {
    const model = models.catalogue.get(name)
    if (!model) throw notFound('model', name)
    return model
  }

  return {
    listCatalogue: ({ query }, caller) =>
      execute(parts, () => {
        const names = [...models.catalogue.keys()].sort()
        const { items, next } = paginate(names, query, (name) => name, 'by_cursor')
        return { items: items.map((name) => shown(known(name), caller)), next }
      }),
    getCatalogueModel: ({ params }, caller) => execute(parts, () => shown(known(params.model), caller)),
    addModel: ({ body }, caller, context) =>
      act(
        parts,
        { caller, context },
        { objectId: body.name, details: { source: body.source.kind } },
        (turn) => {
          addModel(turn, body, sha256)
          return shown(known(body.name), caller)
        },
      ),
    changeModel: ({ params: { model }, body }, caller, context) =>
      act(
        parts,
        { caller, context },
        { objectId: model, details: { changed: changedNames(body) } },
        (turn) => {
          changeModel(turn, model, body)
          return shown(known(model), caller)
        },
      ),
    removeModel: ({ params: { model } }, caller, context) =>
      act(parts, { caller, context }, { objectId: model }, (turn) => {
        const before = shown(known(model), caller)
        removeModel(turn, model)
        return before
      }),
  }
}

const changedNames = (change: object): string =>
  Object.entries(change)
    .flatMap(([name, value]) => (value === undefined ? [] : name))
    .join(' ')
