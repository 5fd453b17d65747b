/** What a request needs of a node, worked out once: every node of a model may be held against it. */
import { type EngineFeature, featuresNeeded } from '#protocol/engine-features.ts'
import type { Offer } from './node-connection.ts'
import { cutsOf, type PrefixCuts } from './routing/prefix-cuts.ts'
import type { RunRequest } from './run-request.ts'

/** Of a prompt whose text says nothing about it: its bound is in bytes. */
const BYTES_PER_TOKEN = 4

export class RunNeeds {
  /** The prompt by its cuts; the answer is added while it comes. */
  readonly prompt: PrefixCuts
  /** Estimates of what it will take. */
  readonly promptTokens: number
  completionTokens: number
  /** Equal for plain requests that fit the same nodes. */
  readonly likeness: string
  readonly #features: readonly EngineFeature[]
  readonly #request: RunRequest

  constructor(request: RunRequest) {
    const { engine, promptTokensMax, completionTokensMax, slaClass = 'none' } = request
    this.#request = request
    this.#features = featuresNeeded(engine)
    this.likeness = `${engine.kind} ${slaClass} ${this.#features.join()}`
    this.prompt = cutsOf(engine)
    const tokens = this.prompt.tokensTotal || Math.ceil(promptTokensMax / BYTES_PER_TOKEN)
    this.promptTokens = Math.max(1, Math.min(tokens, promptTokensMax))
    this.completionTokens = completionTokensMax
  }

  /** An answer mostly has so many tokens. */
  expectAnswer(tokens: number | null): void {
    if (tokens !== null)
      this.completionTokens = Math.min(this.#request.completionTokensMax, Math.ceil(tokens))
  }

  /** Any node of the model will do that can do what it asks for. */
  get isPlain(): boolean {
    const { batch, preferences } = this.#request
    return !batch && !preferences
  }

  get mayRace(): boolean {
    const { batch, engine } = this.#request
    return engine.kind !== 'embedding' && !batch
  }

  fits({ model: { tasks, features = [] } }: Offer): boolean {
    if (!tasks.includes(this.#request.engine.kind)) return false
    for (const feature of this.#features) if (!features.includes(feature)) return false
    return true
  }
}
