import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, deflateSync } from 'node:zlib'
import { nodeInflate } from '#host/node/node-inflate.ts'
import { mergeRanges } from './merge-ranges.ts'
import { cut, type Picture, PictureError } from './picture.ts'
import { readPicture } from './read-picture.ts'
import { writeExr } from './write-exr.ts'

test('what is written as OpenEXR is read back, bit by bit', () => {
  for (const channels of [3, 4] as const) {
    const picture = makePicture({ width: 7, height: 5, channels })
    const found = readPicture(writeExr(picture), nodeInflate)
    assert.deepEqual(found, picture)
  }
})

test('all filters of PNG rows are undone', () => {
  const rows = [
    [10, 20, 30, 40, 50, 60],
    [11, 21, 31, 41, 51, 61],
    [200, 3, 4, 5, 6, 7],
    [1, 2, 3, 250, 251, 252],
    [9, 8, 7, 6, 5, 4],
  ]
  const picture = readPicture(makePng(rows), nodeInflate)
  assert.deepEqual([picture.width, picture.height, picture.channels], [2, 5, 3])
  assert.deepEqual(
    Array.from(picture.values, (value) => Math.round(value * 255)),
    rows.flat(),
  )
  assert.equal(picture.metadata['Note'], 'shoal frame=1')
})

test('a file that is cut short anywhere, or is something else, is refused as such', () => {
  for (const whole of [makePng([[1, 2, 3]]), writeExr(makePicture({ width: 3, height: 2, channels: 3 }))]) {
    for (let length = 0; length < whole.length - 12; length += 1)
      assert.throws(() => readPicture(whole.slice(0, length), nodeInflate), PictureError, `${length}`)
  }
  assert.throws(
    () => readPicture(new TextEncoder().encode('GIF89a, no picture of ours'), nodeInflate),
    /neither/,
  )
})

test('an OpenEXR file with a number that is none ends as a picture or as a refusal', () => {
  // Before, it was read from the same place again, without an end.
  const backwards = Buffer.concat([
    Buffer.from('762f310102000000', 'hex'),
    Buffer.from('x\0y\0'),
    Buffer.from('f8ffffff', 'hex'),
    Buffer.alloc(24),
  ])
  assert.throws(() => readPicture(backwards, nodeInflate), PictureError)
  const whole = writeExr(makePicture({ width: 3, height: 2, channels: 3 }))
  for (let at = 8; at + 4 <= whole.length; at += 1) {
    for (const number of [-1, -8, 2 ** 31 - 1]) {
      const bytes = Uint8Array.from(whole)
      new DataView(bytes.buffer).setInt32(at, number, true)
      assert.equal(outcome(bytes), 'read or refused', `${number} at ${at}`)
    }
  }
})

test('an OpenEXR file whose lines are all the same few bytes is refused', () => {
  const whole = writeExr(makePicture({ width: 3, height: 4, channels: 3 }))
  const view = new DataView(whole.buffer)
  const table = whole.length - 4 * (8 + 3 * 3 * 4) - 4 * 8
  for (let line = 1; line < 4; line += 1)
    view.setBigUint64(table + 8 * line, view.getBigUint64(table, true), true)
  assert.throws(() => readPicture(whole, nodeInflate), /table of lines is broken/)
})

test('a small file that unpacks to more than its picture is refused', () => {
  const bomb = makePng([[1, 2, 3]], deflateSync(new Uint8Array(10_000_000)))
  assert.throws(() => readPicture(bomb, nodeInflate), PictureError)
})

test('parts merge by how many samples they have', () => {
  const part = (value: number): Picture => ({
    ...makePicture({ width: 1, height: 1, channels: 3 }),
    values: Float32Array.of(value, value, value),
  })
  const merged = mergeRanges([
    { picture: part(1), samples: 1 },
    { picture: part(5), samples: 3 },
  ])
  assert.deepEqual(Array.from(merged.values), [4, 4, 4])
  assert.throws(() => mergeRanges([]), PictureError)
  const other = makePicture({ width: 2, height: 1, channels: 3 })
  assert.throws(
    () =>
      mergeRanges([
        { picture: part(1), samples: 1 },
        { picture: other, samples: 1 },
      ]),
    /2 x 1/,
  )
})

test('a part is cut out of a picture where it is', () => {
  const picture = makePicture({ width: 4, height: 3, channels: 3 })
  const part = cut(picture, { x: 1, y: 2, width: 2, height: 1 })
  assert.deepEqual(Array.from(part.values), Array.from(picture.values.slice(27, 33)))
})

function outcome(bytes: Uint8Array): string {
  try {
    readPicture(bytes, nodeInflate, 10_000)
  } catch (error) {
    if (!(error instanceof PictureError)) return String(error)
  }
  return 'read or refused'
}

function makePicture({ width, height, channels }: Pick<Picture, 'width' | 'height' | 'channels'>): Picture {
  const values = Float32Array.from({ length: width * height * channels }, (_, at) => Math.sin(at) * 3)
  return { width, height, channels, values, step: 0, metadata: { note: 'shoal frame=1' } }
}

/** Rows of red, green and blue in 8 bits; row n has filter n modulo 5. */
function makePng(rows: readonly (readonly number[])[], data = deflateSync(filtered(rows))): Uint8Array {
  const header = Buffer.alloc(13)
  header.writeUInt32BE((rows[0]?.length ?? 0) / 3, 0)
  header.writeUInt32BE(rows.length, 4)
  header.set([8, 2], 8)
  const chunks = [
    chunk('IHDR', header),
    chunk('tEXt', Buffer.from('Note\0shoal frame=1')),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...chunks])
}

function chunk(name: string, body: Uint8Array): Buffer {
  const typed = Buffer.concat([Buffer.from(name), body])
  const ends = Buffer.alloc(8)
  ends.writeUInt32BE(body.length, 0)
  ends.writeUInt32BE(crc32(typed), 4)
  return Buffer.concat([ends.subarray(0, 4), typed, ends.subarray(4)])
}

function filtered(rows: readonly (readonly number[])[]): Uint8Array {
  const bytes = rows.flatMap((row, at) => {
    const above = rows[at - 1] ?? []
    const filter = at % 5
    const values = row.map((value, column) => {
      const [left, up, corner] = [row[column - 3] ?? 0, above[column] ?? 0, above[column - 3] ?? 0]
      return value - predict(filter, [left, up, corner])
    })
    return [filter, ...values]
  })
  return Uint8Array.from(bytes)
}

function predict(filter: number, [left, up, corner]: readonly [number, number, number]): number {
  const guess = left + up - corner
  const nearest = [left, up, corner].toSorted((a, b) => Math.abs(guess - a) - Math.abs(guess - b))[0] ?? 0
  return [0, left, up, (left + up) >> 1, nearest][filter] ?? 0
}
