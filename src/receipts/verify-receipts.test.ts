import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createRandom } from '#kernel/random.ts'
import { formatReceiptLine, type ReceiptLine } from './receipt-lines.ts'
import {
  fileOf,
  headOf,
  keys,
  linesOf,
  madeChain,
  harm as mutate,
  partOf,
  swap,
  verifyParts,
} from './test-receipt-file.ts'
import { isOfText, verifyReceipts } from './verify-receipts.ts'

const codesOf = (text: string, networkKey?: string): string[] =>
  verifyReceipts(text, { ...verifyParts, ...(networkKey !== undefined && { networkKey }) }).faults.map(
    ({ code, line, number }) => `${code} ${line ?? '-'}${number === undefined ? '' : ` #${number}`}`,
  )

describe('a file of receipts', () => {
  test('as the network wrote it is whole', () => {
    const { lines, text } = setup()
    const found = verifyReceipts(text, { ...verifyParts, networkKey: keys.network.publicKeyHex })
    assert.deepEqual(found.faults, [])
    assert.deepEqual([found.chains, found.receipts, found.heads], [1, 4, 1])
    assert.equal(lines.length, 8)
  })

  test('of another network than the one that is known is told', () =>
    assert.deepEqual(codesOf(setup().text, keys.stranger.publicKeyHex), ['network_other 1']))

  const rows: readonly [string, (lines: string[]) => string[], string[]][] = [
    [
      'a receipt changed',
      (lines) => change(lines, 3, '"completionTokens":34', '"completionTokens":35'),
      ['altered 4 #2'],
    ],
    ['two receipts in each other’s place', (lines) => swap(lines, 3, 4), ['reordered 5 #2']],
    ['a receipt twice', (lines) => lines.toSpliced(4, 0, lines[3] ?? ''), ['replayed 5 #2']],
    ['a receipt left out', (lines) => lines.toSpliced(3, 1), ['gap 4 #2', 'extent_other 7']],
    ['the last receipt left out', (lines) => lines.toSpliced(5, 1), ['tail_cut 6 #4', 'tail_cut 7 #4']],
    [
      'the last receipt and the head left out',
      (lines) => lines.toSpliced(5, 2),
      ['unsigned 3 #1', 'tail_cut 6 #4'],
    ],
    ['the whole chain left out', (lines) => lines.toSpliced(1, 6), ['chain_missing 2']],
    ['the end left out', (lines) => lines.slice(0, -1), ['end_missing -']],
    [
      'lines in another order of fields',
      (lines) => change(lines, 2, /"number":1,"hash":("[^"]+")/, '"hash":$1,"number":1'),
      ['malformed 3', 'gap 4 #1', 'extent_other 8'],
    ],
    [
      'a signature of the network by another',
      (lines) => lines.with(6, head({ network: keys.stranger })),
      ['signature_forged 7 #4'],
    ],
    [
      'a signature of the node by another',
      (lines) => lines.with(6, head({ node: keys.stranger })),
      ['signature_forged 7 #4'],
    ],
    ['something behind the end', (lines) => [...lines, lines[3] ?? ''], ['malformed 9']],
  ]
  for (const [what, harm, expected] of rows) {
    test(`with ${what} is not whole`, () => {
      const { lines } = setup()
      assert.deepEqual(
        codesOf(
          harm(lines)
            .map((line) => `${line}\n`)
            .join(''),
        ),
        expected,
      )
    })
  }

  test('that ends in the middle of a line was cut off', () =>
    assert.deepEqual(codesOf(setup().text.slice(0, -10)), ['truncated 8', 'end_missing -']))

  test('with two receipts under one number shows both', () => {
    const { lines, made } = setup()
    const other: ReceiptLine = {
      ...{ type: 'receipt', chain: made.id, number: 2, hash: made.links[2] ?? '', body: partOf('request_9') },
    }
    const text = lines
      .toSpliced(4, 0, formatReceiptLine(other))
      .map((line) => `${line}\n`)
      .join('')
    assert.deepEqual(codesOf(text), ['number_twice 5 #2'])
  })

  test('with the same work under two numbers is told, though all is signed', () => {
    const twice = madeChain([partOf('request_1'), partOf('request_1')])
    assert.deepEqual(codesOf(fileOf([twice])), ['replayed 4 #2'])
  })

  test('with a chain of another network is told, though that network signed it', () => {
    const theirs = madeChain([partOf('request_1')], { network: keys.stranger.publicKeyHex })
    const lines = linesOf(theirs).with(-1, {
      type: 'head',
      head: headOf(theirs, 1, { network: keys.stranger }),
    })
    assert.deepEqual(codesOf(fileOf([theirs], lines)), ['network_other 2', 'signature_forged 4 #1'])
  })

  test('with receipts of another node in a chain is told', () =>
    assert.deepEqual(codesOf(fileOf([madeChain([partOf('request_1', { node: 'node_2' })])])), [
      'replayed 3 #1',
    ]))

  test('whose node went on behind more than is there was cut off', () => {
    const first = madeChain([partOf('request_1'), partOf('request_2')])
    const hash = first.links[1] ?? ''
    const second = madeChain([partOf('request_3')], {
      previous: { chain: first.id, number: 2, hash },
      session: 8,
    })
    assert.deepEqual(codesOf(fileOf([first, second])), [])
    const cut = { ...first, bodies: first.bodies.slice(0, 1), links: first.links.slice(0, 1) }
    assert.deepEqual(codesOf(fileOf([cut, second])), ['tail_cut 5 #2'])
  })

  test('of an organisation is whole where its node went on for others, and not where its own last is missing', () => {
    const whose = { of: 'organisation', id: 'org_1' } as const
    const first = madeChain([1, 2, 3].map((number) => partOf(`request_${number}`)))
    // The last is another's: it is not in this file.
    const theirs = { ...first, bodies: first.bodies.slice(0, 2), links: first.links.slice(0, 2) }
    const goOn = (number: number, hash = first.links[number - 1] ?? '') =>
      madeChain([partOf('request_4')], { previous: { chain: first.id, number, hash }, session: 8 })
    const fileBehind = (second: ReturnType<typeof goOn>, lines = [theirs, second].flatMap(linesOf)) =>
      codesOf(fileOf([theirs, second], lines, whose))
    assert.deepEqual(fileBehind(goOn(3)), [])
    assert.deepEqual(fileBehind(goOn(2)), [])
    assert.deepEqual(fileBehind(goOn(2, first.links[0])), ['chain_unlinked 6 #2'])
    const withoutLast = linesOf({
      ...theirs,
      bodies: theirs.bodies.slice(0, 1),
      links: theirs.links.slice(0, 1),
    })
    const second = goOn(3)
    assert.deepEqual(fileBehind(second, [...withoutLast, ...linesOf(second)]), ['tail_cut 8 #2'])
  })

  test('with disputes is whole, and counts them', () => {
    const made = madeChain([partOf('request_1')])
    const head = headOf(made, 1, { disputes: [{ number: 1, why: 'completion_tokens', expected: 40 }] })
    const found = verifyReceipts(fileOf([made], linesOf(made).with(-1, { type: 'head', head })), verifyParts)
    assert.deepEqual([found.faults, found.disputes], [[], { completion_tokens: 1 }])
  })

  test('is known by its numbers, whatever its clocks said', () => {
    const bodies = [9, 3, 7].map((atMs, index) => partOf(`request_${index}`, { atMs: atMs * 3_600_000 }))
    assert.deepEqual(codesOf(fileOf([madeChain(bodies)])), [])
  })

  test('changed anywhere, in any way, is never whole, and never breaks the check', () => {
    const { text } = setup()
    const random = createRandom(7)
    for (let round = 0; round < 1_500; round++) {
      const harmed = mutate(text, random)
      if (harmed !== text) assert.notDeepEqual(codesOf(harmed), [], `round ${round} was taken for whole`)
    }
  })
})

test('who has the salt of a receipt sees which text it is of', () => {
  const { digest } = verifyParts
  assert.ok(isOfText(digest, { body: partOf('request_1'), salt: 'salt' }, 'hello'))
  assert.ok(!isOfText(digest, { body: partOf('request_1'), salt: 'salt' }, 'hello!'))
  assert.ok(!isOfText(digest, { body: partOf('request_1') }, 'hello'))
})

const head = (by: Parameters<typeof headOf>[2]): string =>
  formatReceiptLine({ type: 'head', head: headOf(setup().made, 4, by) })
const change = (lines: string[], index: number, what: string | RegExp, into: string): string[] =>
  lines.with(index, lines[index]?.replace(what, into) ?? '')

function setup() {
  const made = madeChain([1, 2, 3, 4].map((number) => partOf(`request_${number}`, { stream: number })))
  const text = fileOf([made])
  return { made, text, lines: text.split('\n').slice(0, -1) }
}
