/**
 * How fast a model is on this machine: measured, because a price per token follows from it and no data sheet knows the
 * machine's other load. Works on any engine, takes about three seconds, and is meant for an engine without other work.
 */
import type { Clock } from '#host/host.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import type { Engine, EngineModel } from './engine.ts'

export interface ModelSpeed {
  readonly prefillTokensPerSecond: number
  /** All slots busy, together. */
  readonly decodeTokensPerSecond: number
  /** One request alone. */
  readonly decodeTokensPerSecondSingle: number
}

interface MeasurePorts {
  readonly engine: Engine
  readonly clock: Clock
  readonly nextPrompt: (words: number) => string
}

const PREFILL_MS_MAX = 1_000
const DECODE_MS = 800
/** Prompts grow by this factor while they take less than `PREFILL_MS_ENOUGH`. */
const PREFILL_GROWTH = 4
const PREFILL_MS_ENOUGH = 250
const WORDS_FIRST = 16
/** Of the longest prompt. */
const PREFILL_RUNS = 3
/** A slow model may take its time to the first token: a late figure is worth more than none. */
const PATIENCE_MS = 30_000
const STREAM_TOKENS_MAX = 512

/**
 * Rejects with the engine's `Problem` when the model does not answer, and with `model_not_found` for another model.
 * A model that only embeds has speeds of 0; so has one that shows no token in half a minute.
 */
export async function measureModel(engine: Engine, modelId: string, clock: Clock): Promise<ModelSpeed> {
  const ports = { engine, clock, nextPrompt: createPrompts(clock) }
  const model = engine.models().find(({ id }) => id === modelId)
  if (model === undefined) throw new Problem('model_not_found', `The engine does not serve ${modelId}.`)
  if (!model.tasks.includes('completion')) {
    return { prefillTokensPerSecond: 0, decodeTokensPerSecond: 0, decodeTokensPerSecondSingle: 0 }
  }
  const promptTokensPerSecond = await measurePrefill(ports, model)
  const decodeTokensPerSecondSingle = await measureDecode(ports, model, 1)
  const decodeTokensPerSecond =
    model.slots === 1 ? decodeTokensPerSecondSingle : await measureDecode(ports, model, model.slots)
  // A prompt's tokens are computed side by side, those of an answer one after the other: less would be a disturbance.
  const prefillTokensPerSecond = Math.max(
    promptTokensPerSecond,
    decodeTokensPerSecond,
    decodeTokensPerSecondSingle,
  )
  return { prefillTokensPerSecond, decodeTokensPerSecond, decodeTokensPerSecondSingle }
}

/**
 * The best of several runs: small prompts mostly measure the way there and back, and whatever else the machine does only makes a
 * run slower. The first run of all starts what the engine has not started yet, so its time does not end the growth.
 */
async function measurePrefill(ports: MeasurePorts, model: EngineModel): Promise<number> {
  let best = 0
  const run = async (words: number, limitMs: number): Promise<number | null> => {
    const sample = await runFor(ports, { model, prompt: ports.nextPrompt(words), maxTokens: 1 }, limitMs)
    if (sample.promptTokens === null) return null
    best = Math.max(best, sample.promptTokens / (sample.tookMs / 1000))
    return sample.tookMs
  }
  if ((await run(WORDS_FIRST, PATIENCE_MS)) === null) return best
  const startedMs = ports.clock.elapsedMs()
  let words = WORDS_FIRST
  for (let runs = 0; runs < PREFILL_RUNS; ) {
    const leftMs = startedMs + PREFILL_MS_MAX - ports.clock.elapsedMs()
    if (leftMs <= 0) break
    const tookMs = await run(words, leftMs)
    if (tookMs === null) break
    const longer = words * PREFILL_GROWTH
    if (tookMs < PREFILL_MS_ENOUGH && longer <= model.contextTokens / 8) words = longer
    else runs++
  }
  return best
}

/** Streams that end early (a model may have little to say) are followed by new ones until the time is over. */
async function measureDecode(ports: MeasurePorts, model: EngineModel, streams: number): Promise<number> {
  const startedMs = ports.clock.elapsedMs()
  const maxTokens = Math.min(STREAM_TOKENS_MAX, Math.max(1, model.contextTokens - 64))
  const stream = async (): Promise<number> => {
    let tokens = 0
    for (;;) {
      const leftMs = startedMs + DECODE_MS - ports.clock.elapsedMs()
      if (leftMs <= 0) return tokens
      const sample = await runFor(ports, { model, prompt: ports.nextPrompt(4), maxTokens }, leftMs)
      tokens += sample.completionTokens
      if (sample.completionTokens === 0) return tokens
    }
  }
  const counts = await Promise.all(Array.from({ length: streams }, stream))
  const tookMs = ports.clock.elapsedMs() - startedMs
  return counts.reduce((sum, count) => sum + count, 0) / (tookMs / 1000)
}

interface SampleRequest {
  readonly model: EngineModel
  readonly prompt: string
  readonly maxTokens: number
}
interface Sample {
  readonly tookMs: number
  readonly completionTokens: number
  /** `null` when the time was over before the end. */
  readonly promptTokens: number | null
}

/** Runs until its end, or until `limitMs` have passed and at least one token was seen. */
function runFor({ engine, clock }: MeasurePorts, sample: SampleRequest, limitMs: number): Promise<Sample> {
  const { promise, resolve, reject } = Promise.withResolvers<Sample>()
  const startedMs = clock.elapsedMs()
  const tookMs = () => Math.max(clock.elapsedMs() - startedMs, 0.01)
  let completionTokens = 0
  const finish = (promptTokens: number | null) => {
    timer.cancel()
    resolve({ tookMs: tookMs(), completionTokens, promptTokens })
  }
  const giveUp = () => {
    run.cancel()
    finish(null)
  }
  let timer = clock.after(Math.max(0, limitMs), () => {
    if (completionTokens > 0) giveUp()
    else timer = clock.after(PATIENCE_MS, giveUp)
  })
  const run = engine.start(toRequest(sample), {
    onStarted: () => undefined,
    onDelta: ({ tokenCount }) => {
      completionTokens += tokenCount
      if (tookMs() >= limitMs) giveUp()
    },
    onEmbedding: () => undefined,
    onEnd: ({ promptTokens }) => finish(promptTokens),
    onProblem: (problem) => {
      timer.cancel()
      reject(problem)
    },
  })
  return promise
}

/** Each begins differently, so that no engine answers from the state of an earlier one. */
function createPrompts(clock: Clock): (words: number) => string {
  let count = 0
  return (words) => `${++count} of ${clock.nowMs()}:${' machine'.repeat(words)}`
}

const toRequest = ({ model, prompt, maxTokens }: SampleRequest): EngineRequest => ({
  kind: 'completion',
  requestId: 'measure',
  model: model.id,
  prompt,
  maxTokens,
  sampling: { temperature: 1, topP: 1, seed: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 },
})
