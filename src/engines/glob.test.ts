import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pathsLike } from './glob.ts'

const rows: readonly (readonly [pattern: string, meant: readonly string[], others: readonly string[]])[] = [
  ['a.png', ['a.png'], ['aXpng', 'a.png.bak', 'b/a.png', '']],
  ['frame-*.png', ['frame-1.png', 'frame-.png'], ['frame-1.jpg', 'x/frame-1.png', 'frame-a/b.png']],
  ['?.log', ['a.log'], ['.log', 'ab.log', '/.log']],
  ['**', ['', 'a', 'a/b/c'], []],
  ['out/**', ['out/', 'out/a', 'out/a/b'], ['out', 'a/out/b']],
  ['**/*.png', ['a.png', 'x/a.png', 'x/y/a.png'], ['a.jpg', 'x/a.png/b', '/a.png']],
  ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b'], ['ab', 'a/xb', 'a//b']],
  ['**/x*/**/y', ['x/y', 'a/x1/y', 'a/xb/c/d/y'], ['x', 'y', 'ax/y/z']],
  ['*a*b', ['ab', 'aab', 'xaybzb'], ['ba', 'aba', 'a/b']],
  ['constructor', ['constructor'], ['a']],
  ['(a+)+$', ['(a+)+$'], ['aaa']],
]

for (const [pattern, meant, others] of rows) {
  test(`'${pattern}' means ${meant.length} paths of ${meant.length + others.length}`, () => {
    assert.deepEqual(pathsLike([pattern], [...meant, ...others]), meant)
  })
}

test('a pattern means what the same one written as an expression does', () => {
  const wildcards: Readonly<Record<string, string>> = {
    '**/': '(?:[^/]+/)*',
    '**': '.*',
    '*': '[^/]*',
    '?': '[^/]',
  }
  const pattern = fc.array(fc.constantFrom('a', 'b', '/', '*', '**', '**/', '?'), { maxLength: 7 })
  const path = fc.array(fc.constantFrom('a', 'b', '/', 'a/'), { maxLength: 8 })
  fc.assert(
    fc.property(pattern, path, (parts, pieces) => {
      const [glob, name] = [parts.join(''), pieces.join('')]
      const expression = glob
        .split(/(\*\*\/|\*\*|\*|\?)/)
        .map((part) => wildcards[part] ?? part)
        .join('')
      assert.deepEqual(pathsLike([glob], [name]), new RegExp(`^${expression}$`).test(name) ? [name] : [])
    }),
    { numRuns: 2_000 },
  )
})

test('a pattern that may stand in very many ways is answered as any other', () => {
  const name = 'a'.repeat(255)
  assert.deepEqual(pathsLike([`${'*a'.repeat(19)}b`], [name]), [])
  assert.deepEqual(pathsLike([`${'**a'.repeat(100)}b`, '**/'.repeat(100)], [name, `${'a/'.repeat(200)}`]), [
    `${'a/'.repeat(200)}`,
  ])
})

test('names and patterns that would take too long are not looked through', () => {
  const names = Array.from({ length: 100 }, () => 'a'.repeat(1_000))
  assert.equal(pathsLike([`${'*a'.repeat(200)}b`], names, 1_000_000), null)
  assert.deepEqual(pathsLike(['*b'], names, 1_000_000), [])
})
