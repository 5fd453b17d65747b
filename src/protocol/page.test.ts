import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { PageQuery, paginate } from './page.ts'

const all = ['a', 'b', 'c', 'd', 'e']
const itself = (item: string): string => item

test('pages follow one another without a gap or a repeat', () => {
  const seen: string[] = []
  let before: string | undefined
  do {
    const page = paginate(all, { limit: 2, ...(before !== undefined && { before }) }, itself)
    seen.push(...page.items)
    before = page.next ?? undefined
  } while (before !== undefined)
  assert.deepEqual(seen, all)
})

test('the last page has no next, also when it is full', () => {
  assert.deepEqual(paginate(all, { limit: 5 }, itself), { items: all, next: null })
  assert.deepEqual(paginate(all, { limit: 3, before: 'b' }, itself), { items: ['c', 'd', 'e'], next: null })
  assert.deepEqual(paginate([], undefined, itself), { items: [], next: null })
})

test('in a list that is ordered by its cursors nothing comes twice when the last one seen is gone', () => {
  const left = all.filter((item) => item !== 'b')
  assert.deepEqual(paginate(left, { limit: 2, before: 'b' }, itself, 'by_cursor'), {
    items: ['c', 'd'],
    next: 'd',
  })
  assert.deepEqual(paginate(left, { before: 'e' }, itself, 'by_cursor'), { items: [], next: null })
  assert.deepEqual(paginate(left, { before: '0' }, itself, 'by_cursor').items, left)
})

test('a limit crosses the wire as text and has bounds', () => {
  assert.deepEqual(z.decode(PageQuery, { limit: '20' as never }), { limit: 20 })
  assert.deepEqual(z.encode(PageQuery, { limit: 20 }), { limit: '20' })
  for (const limit of ['0', '1001', '1e3', '', '2.5', '-1', '99999999999999999999']) {
    assert.equal(z.safeDecode(PageQuery, { limit: limit as never }).success, false, limit)
  }
})
