/**
 * The arithmetic of a proof, exact and the same on every device: round `i` multiplies a `rows` × `width` matrix `X_i` with a
 * `width` × `width` matrix `W_i`, both of 8-bit integers, folds each 32-bit sum into 8 bits, and so makes `Y_i`.
 *
 *   X_0 and W_i come of a seed · X_{i+1}[r] = Y_i[π_{i+1}(r)] · seed_{i+1} = SHA-256 of seed_i and the root of the rows of Y_i
 *
 * Since the order `π_{i+1}` is known only once all rows of `Y_i` are hashed, who does not keep them computes them again. The
 * sources for cards (`kernels.ts`) are of the same lines.
 */
import type { ProofSize } from '#protocol/hardware-proof.ts'

export type Sha256 = (data: Uint8Array) => Uint8Array

/** A seed as eight words, big endian. */
export type SeedWords = Uint32Array

const encoder = new TextEncoder()
const CHAIN_PREFIX = encoder.encode('shoal proof\n')

export function seedWords(seed: Uint8Array): SeedWords {
  const view = new DataView(seed.buffer, seed.byteOffset, seed.byteLength)
  return Uint32Array.from({ length: 8 }, (_, at) => view.getUint32(at * 4))
}

export function nextSeed(sha256: Sha256, seed: Uint8Array, root: Uint8Array): Uint8Array {
  const text = new Uint8Array(CHAIN_PREFIX.length + 64)
  text.set(CHAIN_PREFIX)
  text.set(seed, CHAIN_PREFIX.length)
  text.set(root, CHAIN_PREFIX.length + 32)
  return sha256(text)
}

function mix(word: number): number {
  let x = word | 0
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return x ^ (x >>> 16)
}

/** Fills `out` with a row of a matrix that comes of two words of the seed, four elements to a word, lowest byte first. */
function drawRow(row: number, high: number, low: number, out: Int8Array): void {
  const base = mix(row ^ high)
  for (let at = 0; at < out.length; at += 4) {
    const word = mix(((base + (at >>> 2)) | 0) ^ low)
    out[at] = word
    out[at + 1] = word >>> 8
    out[at + 2] = word >>> 16
    out[at + 3] = word >>> 24
  }
}

/** Row `row` of `X_0`. */
export const firstRow = (words: SeedWords, row: number, out: Int8Array): void =>
  drawRow(row, words[0] ?? 0, words[1] ?? 0, out)

/** Row `row` of `W_i`, by the seed of its round. */
export const weightRow = (words: SeedWords, row: number, out: Int8Array): void =>
  drawRow(row, words[2] ?? 0, words[3] ?? 0, out)

/** Which row of the round before becomes row `row` of this one. `rows` is a power of two. */
export const sourceRow = (words: SeedWords, row: number, { rows }: Pick<ProofSize, 'rows'>): number =>
  (Math.imul((words[4] ?? 0) | 1, row) + (words[5] ?? 0)) & (rows - 1)

// Every index below is within its array: a check of each would cost as much as all the rest.

/** `sums[c] += x × weights[c]`, for the whole row. */
export function addProducts(x: number, weights: Int8Array, sums: Int32Array): void {
  for (let at = 0; at < weights.length; at++)
    sums[at] = ((sums[at] as number) + Math.imul(x, weights[at] as number)) | 0
}

/** One row times all weights, which lie one row behind the other. Four rows of them at a time: the sums are then touched less. */
export function multiplyRow(source: Int8Array, weights: Int8Array, sums: Int32Array): void {
  const width = source.length
  sums.fill(0)
  for (let at = 0; at < width; at += 4) {
    const [x0, x1, x2, x3] = [source[at], source[at + 1], source[at + 2], source[at + 3]] as Four
    const first = at * width
    const second = first + width
    const third = second + width
    const fourth = third + width
    for (let column = 0; column < width; column++)
      sums[column] =
        ((sums[column] as number) +
          Math.imul(x0, weights[first + column] as number) +
          Math.imul(x1, weights[second + column] as number) +
          Math.imul(x2, weights[third + column] as number) +
          Math.imul(x3, weights[fourth + column] as number)) |
        0
  }
}
type Four = [number, number, number, number]

/** Folds sums into 8 bits; no two sums that differ in their lowest byte alone become the same. */
export function foldRow(sums: Int32Array, out: Int8Array): void {
  for (let at = 0; at < sums.length; at++) {
    const sum = sums[at] as number
    out[at] = sum ^ (sum >> 8) ^ (sum >> 16)
  }
}

export const productsOf = ({ rows, width, rounds }: ProofSize): number => rows * width * width * rounds
