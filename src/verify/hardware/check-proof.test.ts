import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { OpenedRow } from '#protocol/hardware-proof.ts'
import { checkProof, type ProofVerdict, type ShownProof } from './check-proof.ts'
import { productsOf } from './product.ts'
import { solveProof } from './solve-proof.ts'

test('an honest proof is good, and its roots are the same for ever', () => {
  const { shown } = setup()
  assert.equal(verdictOf(shown), 'good')
  assert.deepEqual(shown.roots, [
    '9ca984a2785a89b35f7598bbec4efbb8fac81b057cad26d3dcf690de82366602',
    'c939bc32dc14d0551ffbe967e4abd95b4e8502cecbad55c6606bffe119cd3e1e',
  ])
})

test('whatever is changed in an answer is found out, and named', () => {
  const { shown, chains } = setup()
  const [first, ...rest] = chains
  const [top, below] = first as [OpenedRow, OpenedRow]
  const flipped = Buffer.from(top.bytes, 'base64')
  flipped[3] = (flipped[3] ?? 0) ^ 1
  const rows: readonly [string, Partial<ShownProof>, string][] = [
    ['a root is missing', { roots: shown.roots.slice(1) }, 'answer_truncated'],
    ['a row is missing', { chains: rest }, 'answer_truncated'],
    ['a round is missing', { chains: [[top], ...rest] }, 'answer_truncated'],
    ['a row is cut', withTop({ ...top, bytes: top.bytes.slice(0, 8) }), 'answer_truncated'],
    ['a path is cut', withTop({ ...top, path: top.path.slice(1) }), 'answer_truncated'],
    ['rows are in another order', { chains: chains.toReversed() }, 'answer_reordered'],
    ['rounds are in another order', { chains: [[below, top], ...rest] }, 'answer_reordered'],
    ['a row is changed', withTop({ ...top, bytes: flipped.toString('base64') }), 'path_wrong'],
    ['roots are in another order', { roots: shown.roots.toReversed() }, 'path_wrong'],
  ]
  for (const [what, part, fault] of rows) assert.equal(faultOf({ ...shown, ...part }), fault, what)

  function withTop(changed: OpenedRow): Partial<ShownProof> {
    return { chains: [[changed, below], ...rest] }
  }
})

test('an answer to another seed is no answer', () => {
  const { shown } = setup()
  assert.notEqual(verdictOf({ ...shown, seed: new Uint8Array(32).fill(9) }), 'good')
})

test('what was committed to without being computed is found out by its rows', () => {
  // A whole proof, of another seed: paths and all fit.
  const { shown } = setup({ seed: 8, rounds: 1 })
  assert.equal(faultOf({ ...shown, seed: new Uint8Array(32).fill(7) }), 'row_wrong')
})

test('a check is done in pieces', () => {
  const size = { rows: 64, width: 128, rounds: 3 }
  const rows = [0, 1, 2, 3, 4, 5, 6, 63]
  const seed = new Uint8Array(32).fill(7)
  const solution = solveProof({ seed, size }, sha256)
  const check = checkProof({ seed, size, rows, roots: solution.roots, chains: solution.open(rows) }, sha256)
  let pieces = 1
  while (check.advance() === null) pieces++
  assert.ok(pieces >= rows.length + size.rounds, `${pieces} pieces`)
  assert.equal(productsOf(size), 64 * 128 * 128 * 3)
})

const sha256 = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest()

function verdictOf(shown: ShownProof): ProofVerdict {
  const check = checkProof(shown, sha256)
  for (;;) {
    const verdict = check.advance()
    if (verdict !== null) return verdict
  }
}

function faultOf(shown: ShownProof): string {
  const verdict = verdictOf(shown)
  return verdict === 'good' ? 'good' : verdict.fault
}

function setup({ seed = 7, rounds = 2 } = {}) {
  const size = { rows: 16, width: 16, rounds }
  const rows = [1, 5, 14]
  const task = { seed: new Uint8Array(32).fill(seed), size }
  const solution = solveProof(task, sha256)
  const chains = solution.open(rows)
  const shown: ShownProof = { ...task, rows, roots: solution.roots, chains }
  return { shown, chains }
}
