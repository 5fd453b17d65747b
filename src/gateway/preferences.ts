/**
 * Which nodes a caller allows for its request, and what it puts first. Pure: the same node and wishes give the same
 * answer. Where no node is left, `noMatch` says which wish shut out how many and which one to give up.
 */
import type { NanoUsd } from '#kernel/money.ts'
import { formatUsd } from '#kernel/money.ts'
import { isClassEnough, isWithin, type NodeClass, type Region } from '#protocol/node-class.ts'
import { Problem } from '#protocol/problem.ts'
import type { ProviderPreferences } from '#protocol/provider-preferences.ts'
import type { Offer } from './node-connection.ts'

/** What of a node is not in its offer. */
export interface NodeFacts {
  readonly nodeId: string
  readonly organisationId: string
  readonly nodeClass: NodeClass
  /** As its owner states it; `null` when unsaid. */
  readonly region: Region | null
  /** Its engine is known to keep nothing of what it is asked. */
  readonly keepsNoPrompts: boolean
  /** How well it works, from 0 to 1; absent: nothing is known. */
  readonly standing?: number
  /** By cell time; absent: not known. */
  readonly upSinceMs?: number
  /** Its version of the agent fails elsewhere. */
  readonly isHalted?: boolean
  readonly agentVersion?: string
  /** From where it joined, as `203.0.113.0/24`; absent where that is not known. */
  readonly network?: string
}

export type Condition = 'class' | 'regions' | 'only' | 'ignore' | 'data_collection' | 'max_price'

/** The wishes in the form in which nodes are compared with them. */
export interface Preferences {
  readonly sort: 'price' | 'latency' | 'throughput' | null
  readonly promptPerMillionMax: NanoUsd | null
  readonly completionPerMillionMax: NanoUsd | null
  readonly nodeClass: NodeClass
  readonly regions: readonly Region[] | null
  readonly only: ReadonlySet<string> | null
  readonly ignore: ReadonlySet<string> | null
  readonly keepsNoPrompts: boolean
  /** No second node may see the request to look at the answer. */
  readonly refusesAudits?: boolean
}

const NANO_PER_USD = 1e9

/** `undefined` where nothing is wished for. */
export function readPreferences(asked: ProviderPreferences | null | undefined): Preferences | undefined {
  if (!asked || Object.values(asked).every((value) => value === null || value === undefined)) return undefined
  return {
    sort: asked.sort ?? null,
    promptPerMillionMax: toNano(asked.max_price?.prompt),
    completionPerMillionMax: toNano(asked.max_price?.completion),
    nodeClass: asked.class ?? 'community',
    regions: asked.regions ?? null,
    only: asked.only ? new Set(asked.only) : null,
    ignore: asked.ignore ? new Set(asked.ignore) : null,
    keepsNoPrompts: asked.data_collection === 'deny',
    ...(asked.audits === 'deny' && { refusesAudits: true }),
  }
}

const toNano = (usd: number | null | undefined): NanoUsd | null =>
  usd === null || usd === undefined ? null : BigInt(Math.round(usd * NANO_PER_USD))

const conditions: Readonly<Record<Condition, (wish: Preferences, node: NodeFacts, offer: Offer) => boolean>> =
  {
    class: (wish, node) => isClassEnough(node.nodeClass, wish.nodeClass),
    regions: ({ regions }, { region }) =>
      regions === null || (region !== null && regions.some((asked) => isWithin(region, asked))),
    only: ({ only }, node) => only === null || only.has(node.nodeId) || only.has(node.organisationId),
    ignore: ({ ignore }, node) =>
      ignore === null || !(ignore.has(node.nodeId) || ignore.has(node.organisationId)),
    data_collection: (wish, node) => !wish.keepsNoPrompts || node.keepsNoPrompts,
    max_price: ({ promptPerMillionMax, completionPerMillionMax }, _node, { price }) =>
      (promptPerMillionMax === null || price.promptPerMillion <= promptPerMillionMax) &&
      (completionPerMillionMax === null || price.completionPerMillion <= completionPerMillionMax),
  }
const names = Object.keys(conditions) as Condition[]

/** The first condition that this node does not meet; `null` when it will do. */
export function excludes(wish: Preferences, node: NodeFacts, offer: Offer): Condition | null {
  for (const name of names) if (!conditions[name](wish, node, offer)) return name
  return null
}

/**
 * What is least is taken first; `null` where the caller leaves it to the load. Prices weigh a token of the prompt as
 * much as one of the answer.
 */
export function rankOf({ sort }: Preferences, { model, price }: Offer): number | null {
  if (sort === 'price') return Number(price.promptPerMillion + price.completionPerMillion)
  if (sort === 'throughput') return -model.decodeTokensPerSecondSingle
  return null
}

/** Why none of `candidates`, all that serve `what` now, will do. `null` when one will, or none is here. */
export function noMatch(
  what: string,
  wish: Preferences,
  candidates: readonly { readonly node: NodeFacts; readonly offer: Offer }[],
): Problem | null {
  if (candidates.length === 0) return null
  const failed = candidates.map(({ node, offer }) =>
    names.filter((name) => !conditions[name](wish, node, offer)),
  )
  if (failed.some((list) => list.length === 0)) return null
  const shutOut = names.flatMap((name) => {
    const count = failed.filter((list) => list.includes(name)).length
    return count === 0 ? [] : [`'provider.${name}' ${count}`]
  })
  // Whoever fails least is nearest: what it fails has to be given up together.
  const least = failed.reduce((best, list) => (list.length < best.length ? list : best))
  const key = least.join()
  const near = candidates.filter((_, index) => failed[index]?.join() === key)
  const param = `provider.${least[0]}`
  return new Problem(
    'no_matching_node',
    `None of the ${candidates.length} ${candidates.length === 1 ? 'node' : 'nodes'} that ${candidates.length === 1 ? 'serves' : 'serve'} ${what} is what you ask for. Shut out by ${shutOut.join(', by ')}. ${fixOf(least, wish, near)}`,
    { details: { param } },
  )
}

function fixOf(
  least: readonly Condition[],
  wish: Preferences,
  near: readonly { readonly node: NodeFacts; readonly offer: Offer }[],
): string {
  const changes = least.map((name) => changeOf(name, wish, near))
  return `Nearest: ${changes.join(' and ')}, for ${near.length} ${near.length === 1 ? 'node' : 'nodes'}.`
}

const SHOWN_MAX = 5

function changeOf(
  name: Condition,
  wish: Preferences,
  near: readonly { readonly node: NodeFacts; readonly offer: Offer }[],
): string {
  switch (name) {
    case 'class': {
      const best = near.some(({ node }) => node.nodeClass === 'vetted') ? 'vetted' : 'community'
      return `class '${best}' instead of '${wish.nodeClass}'`
    }
    case 'regions': {
      const there = [...new Set(near.flatMap(({ node }) => node.region ?? []))].sort().slice(0, SHOWN_MAX)
      return there.length > 0 ? `regions ${there.join(', ')}` : 'no regions, for these nodes state none'
    }
    case 'only':
      return "other nodes than those of 'only'"
    case 'ignore':
      return "one of those that 'ignore' names"
    case 'data_collection':
      return "data_collection 'allow'"
    case 'max_price': {
      const cheapest = near
        .map(({ offer }) => offer.price)
        .reduce((best, price) =>
          price.promptPerMillion + price.completionPerMillion <
          best.promptPerMillion + best.completionPerMillion
            ? price
            : best,
        )
      return `max_price of at least $${formatUsd(cheapest.promptPerMillion)} prompt and $${formatUsd(cheapest.completionPerMillion)} completion`
    }
  }
}
