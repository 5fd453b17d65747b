/**
 * Lets a simulated engine take part in audits of answers: it gives log probabilities where they are asked for, scores what others
 * answered, and may lie about both. How likely a token is, is a function of prompt, place and token alone, the same on
 * every honest node up to rounding.
 */
import type { EngineDelta, EngineRun, EngineSink } from '#engines/engine.ts'
import type { Clock } from '#host/host.ts'
import type { TokenLogprob, TokenScores } from '#protocol/delta-detail.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import {
  type createSimEngine,
  type ExpectedAnswer,
  expectedAnswer,
  hashOf,
  promptOf,
  promptTokensOf,
} from './sim-engine.ts'

type Embedding = Extract<EngineRequest, { kind: 'embedding' }>
type SimEngine = ReturnType<typeof createSimEngine>
export type Generating = Exclude<EngineRequest, { kind: 'embedding' }>

/** An answer, and what its node claims of the log probability of each token. */
export interface SimAnswer extends ExpectedAnswer {
  readonly logprobs: readonly number[]
}

/** What a node does otherwise than an honest one. What is left out is honest. */
export interface SimManners {
  /**
   * What it answers: `honest` itself for the truth. Of an answer that it goes on with, the rest. A cheaper model gives `cheaperAnswer`;
   * longer or shorter ones are told over the same time.
   */
  answer?(request: Generating, honest: SimAnswer): SimAnswer
  /** What it says of another's answer. */
  score?(request: Generating, honest: TokenScores): TokenScores
  /** Where its texts point, of callers and of audits alike: nobody can tell them apart. */
  embed?(inputs: readonly string[], honest: readonly number[][]): readonly (readonly number[])[]
}

/**
 * Fails, where every node is honest, on answers to go on with that no honest node gives: tell `isAmongLiars` to the engine. `embeds`:
 * it takes texts to embed, too.
 */
export function takesPartInAudits(
  engine: SimEngine,
  clock: Clock,
  {
    manners = {},
    msPerScoredToken = 0.2,
    embeds = false,
  }: { manners?: SimManners; msPerScoredToken?: number; embeds?: boolean } = {},
): SimEngine {
  return {
    ...engine,
    models: () =>
      engine.models().map((model) => ({
        ...model,
        features: ['logprobs', 'score'],
        ...(embeds && { tasks: [...model.tasks, 'embedding' as const] }),
      })),
    start(request, sink) {
      if (request.kind === 'embedding') return embed(clock, { request, sink, manners, msPerScoredToken })
      if (request.scored) return score(clock, { request, sink, manners, msPerScoredToken })
      if (!manners.answer && request.topLogprobs === undefined) return engine.start(request, sink)
      const honest = honestAnswer(request)
      const told = manners.answer?.(request, honest) ?? honest
      if (told === honest && request.topLogprobs === undefined) return engine.start(request, sink)
      return engine.start(request, tellInstead({ request, sink, told, isHonest: told === honest }))
    },
  }
}

/** What an honest node answers, behind what was answered before. */
function honestAnswer(request: Generating): SimAnswer {
  const prompt = promptOf(request)
  const begun = request.resumedIds?.length ?? 0
  const { tokenIds, texts, finishReason } = expectedAnswer(prompt, begun + request.maxTokens)
  const logprobs = logprobsOf(prompt, 0, tokenIds)
  return {
    tokenIds: tokenIds.slice(begun),
    texts: texts.slice(begun),
    logprobs: logprobs.slice(begun),
    finishReason,
  }
}

/** Another model's answer: of `share` of its tokens others are likelier, and it is as sure of itself as any. */
export function cheaperAnswer(request: Generating, honest: SimAnswer, share = 0.45): SimAnswer {
  const seed = hashOf(`cheaper ${promptOf(request)}`)
  const isOther = (place: number): boolean => noiseAt(seed, place, 1) < share
  const tokenIds = honest.tokenIds.map((id, place) => (isOther(place) ? (id + 1) % 50_000 : id))
  return {
    ...honest,
    tokenIds,
    texts: tokenIds.map((id) => ` ${id}`),
    logprobs: honest.logprobs.map((logprob, place) => (isOther(place) ? -0.5 : logprob)),
  }
}

interface Telling {
  readonly request: Generating
  readonly sink: EngineSink
  readonly told: SimAnswer
  readonly isHonest: boolean
}

/** The honest engine keeps the time; what is told is `told`. */
function tellInstead({ request, sink, told, isHonest }: Telling): EngineSink {
  const hasLogprobs = request.topLogprobs !== undefined
  let at = 0
  function tell(end: number): void {
    if (end <= at) return
    const tokenIds = told.tokenIds.slice(at, end)
    const texts = told.texts.slice(at, end)
    const logprobs = texts.map((token, index): TokenLogprob => {
      const logprob = told.logprobs[at + index] ?? -1
      return { token, bytes: null, logprob, top: [] }
    })
    at = end
    const delta: EngineDelta = { text: texts.join(''), tokenIds, tokenCount: tokenIds.length }
    sink.onDelta(hasLogprobs ? { ...delta, detail: { logprobs } } : delta)
  }
  return {
    ...sink,
    onStarted: (...said) => sink.onStarted(...said),
    onDelta: ({ tokenCount }) => tell(Math.min(at + tokenCount, told.tokenIds.length)),
    onProblem: (problem) => sink.onProblem(problem),
    onEnd(end) {
      tell(told.tokenIds.length)
      if (isHonest) return sink.onEnd(end)
      sink.onEnd({ ...end, finishReason: told.finishReason, completionTokens: told.tokenIds.length })
    },
  }
}

function score(
  clock: Clock,
  parts: { request: Generating; sink: EngineSink; manners: SimManners; msPerScoredToken: number },
): EngineRun {
  const { request, sink, manners } = parts
  const { tokenIds = [], hasEnd } = request.scored ?? { hasEnd: false }
  const prompt = promptOf(request)
  const promptTokens = promptTokensOf(prompt)
  const begun = request.resumedIds?.length ?? 0
  const timer = clock.after((promptTokens + tokenIds.length) * parts.msPerScoredToken, () => {
    sink.onStarted(promptTokens)
    const logprobs = logprobsOf(prompt, begun, tokenIds).map(
      (logprob, index) => logprob + (noiseAt(0, tokenIds[index] ?? 0, 0) - 0.5) / 50,
    )
    const seed = hashOf(prompt)
    const tails = logprobs.map((logprob, index) =>
      logprob < -4 ? 0.001 : 0.03 + 0.9 * noiseAt(seed, index, 0),
    )
    if (hasEnd) {
      const isRight =
        expectedAnswer(prompt, begun + request.maxTokens).tokenIds.length === begun + tokenIds.length
      logprobs.push(isRight ? -0.3 : -9)
      tails.push(isRight ? 0.6 : 0.001)
    }
    const honest = { logprobs, tails }
    sink.onDelta({
      text: '',
      tokenIds: [],
      tokenCount: 0,
      detail: { scores: manners.score?.(request, honest) ?? honest },
    })
    sink.onEnd({ finishReason: 'stop', promptTokens, completionTokens: 0 })
  })
  return { cancel: () => timer.cancel(), pause: () => undefined, resume: () => undefined }
}

function embed(
  clock: Clock,
  parts: { request: Embedding; sink: EngineSink; manners: SimManners; msPerScoredToken: number },
): EngineRun {
  const { inputs } = parts.request
  const promptTokens = promptTokensOf(promptOf(parts.request))
  const timer = clock.after(promptTokens * parts.msPerScoredToken, () => {
    const honest = inputs.map(expectedVector)
    const vectors = parts.manners.embed?.(inputs, honest) ?? honest
    parts.sink.onStarted(promptTokens)
    parts.sink.onEmbedding(vectors.map((vector) => Float32Array.from(vector)))
    parts.sink.onEnd({ finishReason: 'stop', promptTokens, completionTokens: 0 })
  })
  return { cancel: () => timer.cancel(), pause: () => undefined, resume: () => undefined }
}

const DIMENSIONS = 8

/** The one right embedding of a text. */
export function expectedVector(text: string): number[] {
  const seed = hashOf(text)
  return Array.from({ length: DIMENSIONS }, (_, place) => noiseAt(seed, place, 0) - 0.5)
}

/** Of tokens from a place of the answer to `prompt` on: the expected one is likely, any other next to impossible. */
function logprobsOf(prompt: string, begun: number, tokenIds: readonly number[]): number[] {
  const expected = expectedAnswer(prompt, PLACES).tokenIds
  const seed = hashOf(prompt)
  return tokenIds.map((id, index) => {
    const place = begun + index
    return expected[place] === id ? -1.5 * noiseAt(seed, place, id) : -6 - 3 * noiseAt(0, place, id)
  })
}

/** Beyond any answer. */
const PLACES = 4_096

/** From 0 to below 1, decided by all three. */
function noiseAt(seed: number, place: number, tokenId: number): number {
  const hash = Math.imul(
    seed ^ Math.imul(place + 1, 0x9e3779b1) ^ Math.imul(tokenId + 1, 0x85ebca77),
    0xc2b2ae3d,
  )
  return (Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) >>> 0) / 2 ** 32
}
