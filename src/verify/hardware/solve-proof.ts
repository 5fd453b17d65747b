import type { OpenedRow, ProofSize } from '#protocol/hardware-proof.ts'
import { buildTree, pathOf, rootOf, type Tree } from './merkle.ts'
import {
  firstRow,
  foldRow,
  multiplyRow,
  nextSeed,
  type SeedWords,
  type Sha256,
  seedWords,
  sourceRow,
  weightRow,
} from './product.ts'

export interface ProofTask {
  /** 32 bytes. */
  readonly seed: Uint8Array
  readonly size: ProofSize
}

/** What was computed, kept until it is shown. */
export interface Solution {
  /** Of each round, in hex. */
  readonly roots: readonly string[]
  /** For each row of the last round: it, and the rows that it is made of, the last round first. */
  open(rows: readonly number[]): OpenedRow[][]
}

interface Round {
  readonly words: SeedWords
  readonly matrix: Int8Array
  readonly tree: Tree
}

/** Computes a proof on this thread. Keeps `rounds` × `rows` × `width` bytes. */
export function solveProof({ seed, size }: ProofTask, sha256: Sha256): Solution {
  const rounds: Round[] = []
  let roundSeed = seed
  for (let round = 0; round < size.rounds; round++) {
    const words = seedWords(roundSeed)
    const matrix = multiply(words, rounds.at(-1) ?? null, size)
    const tree = buildTree(sha256, bytesOf(matrix), size.rows)
    rounds.push({ words, matrix, tree })
    roundSeed = nextSeed(sha256, roundSeed, rootOf(tree))
  }
  return {
    roots: rounds.map(({ tree }) => hex(rootOf(tree))),
    open: (rows) => rows.map((row) => openChain(rounds, row, size)),
  }
}

function multiply(words: SeedWords, before: Round | null, { rows, width }: ProofSize): Int8Array {
  const weights = new Int8Array(width * width)
  for (let row = 0; row < width; row++)
    weightRow(words, row, weights.subarray(row * width, (row + 1) * width))
  const matrix = new Int8Array(rows * width)
  const first = new Int8Array(width)
  const sums = new Int32Array(width)
  for (let row = 0; row < rows; row++) {
    let source: Int8Array = first
    if (before) {
      const at = sourceRow(words, row, { rows }) * width
      source = before.matrix.subarray(at, at + width)
    } else firstRow(words, row, first)
    multiplyRow(source, weights, sums)
    foldRow(sums, matrix.subarray(row * width, (row + 1) * width))
  }
  return matrix
}

function openChain(rounds: readonly Round[], last: number, { rows, width }: ProofSize): OpenedRow[] {
  const chain: OpenedRow[] = []
  let row = last
  for (const { words, matrix, tree } of rounds.toReversed()) {
    const bytes = bytesOf(matrix.subarray(row * width, (row + 1) * width))
    chain.push({ row, bytes: Buffer.from(bytes).toString('base64'), path: pathOf(tree, row).map(hex) })
    row = sourceRow(words, row, { rows })
  }
  return chain
}

const bytesOf = (row: Int8Array): Uint8Array => new Uint8Array(row.buffer, row.byteOffset, row.byteLength)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
