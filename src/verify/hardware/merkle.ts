/** A tree of hashes over the rows of one round. Leaves and nodes are hashed apart, so that none passes for the other. */
import type { Sha256 } from './product.ts'

export const HASH_BYTES = 32

/** All hashes of a tree over `rows` leaves, a power of two: the root is the second, the leaves are the last `rows`. */
export type Tree = Uint8Array

export function leafHash(sha256: Sha256, row: Uint8Array): Uint8Array {
  const text = new Uint8Array(1 + row.length)
  text.set(row, 1)
  return sha256(text)
}

function nodeHash(sha256: Sha256, left: Uint8Array, right: Uint8Array): Uint8Array {
  const text = new Uint8Array(1 + 2 * HASH_BYTES)
  text[0] = 1
  text.set(left, 1)
  text.set(right, 1 + HASH_BYTES)
  return sha256(text)
}

/** Of `rows` rows that lie one behind the other in `matrix`. */
export function buildTree(sha256: Sha256, matrix: Uint8Array, rows: number): Tree {
  const width = matrix.length / rows
  const tree = new Uint8Array(2 * rows * HASH_BYTES)
  for (let row = 0; row < rows; row++)
    tree.set(leafHash(sha256, matrix.subarray(row * width, (row + 1) * width)), (rows + row) * HASH_BYTES)
  for (let at = rows - 1; at >= 1; at--)
    tree.set(nodeHash(sha256, hashAt(tree, 2 * at), hashAt(tree, 2 * at + 1)), at * HASH_BYTES)
  return tree
}

const hashAt = (tree: Tree, at: number): Uint8Array => tree.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)

export const rootOf = (tree: Tree): Uint8Array => hashAt(tree, 1)

/** The hashes beside the way from leaf `row` up to the root, the lowest first. */
export function pathOf(tree: Tree, row: number): Uint8Array[] {
  const path: Uint8Array[] = []
  const rows = tree.length / HASH_BYTES / 2
  for (let at = rows + row; at > 1; at >>>= 1) path.push(hashAt(tree, at ^ 1))
  return path
}

/** The root to which a row at this place leads by this path. */
export function rootFrom(
  sha256: Sha256,
  leaf: { readonly row: number; readonly bytes: Uint8Array; readonly path: readonly Uint8Array[] },
): Uint8Array {
  let hash = leafHash(sha256, leaf.bytes)
  let at = leaf.row
  for (const beside of leaf.path) {
    hash = at % 2 === 0 ? nodeHash(sha256, hash, beside) : nodeHash(sha256, beside, hash)
    at = Math.floor(at / 2)
  }
  return hash
}
