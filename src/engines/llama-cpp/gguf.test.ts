import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom } from '#kernel/random.ts'
import { Problem } from '#protocol/problem.ts'
import { numberOf, readGguf, stringOf } from './gguf.ts'
import { tinyGguf } from './tiny-gguf.ts'

test('the directory of a whole file is read', () => {
  const { metadata, tensorCount } = readGguf(sourceOf(tinyGguf({ contextTokens: 512 })), 'tiny.gguf')
  assert.equal(stringOf(metadata, 'general.architecture'), 'llama')
  assert.equal(numberOf(metadata, 'llama.context_length'), 512)
  assert.equal(tensorCount, 21)
})

const whole = Buffer.from(tinyGguf())
const page = Buffer.from('<!DOCTYPE html><html><body>Please log in</body></html>')
const pointer = Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n')
const damaged: readonly (readonly [name: string, bytes: Uint8Array, says: RegExp])[] = [
  ['an empty file', Buffer.alloc(0), /the file is empty/],
  ['a wrong magic', Buffer.from('GGML and the rest of an old file'), /begins with "GGML", expected "GGUF"/],
  ['random bytes', noise(4096), /begins with .* expected "GGUF"/],
  ['a web page', page, /web page/],
  ['a Git LFS pointer', pointer, /Git LFS pointer/],
  ['the magic alone', whole.subarray(0, 4), /cut short/],
  ['a future version', withBytes(whole, 4, [9, 0, 0, 0]), /version is 9, expected 2 or 3/],
  ['the right magic with garbage', Buffer.concat([whole.subarray(0, 8), noise(5000)]), /header is damaged/],
  ['a header cut in the middle', whole.subarray(0, 3000), /cut short/],
  ['tensors cut in the middle', whole.subarray(0, whole.length - 1), /needs 1 more, so it was cut short/],
]
for (const [name, bytes, says] of damaged) {
  test(`${name} is refused as a corrupt model, in one sentence with the fix`, () => {
    assert.throws(
      () => readGguf(sourceOf(bytes), 'models/x.gguf'),
      (error) =>
        error instanceof Problem &&
        error.code === 'model_corrupt' &&
        says.test(error.message) &&
        error.message.startsWith('models/x.gguf is not') &&
        error.message.endsWith('download it again.'),
    )
  })
}

/** A large file whose header has `entries` and goes on as zeros. */
function endless(entries: readonly Buffer[], entryCount = 1) {
  const head = Buffer.concat([Buffer.from('GGUF'), u32(3), u64(0), u64(entryCount), ...entries])
  return {
    sizeBytes: 8e9,
    read: (offset: number, length: number) => {
      const bytes = new Uint8Array(length)
      bytes.set(head.subarray(offset, offset + length))
      return bytes
    },
  }
}
const key = Buffer.concat([u64(1), Buffer.from('k')])
const [STRING, ARRAY] = [u32(8), u32(9)]
const beyondMemory: readonly (readonly [name: string, source: ReturnType<typeof endless>, says: RegExp])[] = [
  ['an array of bytes', endless([key, ARRAY, u32(0), u64(6e9)]), /more than 4000000 values/],
  ['arrays in arrays', endless([key, ARRAY, u32(9), u64(3e6), u32(0), u64(3e6)]), /more than 4000000 values/],
  ['a text', endless([key, STRING, u64(3e9)]), /a text of 3000000000 bytes/],
  [
    'many texts',
    endless([
      key,
      ARRAY,
      STRING,
      u64(20),
      ...Array(20)
        .fill([u64(8e6), Buffer.alloc(8e6)])
        .flat(),
    ]),
    /longer than 128 MiB/,
  ],
]
for (const [name, source, says] of beyondMemory) {
  test(`${name} beyond what a header has is refused as corrupt, and not kept in memory`, () => {
    assert.throws(
      () => readGguf(source, 'x.gguf'),
      (error) => error instanceof Problem && error.code === 'model_corrupt' && says.test(error.message),
    )
  })
}

test('no damage makes the reader hang or throw anything but a problem', () => {
  const random = createRandom(7)
  for (let round = 0; round < 400; round++) {
    const bytes = Buffer.from(whole.subarray(0, 12_000))
    for (let flip = 0; flip < 8; flip++) bytes[8 + random.int(bytes.length - 8)] = random.int(256)
    assert.throws(() => readGguf(sourceOf(bytes), 'x.gguf'), Problem)
  }
})

function sourceOf(bytes: Uint8Array) {
  return {
    sizeBytes: bytes.length,
    read: (offset: number, length: number) => Uint8Array.from(bytes.subarray(offset, offset + length)),
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

function noise(length: number): Buffer {
  const random = createRandom(1)
  return Buffer.from(Array.from({ length }, () => random.int(256)))
}

function withBytes(source: Uint8Array, offset: number, bytes: readonly number[]): Buffer {
  const copy = Buffer.from(source)
  copy.set(bytes, offset)
  return copy
}
