import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FittedColumn, formatTableWithin } from './fitted-table.ts'

interface Row {
  readonly a: string
  readonly b: string
  readonly c: string
}
const columns: FittedColumn<Row>[] = [
  { title: 'A', name: 'a', text: ({ a }) => a },
  { title: 'B', name: 'bee', isRight: true, text: ({ b }) => b },
  { title: 'C', name: 'sea', text: ({ c }) => c },
]
const rows = [
  { a: 'first', b: '10', c: 'long enough' },
  { a: 'second', b: '5', c: '' },
]
const page = (width: number | null) => ({ style: (_tone: string, text: string) => text, columns: width })

test('where there is room it is a table like any other', () => {
  const wide = 'A        B  C\nfirst   10  long enough\nsecond   5'
  assert.equal(formatTableWithin(columns, rows, page(null)), wide)
  assert.equal(formatTableWithin(columns, rows, page(23)), wide)
})

test('what does not fit goes below its row, with its name; nothing is said of what is empty', () => {
  assert.equal(
    formatTableWithin(columns, rows, page(22)),
    'A        B\nfirst   10\n   sea long enough\nsecond   5',
  )
  const narrow = 'A\nfirst\n   bee 10\n   · sea\n   long\n   enough\nsecond\n   bee 5'
  assert.equal(formatTableWithin(columns, rows, page(9)), narrow)
})
