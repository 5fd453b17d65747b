/**
 * One node's embeddings of a few of the texts of one request. Which ones is drawn before the node is asked: another node then reads these
 * alone, and its vectors have to point where those of the first do.
 */
import type { EngineRequest } from '#protocol/engine-request.ts'
import { compareVectors, evidenceMilli, type TokenCounts } from '#verify/answer-evidence.ts'
import type { Audited, Question, Said, Vectors } from './audited.ts'

/** Texts of one request that are looked at: a long list costs its auditor no more than a short one. */
const TEXTS_MAX = 4
/** What an engine may add to one text, in tokens. */
const TEXT_TOKENS_SPARE = 16
/** Numbers of one vector; further ones are not looked at. */
const DIMENSIONS_MAX = 16_384

type Embedded = Extract<EngineRequest, { kind: 'embedding' }>

export class AuditedVectors implements Audited {
  readonly request: Embedded
  readonly test = 'compared'
  readonly #places: readonly number[]
  #made: Vectors = []

  /** `draw` answers a number below its bound that nobody can foresee. */
  constructor(request: Embedded, draw: (bound: number) => number) {
    this.request = request
    const left = [...request.inputs.keys()]
    const count = Math.min(TEXTS_MAX, left.length)
    this.#places = Array.from({ length: count }, () => left.splice(draw(left.length), 1)[0] ?? 0)
  }

  add(vectors: Vectors): void {
    this.#made = this.#places.map((place) => (vectors[place] ?? []).slice(0, DIMENSIONS_MAX))
  }

  get isEmpty(): boolean {
    return this.#made.length === 0
  }

  question(requestId: string): Question {
    const { traceparent: _trace, ...request } = this.request
    const inputs = this.#places.map((place) => this.request.inputs[place] ?? '')
    const promptTokensMax = inputs.reduce((sum, text) => sum + Buffer.byteLength(text) + TEXT_TOKENS_SPARE, 0)
    return { request: { ...request, requestId, inputs }, tokensMax: 0, promptTokensMax }
  }

  judge({ vectors }: Said, isSameFile: boolean): TokenCounts & { evidenceMilli: number } {
    const found = vectors.map((vector) => vector.slice(0, DIMENSIONS_MAX))
    const counts = compareVectors(this.#made, found, { isSameFile })
    return { ...counts, evidenceMilli: evidenceMilli('compared', counts, { isSameFile }) }
  }

  facts(): readonly unknown[] {
    return [this.#places, this.#made]
  }
}
