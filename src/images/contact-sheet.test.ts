import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateSync, inflateSync } from 'node:zlib'
import { makeContactSheet } from './contact-sheet.ts'
import type { Picture } from './picture.ts'
import { readPicture } from './read-picture.ts'
import { shrink, toScreen } from './shrink.ts'
import { writePng } from './write-png.ts'

test('a PNG that is written is read back, to half a step', () => {
  for (const channels of [3, 4] as const) {
    const picture = pattern(17, 9, channels)
    const back = readPicture(writePng(picture, deflateSync), inflate)
    assert.deepEqual([back.width, back.height, back.channels], [17, 9, channels])
    for (const [at, value] of picture.values.entries())
      assert.ok(Math.abs((back.values[at] ?? 9) - value) <= 0.5 / 255 + 1e-6, `${at}`)
  }
})

test('values that no screen shows are cut off, and what is no number is black', () => {
  const values = Float32Array.of(-1, 2, Number.NaN, Number.POSITIVE_INFINITY, 0.5, 1)
  const picture: Picture = { width: 2, height: 1, channels: 3, values, step: 0, metadata: {} }
  const { values: back } = readPicture(writePng(picture, deflateSync), inflate)
  assert.deepEqual(
    [...back].map((value) => Math.round(value * 255)),
    [0, 255, 0, 255, 128, 255],
  )
})

test('a picture is made small with its shape and its mean, and never larger', () => {
  const picture = pattern(64, 32, 3)
  const small = shrink(picture, { width: 16, height: 16 })
  assert.deepEqual([small.width, small.height], [16, 8])
  assert.ok(Math.abs(mean(small) - mean(picture)) < 1e-6)
  assert.equal(shrink(picture, { width: 640, height: 480 }), picture)
  const thin = shrink(pattern(300, 2, 3), { width: 30, height: 30 })
  assert.deepEqual([thin.width, thin.height], [30, 1])
  assert.ok(thin.values.every((value) => Number.isFinite(value)))
})

test('linear light is shown by the curve of sRGB, alpha as it is', () => {
  const values = Float32Array.of(0, 0.5, 7, 0.5)
  const shown = toScreen({ width: 1, height: 1, channels: 4, values, step: 0, metadata: {} })
  assert.deepEqual(
    [...shown.values].map((value) => Math.round(value * 1_000)),
    [0, 735, 1_000, 500],
  )
})

test('a contact sheet has each picture in its place, with its number', () => {
  const plain = (value: number) => ({ ...pattern(8, 8, 3), values: new Float32Array(8 * 8 * 3).fill(value) })
  const pictures = [0.2, 0.4, 0.6, 1].map((value, at) => ({ picture: plain(value), label: String(at + 1) }))
  const sheet = makeContactSheet(pictures, { columns: 3, width: 8, height: 8 })
  assert.deepEqual([sheet.width, sheet.height], [3 * 56 + 8, 2 * 34 + 8])
  const at = (x: number, y: number): number =>
    Math.round((sheet.values[(y * sheet.width + x) * 3] ?? 0) * 100)
  assert.deepEqual([at(10, 10), at(66, 10), at(122, 10), at(10, 44)], [20, 40, 60, 100])
  // The middle of the upper stroke of a 1 and the empty corner beside it.
  assert.deepEqual([at(10, 20), at(8, 20), at(66, 20)], [80, 11, 80])
  assert.deepEqual(makeContactSheet([], { columns: 3, width: 8, height: 8 }).height, 8)
})

const inflate = (bytes: Uint8Array, bytesMax: number) => inflateSync(bytes, { maxOutputLength: bytesMax })

const mean = ({ values }: Picture): number => values.reduce((sum, value) => sum + value, 0) / values.length

function pattern(width: number, height: number, channels: 3 | 4): Picture {
  const values = Float32Array.from({ length: width * height * channels }, (_, at) => ((at * 37) % 101) / 100)
  return { width, height, channels, values, step: 1 / 255, metadata: {} }
}
