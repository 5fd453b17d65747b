/** Child side: one request on one sequence, from prompt tokens to its end. */
import type { LlamaContextSequence, SequenceEvaluateOptions, Token } from 'node-llama-cpp'
import type { Sampling } from '#protocol/engine-request.ts'
import { type AnswerPiece, AnswerPieces } from './answer-pieces.ts'
import type { Constraint } from './constraint.ts'
import type { DecodeRounds } from './decode-rounds.ts'
import { DeltaAssembler } from './delta-assembler.ts'
import { observeLogprobs, tokenBias } from './llama-internals.ts'
import { BATCH_TOKENS } from './llama-model.ts'
import type { TokenPieces } from './token-pieces.ts'
import type { ToolCallReader } from './tool-call-reader.ts'

export interface Generation {
  readonly sequence: LlamaContextSequence
  readonly prompt: readonly Token[]
  /** Generated before, by another node: they stand behind the prompt and belong to the answer. */
  readonly resumed: readonly Token[]
  /** At least 1; prompt and generated tokens together fit the context, so that nothing is ever shifted out of it. */
  readonly tokensMax: number
  readonly sampling: Sampling
  readonly seed: number
  readonly pieces: TokenPieces
  readonly trimsLeadingSpace: boolean
  /** Stands behind what was resumed; `null` for a free answer. */
  readonly constraint: Constraint | null
  /** Takes calls of tools out of the text; stands behind what was resumed. `null` without tools. */
  readonly reader: ToolCallReader | null
  /** How many likeliest tokens are told with each; `null` for no log probabilities at all. */
  readonly topLogprobs: number | null
}

export interface GenerationControl {
  readonly rounds: DecodeRounds
  /** Resolves at once unless paused; false when the request was cancelled. */
  mayGoOn(): boolean | Promise<boolean>
  onProgress(): void
  onDelta(delta: AnswerPiece): void
}

export interface GenerationEnd {
  readonly finishReason: 'stop' | 'length'
  readonly completionTokens: number
}

/** Resolves to `null` when cancelled, within one token or one batch of the prompt. */
export async function generate(job: Generation, control: GenerationControl): Promise<GenerationEnd | null> {
  const rest = await evaluatePrompt(job, control)
  if (rest === null) return null
  const assembler = new DeltaAssembler({
    bytesOf: job.pieces.bytesOf,
    stops: job.sampling.stop,
    trimsLeadingSpace: job.trimsLeadingSpace,
  })
  const { pieces, reader, constraint, topLogprobs } = job
  const answer = new AnswerPieces({ pieces, reader, hasLogprobs: topLogprobs !== null })
  const generated: Token[] = [...job.resumed]
  const resumedCount = job.resumed.length
  const observer = topLogprobs === null ? null : observeLogprobs(job.sequence, topLogprobs)
  const tokens = job.sequence.evaluateWithMetadata(rest, {}, toEvaluateOptions(job, generated))
  const finish = (finishReason: 'stop' | 'length'): GenerationEnd => {
    for (const piece of answer.end(assembler.flush())) control.onDelta(piece)
    return { finishReason, completionTokens: generated.length - resumedCount }
  }
  try {
    for (;;) {
      const next = await control.rounds.join(() => tokens.next())
      control.onProgress()
      if (next.done === true) return finish('stop')
      const { token } = next.value
      generated.push(token)
      constraint?.sampled(token)
      if (observer) answer.addLogprobs(token, observer.take())
      const { delta, isStopped } = assembler.push(token)
      if (delta !== null) control.onDelta(answer.piece(delta))
      if (isStopped) return finish('stop')
      if (generated.length - resumedCount >= job.tokensMax) return finish('length')
      if (!(await control.mayGoOn())) return null
    }
  } finally {
    await tokens.return()
    observer?.stop()
  }
}

/** Evaluates all of the prompt but its last batch, which is returned: its last token begins the generation. */
async function evaluatePrompt(job: Generation, control: GenerationControl): Promise<Token[] | null> {
  const { sequence } = job
  const prompt = [...job.prompt, ...job.resumed]
  // At least one token is left to evaluate, for generation starts from its result. Never shift what comes after a gap:
  // shifted state is not bit-equal to evaluated state.
  await sequence.adaptStateToTokens(prompt.slice(0, -1), false)
  let at = sequence.nextTokenIndex
  while (prompt.length - at > BATCH_TOKENS) {
    if (!(await control.mayGoOn())) return null
    const batch = prompt.slice(at, at + BATCH_TOKENS)
    await control.rounds.join(() => sequence.evaluateWithoutGeneratingNewTokens(batch))
    at += BATCH_TOKENS
    control.onProgress()
  }
  return (await control.mayGoOn()) ? prompt.slice(at) : null
}

function toEvaluateOptions(job: Generation, generated: readonly Token[]): SequenceEvaluateOptions {
  const { temperature, topP, frequencyPenalty, presencePenalty, logitBias } = job.sampling
  const { constraint, sequence } = job
  const biases = Object.entries(logitBias ?? {}).map(([id, bias]) => [Number(id) as Token, bias] as const)
  const options = {
    temperature,
    topP,
    topK: 0,
    minP: 0,
    seed: job.seed,
    ...(biases.length > 0 && { tokenBias: tokenBias(sequence.model, new Map(biases)) }),
    ...(constraint && { grammarEvaluationState: () => constraint.state() }),
  }
  if (frequencyPenalty === 0 && presencePenalty === 0) return options
  return {
    ...options,
    // OpenAI's penalties look at the answer so far, not at the prompt.
    repeatPenalty: {
      punishTokens: () => [...generated],
      penalty: 1,
      frequencyPenalty,
      presencePenalty,
      // Constant, or the sampler would be rebuilt from scratch for each token.
      maxPunishTokens: job.resumed.length + job.tokensMax,
    },
  }
}
