import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Chain, ChainCheck, extentOf } from './check-chain.ts'
import { madeChain, partOf } from './test-receipt-file.ts'

/** More than a call has arguments; and to look through all of them for each of them would take minutes. */
const MANY = 200_000

test('a chain of very many receipts, with a head under each, is read through once', () => {
  const chain = chainOf(MANY)
  const { faults, heads } = check(chain)
  assert.deepEqual([faults, heads], [[], MANY])
  assert.deepEqual(extentOf(chain), { count: MANY, oldest: 1, newest: MANY })
})

test('a head that does not stand right behind its receipt, or stands there twice, is told', () => {
  const { at, line, links, entries, heads } = chainOf(3)
  const [first, second, third] = heads
  assert.ok(first && second && third)
  const faultsOf = (moved: Chain['heads']) => check({ at, line, links, entries, heads: moved }).faults
  assert.deepEqual(faultsOf([first, { ...second, at: 2.5 }, third]), ['reordered 2.5'])
  assert.deepEqual(faultsOf([{ ...first, at: 4.5 }, second, third]), ['reordered 4.5'])
  assert.deepEqual(faultsOf([first, second, third, { ...third, at: 9 }]), ['replayed 9'])
})

test('a chain without receipts in clear text is of none', () => {
  assert.deepEqual(extentOf({ entries: [] }), { count: 0, oldest: 0, newest: 0 })
})

function check(chain: Chain): { faults: string[]; heads: number } {
  const faults: string[] = []
  // What hashes and signatures are worth is no matter here.
  const parts = { digest: () => HASH, verify: () => true }
  const checked = new ChainCheck(parts, '', (code, line) => faults.push(`${code} ${line}`))
  checked.check(chain)
  return { faults, heads: checked.heads }
}

const HASH = 'hash'

/** Receipts in even lines, and behind each its head. */
function chainOf(count: number): Chain {
  const { id: chain, facts } = madeChain([])
  const numbers = Array.from({ length: count }, (_, index) => index + 1)
  const body = partOf('request')
  return {
    at: 1,
    line: { type: 'chain', chain, facts, after: { chain, number: 0, hash: chain } },
    entries: numbers.map((number) => ({
      at: 2 * number,
      line: { type: 'receipt', chain, number, hash: HASH, body },
    })),
    heads: numbers.map((number) => ({
      at: 2 * number + 1,
      head: { chain, number, hash: HASH, networkSignature: '', nodeSignature: '', disputes: [] },
    })),
    links: new Map(),
  }
}
