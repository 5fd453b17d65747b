import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { base32, formatId, ID_BYTES } from './id.ts'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const idBytes = fc.uint8Array({ minLength: ID_BYTES, maxLength: ID_BYTES })

test('an id is its prefix and 24 characters that read aloud alike nowhere', () => {
  fc.assert(fc.property(idBytes, (bytes) => /^node_[0-9a-hjkmnp-tv-z]{24}$/.test(formatId('node', bytes))))
})

test('an id carries all 120 bits of its bytes', () => {
  fc.assert(
    fc.property(idBytes, (bytes) => {
      const value = [...formatId('x', bytes).slice(2)].reduce(
        (sum, c) => sum * 32n + BigInt(ALPHABET.indexOf(c)),
        0n,
      )
      return value === [...bytes].reduce((sum, byte) => sum * 256n + BigInt(byte), 0n)
    }),
  )
})

test('ids sort as their bytes do', () => {
  fc.assert(
    fc.property(
      idBytes,
      idBytes,
      (a, b) => Math.sign(Buffer.compare(a, b)) === compare(formatId('x', a), formatId('x', b)),
    ),
  )
})

test('base 32 pads the last character with zero bits', () => {
  const known = [
    [[], ''],
    [[0xff], 'zw'],
    [[0, 0], '0000'],
    [[0x66, 0x6f, 0x6f, 0x62, 0x61, 0x72], 'csqpyrk1e8'],
  ] as const
  for (const [bytes, text] of known) assert.equal(base32(Uint8Array.from(bytes)), text)
})

test('an id of any other number of bytes is a bug', () => {
  for (const length of [0, 14, 16]) {
    assert.throws(() => formatId('x', new Uint8Array(length)), { message: /15 bytes, not/ })
  }
})

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
