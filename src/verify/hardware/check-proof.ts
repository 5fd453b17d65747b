import type { OpenedRow, ProofSize } from '#protocol/hardware-proof.ts'
import type { ProofFault } from './hardware-events.ts'
import { rootFrom } from './merkle.ts'
import {
  addProducts,
  firstRow,
  foldRow,
  nextSeed,
  type SeedWords,
  type Sha256,
  seedWords,
  sourceRow,
  weightRow,
} from './product.ts'

/** What was asked, what was committed to before the rows were drawn, and what was shown. */
export interface ShownProof {
  readonly seed: Uint8Array
  readonly size: ProofSize
  readonly roots: readonly string[]
  readonly rows: readonly number[]
  readonly chains: readonly (readonly OpenedRow[])[]
}

export type ProofVerdict = { readonly fault: ProofFault; readonly detail: string } | 'good'

/** A check in pieces: each call of `advance` takes about a millisecond, until one answers the verdict. */
export interface ProofCheck {
  advance(): ProofVerdict | null
}

interface Link {
  readonly row: number
  readonly bytes: Int8Array
  readonly path: readonly Uint8Array[]
}

/** Multiplications in one piece. */
const PIECE_PRODUCTS = 500_000

/** Begins to check rows against their roots, and each against the row that it is made of. */
export function checkProof(shown: ShownProof, sha256: Sha256): ProofCheck {
  const { size, roots } = shown
  const malformed = shapeFault(shown)
  const chains = malformed ? [] : shown.chains.map((chain) => chain.map(readLink))
  const words = malformed ? [] : wordsOf(shown, sha256)
  let checkedPaths = 0
  /** Of the round that is multiplied now, the last one first. */
  let round = size.rounds - 1
  let weight = 0
  let sums = newSums(shown)

  /** All links of one chain against the roots and the orders of the rounds. */
  function checkPaths(at: number): ProofVerdict | null {
    let row = shown.rows[at] ?? 0
    for (const [place, link] of (chains[at] ?? []).entries()) {
      const ofRound = size.rounds - 1 - place
      if (link.row !== row)
        return { fault: 'answer_reordered', detail: `Row ${row} was asked for, ${link.row} shown.` }
      const bytes = new Uint8Array(link.bytes.buffer, link.bytes.byteOffset, link.bytes.byteLength)
      if (Buffer.from(rootFrom(sha256, { ...link, bytes })).toString('hex') !== roots[ofRound])
        return { fault: 'path_wrong', detail: `Row ${row} of round ${ofRound} is not what was committed to.` }
      row = sourceRow(words[ofRound] as SeedWords, row, size)
    }
    return null
  }

  function multiplyPiece(): ProofVerdict | null {
    const pieces = Math.max(1, Math.floor(PIECE_PRODUCTS / (size.width * chains.length)))
    const weights = new Int8Array(size.width)
    const place = size.rounds - 1 - round
    const sources = chains.map((chain) => sourceOf(chain, place))
    const end = Math.min(size.width, weight + pieces)
    for (; weight < end; weight++) {
      weightRow(words[round] as SeedWords, weight, weights)
      for (const [at, source] of sources.entries())
        addProducts(source[weight] ?? 0, weights, sums[at] as Int32Array)
    }
    return weight < size.width ? null : compareRound(place)
  }

  /** The row that the one at `place` of a chain is made of. */
  function sourceOf(chain: readonly Link[], place: number): Int8Array {
    const next = chain[place + 1]
    if (next) return next.bytes
    const first = new Int8Array(size.width)
    firstRow(words[0] as SeedWords, chain[place]?.row ?? 0, first)
    return first
  }

  function compareRound(place: number): ProofVerdict | null {
    const folded = new Int8Array(size.width)
    for (const [at, chain] of chains.entries()) {
      foldRow(sums[at] as Int32Array, folded)
      const { row, bytes } = chain[place] as Link
      if (folded.some((value, column) => value !== bytes[column]))
        return {
          fault: 'row_wrong',
          detail: `Row ${row} of round ${round} is not the product that was asked for.`,
        }
    }
    round--
    weight = 0
    sums = newSums(shown)
    return round < 0 ? 'good' : null
  }

  return {
    advance() {
      if (malformed) return malformed
      if (checkedPaths < chains.length) return checkPaths(checkedPaths++)
      return multiplyPiece()
    },
  }
}

/** What is not even of the shape that was asked for. */
function shapeFault({ size, roots, rows, chains }: ShownProof): ProofVerdict | null {
  if (roots.length !== size.rounds)
    return { fault: 'answer_truncated', detail: `${roots.length} roots came for ${size.rounds} rounds.` }
  if (chains.length !== rows.length)
    return {
      fault: 'answer_truncated',
      detail: `${chains.length} rows were shown, ${rows.length} asked for.`,
    }
  const height = Math.log2(size.rows)
  for (const chain of chains) {
    if (chain.length !== size.rounds)
      return {
        fault: 'answer_truncated',
        detail: `A row was shown through ${chain.length} of ${size.rounds} rounds.`,
      }
    for (const { bytes, path } of chain) {
      const length = Buffer.from(bytes, 'base64').length
      if (length !== size.width)
        return { fault: 'answer_truncated', detail: `A row has ${length} elements, and not ${size.width}.` }
      if (path.length !== height)
        return { fault: 'answer_truncated', detail: `A path has ${path.length} hashes, and not ${height}.` }
    }
  }
  return null
}

function wordsOf({ seed, size, roots }: ShownProof, sha256: Sha256): SeedWords[] {
  const words: SeedWords[] = []
  let roundSeed = seed
  for (let round = 0; round < size.rounds; round++) {
    words.push(seedWords(roundSeed))
    roundSeed = nextSeed(sha256, roundSeed, Buffer.from(roots[round] ?? '', 'hex'))
  }
  return words
}

const newSums = ({ size, chains }: ShownProof): Int32Array[] => chains.map(() => new Int32Array(size.width))

const readLink = ({ row, bytes, path }: OpenedRow): Link => ({
  row,
  bytes: new Int8Array(Buffer.from(bytes, 'base64')),
  path: path.map((hash) => Buffer.from(hash, 'hex')),
})
