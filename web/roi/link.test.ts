import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commandOf, questionOf, readLink, searchOf, viewOf } from './link.ts'

test('a link is read as it was written, and written as it was read', () => {
  const search = 'gpu=RTX+4090&kwh=0.30+EUR&utilisation=50%25&view=buy'
  const { params, problems } = readLink(`?${search}`)
  assert.deepEqual(problems, [])
  assert.deepEqual(params, { gpu: 'RTX 4090', kwh: '0.30 EUR', utilisation: '50%', view: 'buy' })
  assert.equal(searchOf(params), search)
  assert.deepEqual([viewOf(params), viewOf({})], ['buy', 'own'])
  assert.equal('view' in questionOf(params), false)
})

test('what is said twice, and a view that there is not, are complained of by name', () => {
  const { params, problems } = readLink('?gpu=A&gpu=B&gpu=C&view=both')
  assert.equal(params['gpu'], 'A')
  assert.deepEqual(
    problems.map(({ name }) => name),
    ['gpu', 'view'],
  )
  assert.match(problems[0]?.message ?? '', /more than once: "A" and "B"/)
})

test('a query that is no text is read as far as it goes', () => {
  assert.equal(readLink('?gpu=%E0%A4%A&x').params['x'], '')
})

test('the command is what would be typed, also around quotes', () => {
  const params = { gpu: "O'Brien; rm -rf /", kwh: '0.12', 'usd-per': 'EUR=1.1,GBP=1.3', view: 'buy' }
  assert.equal(
    commandOf(params),
    "shoal roi --gpu 'O'\\''Brien; rm -rf /' --kwh 0.12 --usd-per EUR=1.1 --usd-per GBP=1.3",
  )
  assert.equal(
    commandOf({ gpu: 'H100', dedicated: 'yes', 'power-limited': 'no' }, 'shoal roi compare'),
    'shoal roi compare --gpu H100 --dedicated',
  )
})
