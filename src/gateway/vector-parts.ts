/** Embeddings that come in several frames, put together again. A node that sends more than there can be is told of in words. */
import { EMBEDDING_VALUES_MAX } from '#protocol/agent-link.ts'

export type Vectors = readonly (readonly number[])[]

const FLOAT_BYTES = Float32Array.BYTES_PER_ELEMENT

export class VectorParts {
  readonly #inputs: number
  readonly #vectors: number[][] = []
  #values = 0

  /** `inputs`: the texts that were sent. */
  constructor(inputs: number) {
    this.#inputs = inputs
  }

  /** Takes the next frame's: all vectors once the last of them is there, `null` before; or what no honest agent sends. */
  take(packed: readonly string[]): Vectors | string | null {
    for (const text of packed) {
      const vector = unpacked(text)
      if (!vector) return 'embeddings that are no numbers'
      this.#values += vector.length
      if (this.#values > EMBEDDING_VALUES_MAX) return 'more numbers than a request for embeddings has'
      this.#vectors.push(vector)
    }
    const { length } = this.#vectors
    if (length > this.#inputs) return `${length} embeddings of ${this.#inputs} texts`
    return length === this.#inputs ? this.#vectors : null
  }
}

function unpacked(text: string): number[] | null {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length === 0 || bytes.length % FLOAT_BYTES !== 0) return null
  const vector: number[] = []
  for (let at = 0; at < bytes.length; at += FLOAT_BYTES) {
    const value = bytes.readFloatLE(at)
    if (!Number.isFinite(value)) return null
    vector.push(value)
  }
  return vector
}
