import type { Model, Models } from '#models/models.ts'
import type { FollowedModel, WantedModel } from '#protocol/model-catalogue.ts'

/** What the node is to serve by the network's choice, in the order of names. */
export function wantedModels({ catalogue, placements }: Models, nodeId: string): WantedModel[] {
  return [...(placements.get(nodeId)?.keys() ?? [])]
    .sort()
    .flatMap((name) => catalogue.get(name) ?? [])
    .map(({ name, key, source, facts, settings: { contextTokens, slots } }) => ({
      model: name,
      key,
      source,
      contextTokens,
      slots,
      ...(facts && { facts }),
    }))
}

/** The catalogue as gateways know it. */
export const followedModels = ({ catalogue }: Models): FollowedModel[] =>
  [...catalogue.values()].map(({ name, source, settings }) => ({
    model: name,
    price: settings.price,
    priceMax: priceBoundOf(settings),
    minClass: settings.minClass,
    contextTokens: settings.contextTokens,
    isUpstream: source.kind === 'upstream',
  }))

/** What a node may ask at most. */
export const priceBoundOf = ({ price, priceMax }: Model['settings']): Model['settings']['price'] =>
  priceMax ?? price
