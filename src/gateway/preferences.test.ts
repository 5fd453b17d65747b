import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeClass } from '#protocol/node-class.ts'
import { ProviderPreferences } from '#protocol/provider-preferences.ts'
import type { Offer } from './node-connection.ts'
import { excludes, noMatch, type Preferences, rankOf, readPreferences } from './preferences.ts'

test('without a wish there are no preferences', () => {
  for (const asked of [undefined, null, {}, { sort: null, class: null }])
    assert.equal(readPreferences(asked), undefined)
})

test('each wish shuts out exactly those that do not meet it', () => {
  const { excluded } = setup()
  assert.deepEqual(excluded({ class: 'vetted' }), { b: 'class', c: 'class' })
  assert.deepEqual(excluded({ class: 'attested' }), { a: 'class', b: 'class', c: 'class' })
  assert.deepEqual(excluded({ regions: ['de'] }), { b: 'regions', c: 'regions' })
  assert.deepEqual(excluded({ regions: ['us-east', 'de-berlin'] }), { c: 'regions' })
  assert.deepEqual(excluded({ regions: ['de-berl'] }), { a: 'regions', b: 'regions', c: 'regions' })
  assert.deepEqual(excluded({ only: ['a', 'org_c'] }), { b: 'only' })
  assert.deepEqual(excluded({ ignore: ['org_b', 'c'] }), { b: 'ignore', c: 'ignore' })
  assert.deepEqual(excluded({ data_collection: 'deny' }), { b: 'data_collection' })
  assert.deepEqual(excluded({ data_collection: 'allow', sort: 'price' }), {})
})

test('a price at the limit passes, and a nano-USD above it does not', () => {
  const { excluded } = setup()
  assert.deepEqual(excluded({ max_price: { prompt: 0.2 } }), { a: 'max_price' })
  assert.deepEqual(excluded({ max_price: { completion: 1.5 } }), {})
  assert.deepEqual(excluded({ max_price: { completion: 1.499999999 } }), { a: 'max_price' })
  assert.deepEqual(excluded({ max_price: { prompt: 0, completion: 9 } }), { a: 'max_price', b: 'max_price' })
})

test('what comes first is cheapest or quickest, and else the load decides', () => {
  const { rank } = setup()
  assert.deepEqual(rank('price'), ['c', 'b', 'a'])
  assert.deepEqual(rank('throughput'), ['a', 'c', 'b'])
  assert.deepEqual(rank('latency'), null)
})

test('no match says what shut out how many, and the nearest way out', () => {
  const { why } = setup()
  assert.equal(
    why({ class: 'vetted', max_price: { prompt: 0.1 } }),
    "provider.max_price: None of the 3 nodes that serve 'm' is what you ask for. Shut out by 'provider.class' 2, by 'provider.max_price' 2. Nearest: max_price of at least $0.25 prompt and $1.50 completion, for 1 node.",
  )
  assert.match(
    why({ class: 'attested' }) ?? '',
    /Nearest: class 'vetted' instead of 'attested', for 3 nodes\.$/,
  )
  assert.match(why({ regions: ['fr'] }) ?? '', /Nearest: regions de-berlin, us-east, for 3 nodes\.$/)
  assert.match(
    why({ only: ['x'], data_collection: 'deny' }) ?? '',
    /Shut out by 'provider\.only' 3, by 'provider\.data_collection' 1\. Nearest: other nodes than those of 'only', for 2 nodes\.$/,
  )
})

test('no match is told only while there are nodes and none of them will do', () => {
  const { why } = setup()
  assert.equal(why({ class: 'vetted' }), null)
  assert.equal(noMatch("'m'", wishOf({ class: 'attested' }), []), null)
})

test('wishes of a wrong shape are refused', () => {
  const wrong = [
    { sort: 'cheap' },
    { regions: ['Germany'] },
    { regions: [] },
    { only: [] },
    { max_price: { prompt: -1 } },
    { max_price: { image: 1 } },
    { class: 'gold' },
    { order: ['x'] },
  ]
  for (const asked of wrong)
    assert.equal(ProviderPreferences.safeParse(asked).success, false, JSON.stringify(asked))
})

function wishOf(asked: ProviderPreferences): Preferences {
  return readPreferences(asked) ?? assert.fail('there is a wish')
}

function setup() {
  const nodeOf = (nodeId: string, nodeClass: NodeClass, region: string | null) => ({
    nodeId,
    organisationId: `org_${nodeId}`,
    nodeClass,
    region,
    keepsNoPrompts: nodeId !== 'b',
  })
  const offerOf = (promptPerMillion: bigint, completionPerMillion: bigint, speed: number): Offer => ({
    price: { promptPerMillion, completionPerMillion },
    model: {
      id: 'm',
      fingerprint: 'f',
      tasks: ['chat'],
      contextTokens: 100,
      slots: 1,
      prefillTokensPerSecond: 100,
      decodeTokensPerSecond: speed,
      decodeTokensPerSecondSingle: speed,
    },
  })
  const candidates = [
    { node: nodeOf('a', 'vetted', 'de-berlin'), offer: offerOf(250_000_000n, 1_500_000_000n, 90) },
    { node: nodeOf('b', 'community', 'us-east'), offer: offerOf(200_000_000n, 900_000_000n, 10) },
    { node: nodeOf('c', 'community', null), offer: offerOf(0n, 10n, 40) },
  ]
  return {
    excluded: (asked: ProviderPreferences) =>
      Object.fromEntries(
        candidates.flatMap(({ node, offer }) => {
          const condition = excludes(wishOf(asked), node, offer)
          return condition ? [[node.nodeId, condition]] : []
        }),
      ),
    rank(sort: 'price' | 'throughput' | 'latency') {
      const wish = wishOf({ sort })
      const ranked = candidates.map(({ node, offer }) => ({ id: node.nodeId, rank: rankOf(wish, offer) }))
      if (ranked.some(({ rank }) => rank === null)) return null
      return ranked.sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0)).map(({ id }) => id)
    },
    why(asked: ProviderPreferences): string | null {
      const problem = noMatch("'m'", wishOf(asked), candidates)
      return problem && `${problem.details['param']}: ${problem.message}`
    },
  }
}
