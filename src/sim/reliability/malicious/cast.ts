/** Who is who in a network with liars: each liar stands beside an honest twin, and whoever washes himself clean has lives in reserve. */
import { assert } from '#kernel/assert.ts'
import { forkRandom, type Random } from '#kernel/random.ts'
import { promptOf, promptTokensOf } from '../../sim-engine.ts'
import { type ManneredNode, mannersOf, type StrategyName, strategyNames } from './strategies.ts'

export interface Member extends ManneredNode {
  readonly index: number
  /** `null`: honest. */
  readonly strategy: StrategyName | null
  /** Of a liar: the honest node that it is compared with. */
  readonly twin: number | null
  /** Of a whitewasher's later life: the member that it was first. */
  readonly firstLife: number | null
  readonly organisationId: string
  /** What it scored for others, in tokens that it read. */
  scoredTokens: number
}

export interface Cast {
  readonly members: readonly Member[]
  /** Members there from the beginning; the others are later lives. */
  readonly present: number
}

/** Of a ring fewer than three are no ring. */
const RING_MIN = 3

/** So many liars of each kind that `share` percent of the nodes lie, and no kind is missing. */
export function castOf(
  { nodes, sharePercent, livesMax }: { nodes: number; sharePercent: number; livesMax: number },
  random: Random,
): Cast {
  const liars = Math.round((nodes * sharePercent) / 100)
  assert(liars >= strategyNames.length + RING_MIN - 1, 'there are liars of each kind')
  assert(2 * liars <= nodes, 'each liar has an honest twin')
  const kinds: StrategyName[] = [...strategyNames, 'colluding', 'colluding']
  for (let at = 0; kinds.length < liars; at++) kinds.push(strategyNames[at % strategyNames.length] ?? 'lazy')
  const ring = new Set<string>()
  const members: Member[] = []
  const add = (strategy: StrategyName | null, of: Pick<Member, 'twin' | 'firstLife'>): void => {
    const index = members.length
    const mannered = mannersOf(strategy, forkRandom(random), ring)
    members.push({
      ...mannered,
      ...of,
      index,
      strategy,
      organisationId: organisationOf(index),
      scoredTokens: 0,
    })
  }
  for (const kind of kinds) {
    add(kind, { twin: members.length + 1, firstLife: null })
    add(null, { twin: null, firstLife: null })
  }
  while (members.length < nodes) add(null, { twin: null, firstLife: null })
  for (const { index, strategy } of [...members])
    for (let life = 0; strategy === 'whitewash' && life < livesMax; life++)
      add('whitewash', { twin: null, firstLife: index })
  return { members, present: nodes }
}

/** Every node has an owner of its own, so that an account is what one node earned. */
const organisationOf = (index: number): string => `org_owner${String(index).padStart(4, '0')}`

/** How it behaves, and what it scores is counted. */
export function playedBy(member: Member): ManneredNode['manners'] {
  const { manners } = member
  return {
    answer: (request, honest) => manners.answer?.(request, honest) ?? honest,
    score(request, honest) {
      member.scoredTokens += honest.logprobs.length + promptTokensOf(promptOf(request))
      return manners.score?.(request, honest) ?? honest
    },
  }
}
