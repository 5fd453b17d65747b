/**
 * Child side: all requests of one model. A run waits in line, gets a slot, generates, ends; embeddings pass one at a
 * time through a context of their own. Every run that was not cancelled emits exactly one `end` or `problem`.
 */
import type { Token } from 'node-llama-cpp'
import { BoundedQueue } from '#kernel/bounded-queue.ts'
import type { TokenScores } from '#protocol/delta-detail.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'
import { type AnswerParts, answerParts } from './answer-parts.ts'
import { DecodeRounds } from './decode-rounds.ts'
import { hasStopped } from './delta-assembler.ts'
import type { Embedder } from './embedder.ts'
import { type GenerationEnd, generate } from './generate.ts'
import { type LoadedModel, messageOf } from './llama-model.ts'
import type { RunEvent } from './messages.ts'
import { clipToContext, paramOf, tokenizePrompt } from './prompt.ts'
import { scoreAnswer, scoringOf } from './score.ts'
import { commonTokens, type Slot, Slots } from './slots.ts'

export interface RunsPorts {
  readonly emit: (event: RunEvent) => void
  /** Uniform in [0, 2^32), for requests without a seed. */
  readonly randomSeed: () => number
}

type GenerationRequest = Exclude<EngineRequest, { kind: 'embedding' }>

interface Run {
  readonly id: number
  readonly request: EngineRequest
  isCancelled: boolean
  isPaused: boolean
  /** Set while the run waits for `resume` or `cancel`. */
  wake: (() => void) | null
}

/** llama.cpp takes this value for "no seed given". */
const RESERVED_SEED = 0xffff_ffff

export class Runs {
  readonly #loaded: LoadedModel
  readonly #embedder: Embedder
  readonly #ports: RunsPorts
  readonly #slots: Slots | null
  readonly #waiting: BoundedQueue<Run>
  readonly #embeddings: BoundedQueue<Run>
  readonly #runs = new Map<number, Run>()
  readonly #rounds = new DecodeRounds()
  #isEmbedding = false
  #generating = 0
  progress = 0

  constructor(loaded: LoadedModel, embedder: Embedder, queueMax: number, ports: RunsPorts) {
    this.#loaded = loaded
    this.#embedder = embedder
    this.#ports = ports
    this.#slots = loaded.context === null ? null : new Slots(loaded.context, loaded.slots)
    this.#waiting = new BoundedQueue(queueMax)
    this.#embeddings = new BoundedQueue(queueMax)
  }

  /** Runs being computed now: those that wait for a slot or are paused are not expected to progress. */
  get working(): number {
    let paused = 0
    for (const run of this.#runs.values()) if (run.wake !== null) paused++
    return this.#generating - paused + (this.#isEmbedding ? 1 : 0)
  }

  start(id: number, request: EngineRequest): void {
    const run: Run = { id, request, isCancelled: false, isPaused: false, wake: null }
    this.#runs.set(id, run)
    const queue = request.kind === 'embedding' ? this.#embeddings : this.#waiting
    if (queue.push(run)) this.#pump()
    else
      this.#fail(
        run,
        new Problem('queue_full', `The engine has ${queue.length} requests waiting. Try again shortly.`),
      )
  }

  cancel(id: number): void {
    const run = this.#runs.get(id)
    if (run === undefined) return
    run.isCancelled = true
    this.#runs.delete(id)
    this.#waiting.drop((waiting) => waiting === run)
    this.#embeddings.drop((waiting) => waiting === run)
    run.wake?.()
  }

  pause(id: number): void {
    const run = this.#runs.get(id)
    if (run !== undefined) run.isPaused = true
  }

  resume(id: number): void {
    const run = this.#runs.get(id)
    if (run === undefined) return
    run.isPaused = false
    run.wake?.()
  }

  #pump(): void {
    while (this.#slots?.hasFree !== false) {
      const run = this.#waiting.shift()
      if (run === undefined) break
      if (run.request.kind !== 'embedding') void this.#generate(run, run.request)
    }
    if (this.#isEmbedding) return
    const run = this.#embeddings.shift()
    if (run?.request.kind === 'embedding') void this.#embed(run, run.request.inputs)
  }

  async #generate(run: Run, request: GenerationRequest): Promise<void> {
    let slot: Slot | null = null
    this.#generating++
    try {
      const prompt = this.#tokenize(request)
      const promptTokens = prompt.length
      const resumed = this.#resumedTokens(request)
      const tokensMax = clipToContext({
        promptTokens: promptTokens + resumed.length,
        maxTokens: request.maxTokens,
        contextTokens: this.#loaded.contextTokens,
        param: paramOf(request),
      })
      this.#checkBias(request)
      // Before anything is waited for: whoever comes next sees that it is taken.
      slot = this.#takeSlot([...prompt, ...resumed])
      const parts = await answerParts(request, { loaded: this.#loaded, resumed })
      if (run.isCancelled) return
      // The last token is evaluated in any case: the answer begins from its result.
      const cachedPromptTokens = Math.min(commonTokens(slot.sequence, prompt), promptTokens - 1)
      this.#ports.emit({ kind: 'started', run: run.id, promptTokens, cachedPromptTokens })
      if (request.scored) return await this.#score(slot, run, { request, prompt: [...prompt, ...resumed] })
      const end = await this.#generateOn(slot, run, { request, prompt, resumed, tokensMax, parts })
      if (end === null) return
      this.#finish(run, { kind: 'end', run: run.id, ...end, promptTokens, cachedPromptTokens })
    } catch (error) {
      this.#fail(run, error)
      if (slot !== null && !(error instanceof Problem)) await this.#slots?.renew(slot)
    } finally {
      this.#generating--
      if (slot !== null) this.#slots?.giveBack(slot)
      this.#pump()
    }
  }

  #takeSlot(prompt: readonly Token[]): Slot {
    if (this.#slots === null)
      throw new Problem('invalid_request', 'This model only embeds. Ask it by /v1/embeddings.')
    return this.#slots.take(prompt)
  }

  #tokenize(request: GenerationRequest): Token[] {
    return tokenizePrompt(request, this.#loaded.tokenizer, this.#loaded.contextTokens)
  }

  /** What another node generated already, as tokens of this model. */
  #resumedTokens({ resumedIds = [] }: GenerationRequest): Token[] {
    const { tokenCount } = this.#loaded
    const strange = resumedIds.find((id) => id >= tokenCount)
    if (strange !== undefined) {
      throw new Problem(
        'node_failed',
        `Token ${strange} is none of this model's ${tokenCount}: the answer was begun by another.`,
      )
    }
    return resumedIds as Token[]
  }

  #checkBias({ sampling }: GenerationRequest): void {
    const { tokenCount } = this.#loaded
    const strange = Object.keys(sampling.logitBias ?? {}).find((id) => Number(id) >= tokenCount)
    if (strange === undefined) return
    const message = `Invalid key in 'logit_bias': ${strange} is none of this model's ${tokenCount} tokens.`
    throw new Problem('invalid_request', message, { details: { param: 'logit_bias', code: 'invalid_value' } })
  }

  async #generateOn(
    slot: Slot,
    run: Run,
    job: {
      request: GenerationRequest
      prompt: readonly Token[]
      resumed: readonly Token[]
      tokensMax: number
      parts: AnswerParts
    },
  ): Promise<GenerationEnd | null> {
    const { request, prompt, resumed, tokensMax, parts } = job
    const { pieces } = this.#loaded
    const { bytesOf } = pieces
    const hasBegun = resumed.some((token) => bytesOf(token).length > 0)
    const isAnswer = request.kind === 'chat' && request.messages.at(-1)?.role !== 'assistant'
    const trimsLeadingSpace = isAnswer && pieces.hasLeadingSpace
    // The tokens of a last delta hold the stop text that its text ends before: nothing comes behind it.
    if (hasStopped(resumed, { bytesOf, stops: request.sampling.stop, trimsLeadingSpace }))
      return { finishReason: 'stop', completionTokens: 0 }
    const seed = (request.sampling.seed ?? this.#ports.randomSeed()) >>> 0
    return generate(
      {
        sequence: slot.sequence,
        prompt,
        resumed,
        tokensMax,
        sampling: request.sampling,
        // Of its own for each position that it may go on from: not the numbers that were drawn already, drawn again.
        seed: Math.min((seed ^ resumed.length) >>> 0, RESERVED_SEED - 1),
        pieces,
        trimsLeadingSpace: trimsLeadingSpace && !hasBegun,
        ...parts,
        topLogprobs: request.topLogprobs ?? null,
      },
      {
        rounds: this.#rounds,
        mayGoOn: () => this.#mayGoOn(run),
        onProgress: () => {
          this.progress++
        },
        onDelta: (piece) => {
          if (!run.isCancelled) this.#ports.emit({ kind: 'delta', run: run.id, ...piece })
        },
      },
    )
  }

  async #score(
    { sequence }: Slot,
    run: Run,
    { request, prompt }: { request: GenerationRequest; prompt: readonly Token[] },
  ): Promise<void> {
    const control = {
      rounds: this.#rounds,
      mayGoOn: () => this.#mayGoOn(run),
      onProgress: () => {
        this.progress++
      },
      onScores: (scores: TokenScores) => {
        if (!run.isCancelled)
          this.#ports.emit({ kind: 'delta', run: run.id, text: '', tokenIds: [], detail: { scores } })
      },
    }
    const job = scoringOf(request, { loaded: this.#loaded, prompt, sequence })
    if (!(await scoreAnswer(job, control))) return
    const read = { promptTokens: prompt.length, completionTokens: 0 }
    this.#finish(run, { kind: 'end', run: run.id, finishReason: 'stop', ...read })
  }

  #mayGoOn(run: Run): boolean | Promise<boolean> {
    if (run.isCancelled || !run.isPaused) return !run.isCancelled
    return new Promise((resolve) => {
      run.wake = () => {
        run.wake = null
        resolve(!run.isCancelled)
      }
    })
  }

  async #embed(run: Run, inputs: readonly string[]): Promise<void> {
    this.#isEmbedding = true
    try {
      const prepared = await this.#embedder.prepare(inputs)
      const promptTokens = prepared.reduce((sum, { tokens }) => sum + tokens, 0)
      this.#ports.emit({ kind: 'started', run: run.id, promptTokens })
      const vectors: Float32Array[] = []
      for (const { embed } of prepared) {
        if (run.isCancelled) return
        vectors.push(await embed())
        this.progress++
      }
      if (run.isCancelled) return
      this.#ports.emit({ kind: 'embedding', run: run.id, vectors })
      this.#finish(run, { kind: 'end', run: run.id, finishReason: 'stop', promptTokens, completionTokens: 0 })
    } catch (error) {
      this.#fail(run, error)
    } finally {
      this.#isEmbedding = false
      this.#pump()
    }
  }

  #fail(run: Run, error: unknown): void {
    const problem =
      error instanceof Problem
        ? error
        : new Problem('engine_failed', `llama.cpp failed: ${messageOf(error)}. Try again.`, { cause: error })
    const { code, message, details } = problem
    this.#finish(run, { kind: 'problem', run: run.id, problem: { code, message, details } })
  }

  #finish(run: Run, event: RunEvent): void {
    this.#runs.delete(run.id)
    if (!run.isCancelled) this.#ports.emit(event)
  }
}
