import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fillFormat, parseFormat } from './format-string.ts'

test('places are filled in once, and what is filled in is not read again', () => {
  const meaning = (name: string) => (name === 'A.b' ? '{{A.b}}' : null)
  assert.deepEqual(fillFormat('x {{A.b}}{{ A.b }} }} {', meaning), { text: 'x {{A.b}}{{A.b}} }} {' })
  assert.deepEqual(fillFormat('', meaning), { text: '' })
  for (const text of ['{{', '{{A.b', '{{}}', '{{ }}', '{{A b}}', '{{.A}}', '{{1}}', '{{A.c}}'])
    assert('wrong' in fillFormat(text, meaning), text)
})

test('a text without opening braces is itself', () => {
  const text = fc.string().filter((some) => !some.includes('{{'))
  fc.assert(
    fc.property(text, (some) => assert.deepEqual(parseFormat(some), some === '' ? [] : [{ text: some }])),
  )
})
