/** Child side: how likely the model finds the tokens of an answer that it did not give. One pass, as over a prompt. */
import type { ControlledEvaluateInputItem, LlamaContextSequence, Token } from 'node-llama-cpp'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import type { DecodeRounds } from './decode-rounds.ts'
import { BATCH_TOKENS, type LoadedModel } from './llama-model.ts'

export interface Scoring {
  readonly sequence: LlamaContextSequence
  /** At least one token: the first of `answer` is found behind it. */
  readonly prompt: readonly Token[]
  readonly answer: readonly Token[]
  /** After the answer the likeliest of these is scored, too; none: its end is not looked at. */
  readonly ends: readonly Token[]
  /** Of the request: what it draws by. */
  readonly temperature: number
}

export interface ScoringControl {
  readonly rounds: DecodeRounds
  /** Resolves at once unless paused; false when the request was cancelled. */
  mayGoOn(): boolean | Promise<boolean>
  onProgress(): void
  onScores(scores: { logprobs: number[]; tails: number[] }): void
}

/** So many of the likeliest tokens are told one by one: what is behind them is one mass. */
const TOP = 64
/** Below it a tie would be decided by rounding. */
const TEMPERATURE_MIN = 0.2
/** What is impossible. */
const LOGPROB_MIN = -100

/** Resolves to false when cancelled. */
export async function scoreAnswer(job: Scoring, control: ScoringControl): Promise<boolean> {
  const { sequence, prompt, answer, ends } = job
  await sequence.adaptStateToTokens([...prompt.slice(0, -1)], false)
  for (let at = sequence.nextTokenIndex; at < prompt.length - 1; at += BATCH_TOKENS) {
    if (!(await control.mayGoOn())) return false
    const batch = prompt.slice(at, Math.min(at + BATCH_TOKENS, prompt.length - 1))
    await control.rounds.join(() => sequence.evaluateWithoutGeneratingNewTokens([...batch]))
    control.onProgress()
  }
  // Each token is found behind the one before it, and the end behind the last.
  const behind = [...prompt.slice(-1), ...answer]
  const targets: (readonly Token[])[] = [
    ...answer.map((token) => [token]),
    ...(ends.length > 0 ? [ends] : []),
  ]
  for (let at = 0; at < targets.length; at += BATCH_TOKENS) {
    if (!(await control.mayGoOn())) return false
    const wanted = targets.slice(at, at + BATCH_TOKENS)
    const items = wanted.map((target, index) => itemOf(behind[at + index] ?? (0 as Token), target))
    const found = await control.rounds.join(() => sequence.controlledEvaluate(items))
    control.onProgress()
    const scores = { logprobs: [] as number[], tails: [] as number[] }
    for (const [index, target] of wanted.entries()) {
      const next = found[index]?.next
      const { logprob, tail } = scoreOf(target, next?.logits ?? new Map(), {
        weight: next?.totalLogitWeight ?? 1,
        temperature: Math.max(TEMPERATURE_MIN, job.temperature),
      })
      scores.logprobs.push(logprob)
      scores.tails.push(tail)
    }
    control.onScores(scores)
  }
  return true
}

/**
 * What `request` asks to be scored behind `prompt`. Throws `Problem('invalid_request')` for tokens that are none of this model's, and
 * `Problem('context_length_exceeded')` for what does not fit.
 */
export function scoringOf(
  { scored, sampling }: Pick<Exclude<EngineRequest, { kind: 'embedding' }>, 'scored' | 'sampling'>,
  of: { loaded: LoadedModel; prompt: readonly Token[]; sequence: LlamaContextSequence },
): Scoring {
  const { loaded, prompt, sequence } = of
  const { tokenIds, text = '', hasEnd = false } = scored ?? {}
  const answer = (tokenIds ?? loaded.tokenizer.tokenize(text, false)) as Token[]
  const strange = answer.find((id) => id >= loaded.tokenCount)
  if (strange !== undefined)
    throw new Problem('invalid_request', `Token ${strange} is none of this model's ${loaded.tokenCount}.`)
  const { contextTokens } = loaded
  if (prompt.length + answer.length > contextTokens)
    throw new Problem('context_length_exceeded', `An answer to score must fit ${contextTokens} tokens.`)
  const { eos, eot } = loaded.model.tokens
  const ends = hasEnd ? [...new Set([eos, eot])].filter((token) => token !== null) : []
  return { sequence, prompt, answer, ends, temperature: sampling.temperature }
}

const itemOf = (token: Token, target: readonly Token[]): ControlledEvaluateInputItem => [
  token,
  {
    generateNext: {
      logits: { filter: { tokens: [...target], includeMax: true, includeTop: TOP } },
      totalLogitWeight: true,
      options: { temperature: 0 },
    },
  },
]

/**
 * `weight`: the sum of all exponentials of logits over the largest one. `tail` is an upper bound of the chance that a token no
 * likelier is drawn: what is behind the top is taken as likely as the last of the top allows.
 */
export function scoreOf(
  target: readonly Token[],
  logits: ReadonlyMap<Token, number>,
  { weight, temperature }: { weight: number; temperature: number },
): { logprob: number; tail: number } {
  const largest = Math.max(...logits.values(), Number.NEGATIVE_INFINITY)
  if (!Number.isFinite(largest)) return { logprob: LOGPROB_MIN, tail: 0 }
  const own = Math.max(...target.map((token) => logits.get(token) ?? Number.NEGATIVE_INFINITY))
  const logprob = Math.max(LOGPROB_MIN, own - largest - Math.log(weight))
  const sorted = [...logits.values()].sort((a, b) => b - a).slice(0, TOP)
  const last = (sorted.at(-1) ?? largest) - largest
  const topAtOne = sorted.reduce((sum, logit) => sum + Math.exp(logit - largest), 0)
  const restAtOne = Math.max(0, weight - topAtOne)
  // Each of the rest weighs at most as much as the last of the top: so does any power of it.
  const rest = temperature <= 1 ? restAtOne * Math.exp(last * (1 / temperature - 1)) : restAtOne
  let likelier = 0
  let all = rest
  for (const logit of sorted) {
    const mass = Math.exp((logit - largest) / temperature)
    all += mass
    if (logit > own) likelier += mass
  }
  return { logprob, tail: Math.min(1, Math.max(0, 1 - likelier / all)) }
}
