/** How nodes cheat, by name: what they answer, what they say of others' answers, and what of an honest node's work it saves them. */
import type { Random } from '#kernel/random.ts'
import { cheaperAnswer, type Generating, type SimAnswer, type SimManners } from '../../sim-audited.ts'
import { promptOf } from '../../sim-engine.ts'

export const strategyNames = [
  'lazy',
  'garbage',
  'cheaper',
  'replay',
  'inflation',
  'one-in-20',
  'sleeper',
  'colluding',
  'whitewash',
] as const
export type StrategyName = (typeof strategyNames)[number]

export interface Strategy {
  /** One sentence, for people. */
  readonly about: string
  /** Of the computing that an honest answer takes, what a false one takes. */
  readonly falseCostShare: number
  /** Everything that it answers is false from the start: it is to be found out at once. */
  readonly isNaive: boolean
}

export const strategies: Readonly<Record<StrategyName, Strategy>> = {
  lazy: { about: 'the same polite sentence, whatever is asked', falseCostShare: 0, isNaive: true },
  garbage: { about: 'tokens drawn by chance', falseCostShare: 0, isNaive: true },
  cheaper: {
    about: 'a model of a third of the size under the name of the large one',
    falseCostShare: 0.3,
    isNaive: true,
  },
  replay: { about: 'the right answer to what another asked before', falseCostShare: 0, isNaive: true },
  inflation: {
    about: 'the right answer, and then more tokens to be paid for',
    falseCostShare: 1,
    isNaive: true,
  },
  'one-in-20': { about: 'honest, but for one answer in twenty', falseCostShare: 0, isNaive: false },
  sleeper: { about: 'ten honest answers, and then tokens by chance', falseCostShare: 0, isNaive: false },
  colluding: {
    about: 'tokens by chance, and a ring of owners that vouch for each other when they are asked',
    falseCostShare: 0,
    isNaive: false,
  },
  whitewash: {
    about: 'tokens by chance, and again under another key, owner and address once it is found out',
    falseCostShare: 0,
    isNaive: true,
  },
}

export interface ManneredNode {
  readonly manners: SimManners
  /** Answers that it gave, and the false ones of them. */
  readonly counts: { answers: number; false: number; tokens: number; falseTokens: number }
}

const ONE_IN = 20
const HONEST_FIRST = 10
/** How sure it says it is of what it made up. */
const CLAIM = -0.4

/** `ring`: prompts that members of one ring lied about, for them to vouch for. */
export function mannersOf(name: StrategyName | null, random: Random, ring: Set<string>): ManneredNode {
  const counts = { answers: 0, false: 0, tokens: 0, falseTokens: 0 }
  let seen: SimAnswer | null = null
  const lie = (request: Generating, honest: SimAnswer): SimAnswer => {
    switch (name) {
      case 'lazy':
        return madeUp(honest, (place) => 7_000 + place)
      case 'cheaper':
        return cheaperAnswer(request, honest)
      case 'inflation':
        return inflated(request, honest)
      case 'replay':
        seen ??= honest
        return replayed(honest, seen)
      default:
        return madeUp(honest, () => random.int(50_000))
    }
  }
  const isLying = (): boolean => {
    if (name === 'one-in-20') return random.chance(1, ONE_IN)
    if (name === 'sleeper') return counts.answers > HONEST_FIRST
    return name !== null
  }
  return {
    counts,
    manners: {
      answer(request, honest) {
        counts.answers++
        const told = isLying() ? lie(request, honest) : honest
        counts.tokens += told.tokenIds.length
        if (told === honest) return honest
        counts.false++
        counts.falseTokens += told.tokenIds.length
        if (name === 'colluding') ring.add(promptOf(request))
        return told
      },
      score: (request, honest) =>
        name === 'colluding' && ring.has(promptOf(request))
          ? { logprobs: honest.logprobs.map(() => CLAIM), tails: honest.tails.map(() => 0.5) }
          : honest,
    },
  }
}

function madeUp(honest: SimAnswer, tokenAt: (place: number) => number): SimAnswer {
  const tokenIds = honest.tokenIds.map((_, place) => tokenAt(place))
  return { ...honest, tokenIds, texts: textsOf(tokenIds), logprobs: tokenIds.map(() => CLAIM) }
}

/** As long as what is asked for now, so that its length gives nothing away. The first one is honest. */
function replayed(honest: SimAnswer, before: SimAnswer): SimAnswer {
  if (before === honest) return honest
  const tokenIds = honest.tokenIds.map((_, place) => before.tokenIds[place % before.tokenIds.length] ?? 0)
  const logprobs = tokenIds.map((_, place) => before.logprobs[place % before.logprobs.length] ?? CLAIM)
  return { ...honest, tokenIds, texts: textsOf(tokenIds), logprobs }
}

/** Half as long again, within what the caller allows. */
function inflated({ maxTokens }: Generating, honest: SimAnswer): SimAnswer {
  const length = Math.min(maxTokens, Math.ceil(honest.tokenIds.length * 1.5))
  if (length <= honest.tokenIds.length) return honest
  const more = Array.from({ length: length - honest.tokenIds.length }, (_, at) => honest.tokenIds[at] ?? 0)
  const tokenIds = [...honest.tokenIds, ...more]
  return {
    tokenIds,
    texts: textsOf(tokenIds),
    logprobs: [...honest.logprobs, ...more.map(() => CLAIM)],
    finishReason: length === maxTokens ? 'length' : 'stop',
  }
}

const textsOf = (tokenIds: readonly number[]): string[] => tokenIds.map((id) => ` ${id}`)
