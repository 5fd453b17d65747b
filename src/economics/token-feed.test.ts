import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTokenSeries } from './token-feed.ts'
import { tokenPastOf } from './token-past.ts'

const DAY_MS = 86_400_000
const AT = Date.UTC(2026, 0, 1)

const shapes: [name: string, text: string][] = [
  [
    'a list of its own, with the name of the token in it',
    JSON.stringify({
      token: 'akt',
      prices: [
        { at: '2026-01-01', usd: 1 },
        { at: '2026-01-03', usd: 3 },
        { at: '2026-01-02T23:59:00Z', usd: 2 },
      ],
    }),
  ],
  [
    "CoinGecko's market chart",
    JSON.stringify({
      prices: [
        [AT, 1],
        [AT + DAY_MS, 2],
        [AT + 2 * DAY_MS, 3],
      ],
      market_caps: [],
    }),
  ],
  [
    "Binance's klines",
    JSON.stringify([1, 2, 3].map((usd, day) => [AT + day * DAY_MS, '9', '9', '9', `${usd}`, '0', 0])),
  ],
  [
    'rows of dates and prices',
    JSON.stringify([1, 2, 3].map((price, day) => ({ date: (AT + day * DAY_MS) / 1_000, price }))),
  ],
  ['lines of dates and prices', 'date,price\n2026-01-01,1\n2026-01-02,2\r\n2026-01-03,3\n'],
]
for (const [name, text] of shapes) {
  test(`${name} is read, in order of time`, () => {
    const { token, prices } = parseTokenSeries(text, { source: 'x', token: 'AKT' })
    assert.equal(token, 'AKT')
    assert.deepEqual(
      prices,
      [1, 2, 3].map((usd, day) => ({ atMs: AT + day * DAY_MS, usd })),
    )
  })
}

test('of several prices of a day the last counts', () => {
  const text = '2026-01-01T01:00Z,1\n2026-01-01T23:00Z,5\n2026-01-02,2\n2026-01-03,3'
  assert.deepEqual(
    parseTokenSeries(text, { source: 'x', token: 'NOS' }).prices.map(({ usd }) => usd),
    [5, 2, 3],
  )
})

const refused: [what: string, text: string, token: string | null, message: RegExp][] = [
  [
    'without the name of a token',
    '2026-01-01,1\n2026-01-02,2\n2026-01-03,3',
    null,
    /which token.*AKT=f\.csv/,
  ],
  ['of another token', '{"token":"NOS","prices":[]}', 'AKT', /of NOS, not of AKT/],
  ['with a price of nothing', '2026-01-01,1\n2026-01-02,0\n2026-01-03,3', 'AKT', /0 USD on 2026-01-02/],
  ['with a negative price', '{"prices":[[1767225600000,-1]]}', 'AKT', /-1 USD/],
  ['with a date that is none', '1st of May,3', 'AKT', /"1st of May", which is no date/],
  ['of text', 'hello\nworld', 'AKT', /no date and price: "world"/],
  ['of another shape', '{"a":1}', 'AKT', /no series of token prices/],
  ['of two days', '2026-01-01,1\n2026-01-02,2', 'AKT', /2 days: a history takes 3/],
  ['without anything', '', 'AKT', /0 days/],
]
for (const [what, text, token, message] of refused) {
  test(`a series ${what} is refused in a sentence`, () => {
    assert.throws(() => parseTokenSeries(text, { source: 'f.csv', token }), {
      code: 'config_invalid',
      message,
    })
  })
}

test('what waiting did to a payout is read off the series, never made up between its prices', () => {
  const prices = [10, 8, 4, 8, 16].map((usd, index) => ({ atMs: index * 7 * DAY_MS, usd }))
  const past = tokenPastOf({ token: 'AKT', source: 'x', prices }, 7)
  assert.deepEqual(past?.waited, { days: 7, p5Usd: 50, p50Usd: 200, worstUsd: 50 })
  assert.equal(past?.heldUsd, 160)
  assert.equal(past?.maxDrawdown, -0.6)
  assert.equal(tokenPastOf({ token: 'AKT', source: 'x', prices }, 90)?.waited, null)
  assert.equal(tokenPastOf({ token: 'AKT', source: 'x', prices: prices.slice(3) }, 7), null)
})
