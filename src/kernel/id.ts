import { assert } from './assert.ts'

/** Crockford's base 32 in lower case: no `i l o u`, so an id read aloud stays right. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

export const ID_BYTES = 15

/** `prefix_` and 24 characters that carry all 120 bits of `bytes` (exactly 15 of them). */
export function formatId(prefix: string, bytes: Uint8Array): string {
  assert(bytes.length === ID_BYTES, `an id takes ${ID_BYTES} bytes, not ${bytes.length}`)
  return `${prefix}_${base32(bytes)}`
}

/** Base 32 of any bytes, most significant bit first; the last character is padded with zero bits. */
export function base32(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let buffer = 0
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += ALPHABET[(buffer >> bits) & 31]
    }
    buffer &= (1 << bits) - 1
  }
  return bits > 0 ? text + ALPHABET[(buffer << (5 - bits)) & 31] : text
}
