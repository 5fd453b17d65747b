import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { PrefixCuts } from './prefix-cuts.ts'
import { PrefixIndex, PrefixMemory } from './prefix-index.ts'

test('in how many pieces a text comes makes no difference to its cuts', () => {
  const text = 'lorem ipsum dolor sit amet '.repeat(1_500)
  fc.assert(
    fc.property(fc.array(fc.nat(text.length), { maxLength: 20 }), (places) => {
      const whole = cuts(text)
      const pieces = new PrefixCuts()
      let from = 0
      for (const to of [...places.toSorted((a, b) => a - b), text.length]) {
        pieces.add(text.slice(from, to))
        from = to
      }
      pieces.end('user')
      assert.deepEqual([pieces.hashes, pieces.tokens], [whole.hashes, whole.tokens])
    }),
    { numRuns: 30 },
  )
})

test('texts with a common beginning have its cuts in common, and no others', () => {
  const common = 'a'.repeat(2_000)
  const [one, two] = [cuts(`${common}${'b'.repeat(2_000)}`), cuts(`${common}${'c'.repeat(2_000)}`)]
  const shared = one.hashes.filter((hash) => two.hashes.includes(hash))
  assert.deepEqual(
    shared.map((hash) => one.tokens[one.hashes.indexOf(hash)]),
    [128, 256, 384],
  )
})

test('whose a message is tells apart what its text does not', () => {
  const [ofUser, ofAssistant] = [new PrefixCuts(), new PrefixCuts()]
  for (const [made, mark] of [
    [ofUser, 'user'],
    [ofAssistant, 'assistant'],
  ] as const) {
    made.add('hello')
    made.end(mark)
  }
  assert.notDeepEqual(ofUser.hashes, ofAssistant.hashes)
})

test('the longest beginning that anybody has is found, with all that have it', () => {
  const { index, a, b } = setup()
  const short = 's'.repeat(1_100)
  const long = `${short}${'t'.repeat(3_000)}`
  index.serve(a, cuts(short))
  index.serve(b, cuts(short))
  index.serve(b, cuts(long))
  const found = index.longest(cuts(`${long} and more`))
  assert.deepEqual(found?.holders, [b])
  assert.ok(found && found.tokens >= 896 && found.tokens <= 1_025, `${found?.tokens}`)
  assert.equal(index.longest(cuts(`${short} and more`))?.holders.length, 2)
  assert.equal(index.longest(cuts('something else')), null)
  assert.deepEqual([index.warmTokens(a, cuts(long)), index.warmTokens(b, cuts(long))], [256, 1_025])
})

test('what a node has not used for longest is dropped when its cache is full, and a shared beginning last', () => {
  const { index, a } = setup(1_000)
  const shared = 'i'.repeat(1_024)
  const chat = (name: string) => `${shared}${name.repeat(1_024)}`
  for (const name of ['p', 'q', 'r', 's']) index.serve(a, cuts(chat(name)))
  assert.equal(index.warmTokens(a, cuts(chat('p'))), 256, 'only what it shares is left of the first')
  assert.equal(index.warmTokens(a, cuts(chat('s'))), 512)
  assert.ok(a.memory.tokens <= 1_000)
})

test('memory stays bounded however much is served, and nothing is left of a node that is forgotten', () => {
  const { index, a, b } = setup(1_000_000)
  index.sizeFor(1_024)
  for (let chat = 0; chat < 2_000; chat++) index.serve(a, cuts(`${chat} `.repeat(300)))
  assert.equal(a.memory.cuts.size, 256)
  index.serve(b, cuts('1999 '.repeat(300)))
  index.forget(a)
  assert.deepEqual([a.memory.cuts.size, Math.round(a.memory.tokens)], [0, 0])
  assert.deepEqual(index.longest(cuts('1999 '.repeat(300)))?.holders, [b])
  assert.equal(index.longest(cuts('1998 '.repeat(300))), null)
})

function cuts(text: string): PrefixCuts {
  const made = new PrefixCuts()
  made.add(text)
  made.end('user')
  return made
}

function setup(tokensMax = 100_000) {
  const index = new PrefixIndex<{ readonly memory: PrefixMemory }>()
  return { index, a: { memory: new PrefixMemory(tokensMax) }, b: { memory: new PrefixMemory(tokensMax) } }
}
