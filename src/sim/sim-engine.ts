/** An engine whose every token is known in advance, so that a lost, repeated or foreign one shows. */
import type { Engine, EngineModel, EngineRun, EngineSink } from '#engines/engine.ts'
import type { Clock } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { Problem } from '#protocol/problem.ts'

export interface SimEngineOptions {
  readonly models: readonly EngineModel[]
  readonly msPerToken: number
  /** Before the first token of an answer. */
  readonly prefillMs: number
  /** And of each token of its prompt (0). */
  readonly prefillMsPerToken?: number
  /** Tokens that come in one delta (4), so that long answers cost few events. */
  readonly tokensPerDelta?: number
  /** It keeps what it has read, and tells when it begins to read a prompt and how much of it was kept. */
  readonly hasCache?: boolean
  /** Of its prompts, how many it reads far more slowly than others, and how many it fails: which ones its name decides. */
  /** Not every node is honest: answers to go on with may be false. */
  readonly isAmongLiars?: boolean
  readonly moods?: { readonly latePercent: number; readonly sickPercent: number; readonly name: string }
}

/** What faults do to an engine. */
export interface SimEngineFaults {
  /** Multiplies the time of every token. */
  slowness: number
  /** Fails all work and is gone for a while. */
  crash(downMs: number): void
}

/** How many times longer a late prompt takes. */
const LATE_TIMES = 20
const TOKENS_PER_DELTA = 4

export interface ExpectedAnswer {
  readonly tokenIds: readonly number[]
  readonly texts: readonly string[]
  readonly finishReason: 'stop' | 'length'
}

/** A prompt that begins so says how long its answer is. */
const WANTED_LENGTH = /^write (\d+) /

/** The one right answer to a prompt: a function of its text alone, whichever node gives it. */
export function expectedAnswer(prompt: string, maxTokens: number): ExpectedAnswer {
  const key = `${maxTokens} ${prompt}`
  const known = answers.get(key)
  if (known) return known
  const answer = workOut(prompt, maxTokens)
  if (answers.size >= ANSWERS_KEPT) answers.clear()
  answers.set(key, answer)
  return answer
}

/** Caller, engine and whoever goes on all ask for the same one. */
const ANSWERS_KEPT = 2_000
const answers = new Map<string, ExpectedAnswer>()

function workOut(prompt: string, maxTokens: number): ExpectedAnswer {
  const seed = hashOf(prompt)
  const natural = Number(WANTED_LENGTH.exec(prompt)?.[1] ?? 1 + (seed % 120))
  const length = Math.min(natural, maxTokens)
  const tokenIds = Array.from({ length }, (_, index) => (seed + index * 7_919) % 50_000)
  return {
    tokenIds,
    texts: tokenIds.map((id) => ` ${id}`),
    finishReason: natural <= maxTokens ? 'stop' : 'length',
  }
}

export function hashOf(text: string): number {
  let hash = 2_166_136_261
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 16_777_619) >>> 0
  }
  return hash
}

/** Tokens of a prompt, as this engine counts them. */
export const promptTokensOf = (prompt: string): number => Math.ceil(prompt.length / 4) + 3

export const promptOf = (request: EngineRequest): string =>
  request.kind === 'chat'
    ? request.messages.map((message) => message.content).join('\n')
    : request.kind === 'completion'
      ? request.prompt
      : request.inputs.join('\n')

export function createSimEngine(
  clock: Clock,
  options: SimEngineOptions,
): Engine & { faults: SimEngineFaults } {
  const { tokensPerDelta = TOKENS_PER_DELTA } = options
  const open = new Set<{ fail(problem: Problem): void }>()
  const listeners: (() => void)[] = []
  let isDown = false

  const faults: SimEngineFaults = {
    slowness: 1,
    crash(downMs) {
      isDown = true
      for (const run of [...open]) run.fail(new Problem('engine_failed', 'The engine process died.'))
      for (const run of listeners) run()
      clock.after(downMs, () => {
        isDown = false
        for (const run of listeners) run()
      })
    },
  }

  function start(request: EngineRequest, sink: EngineSink): EngineRun {
    const prompt = promptOf(request)
    const maxTokens = request.kind === 'embedding' ? 0 : request.maxTokens
    const resumed = request.kind === 'embedding' ? [] : (request.resumedIds ?? [])
    const answer = expectedAnswer(prompt, resumed.length + maxTokens)
    let position = resumed.length
    assert(
      options.isAmongLiars || resumed.every((id, index) => id === answer.tokenIds[index]),
      `an answer is to be continued that is not the one to this prompt: ${request.requestId}`,
    )
    let isOver = false
    let isPaused = false
    let isStarted = false
    const finish = (): void => {
      isOver = true
      open.delete(run)
    }
    const run = {
      fail(problem: Problem) {
        finish()
        sink.onProblem(problem)
      },
    }
    open.add(run)

    /** A part of it may have been read before: which part, its text decides. */
    const promptTokens = promptTokensOf(prompt)
    const keptTokens = promptTokens - Math.ceil((promptTokens * (1 + (hashOf(prompt) % 4))) / 4)
    const cached = options.hasCache ? keptTokens : undefined
    function begin(): void {
      if (isOver || isDown || isStarted) return
      isStarted = true
      sink.onStarted(promptTokens, cached)
    }
    function step(): void {
      if (isOver || isPaused) return
      begin()
      const end = Math.min(position + tokensPerDelta, answer.tokenIds.length)
      const tokenIds = answer.tokenIds.slice(position, end)
      const text = answer.texts.slice(position, end).join('')
      position = end
      if (tokenIds.length > 0) sink.onDelta({ text, tokenIds, tokenCount: tokenIds.length })
      if (isOver) return
      if (position < answer.tokenIds.length) return schedule()
      finish()
      const { finishReason } = answer
      sink.onEnd({
        finishReason,
        promptTokens,
        ...(cached !== undefined && { cachedPromptTokens: cached }),
        completionTokens: position - resumed.length,
      })
    }
    function schedule(): void {
      clock.after(options.msPerToken * tokensPerDelta * faults.slowness, step)
    }

    const { moods } = options
    const prefillMs = options.prefillMs + promptTokens * (options.prefillMsPerToken ?? 0)
    const isLate = moods !== undefined && hashOf(`${moods.name} ${prompt}`) % 100 < moods.latePercent
    const isSick = moods !== undefined && hashOf(`sick ${moods.name} ${prompt}`) % 100 < moods.sickPercent
    // It is told when its reading begins, well before it ends: who is stopped meanwhile has worked.
    if (options.hasCache) clock.after((prefillMs * faults.slowness) / 4, begin)
    clock.after(prefillMs * faults.slowness * (isLate ? LATE_TIMES : 1), () => {
      if ((isDown || isSick) && !isOver) run.fail(new Problem('engine_failed', 'The engine is down.'))
      else step()
    })
    return {
      cancel: finish,
      pause() {
        isPaused = true
      },
      resume() {
        if (!isPaused) return
        isPaused = false
        schedule()
      },
    }
  }

  return {
    models: () => (isDown ? [] : options.models),
    onChange: (run) => void listeners.push(run),
    start,
    close: async () => {},
    faults,
  }
}
