/** PNG as Blender writes it: 8 or 16 bits, grey or colour, with or without alpha, not interlaced. */

import { joinBytes } from './join-bytes.ts'
import { checkSize, type Inflate, PIXELS_MAX, type Picture, PictureError } from './picture.ts'

interface Header {
  readonly width: number
  readonly height: number
  readonly depth: 8 | 16
  /** In the file: 1 grey, 2 grey and alpha, 3, 4. */
  readonly samples: number
}

const SAMPLES: Readonly<Record<number, number>> = { 0: 1, 2: 3, 4: 2, 6: 4 }

export function readPng(bytes: Uint8Array, inflate: Inflate, pixelsMax = PIXELS_MAX): Picture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let header: Header | null = null
  const data: Uint8Array[] = []
  let isWhole = false
  const metadata: Record<string, string> = {}
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at)
    const type = view.getUint32(at + 4)
    const body = bytes.subarray(at + 8, at + 8 + length)
    if (body.length !== length) throw new PictureError('the file is cut short')
    if (type === CHUNK.IHDR) header = readHeader(body, pixelsMax)
    else if (type === CHUNK.IDAT) data.push(body)
    else if (type === CHUNK.tEXt) readText(body, metadata)
    else if (type === CHUNK.IEND) isWhole = true
    at += 12 + length
  }
  if (!isWhole) throw new PictureError('the file is cut short')
  if (header === null || data.length === 0) throw new PictureError('the file has no picture in it')
  const rowBytes = (header.width * header.samples * header.depth) / 8
  const raw = inflate(joinBytes(data), (rowBytes + 1) * header.height)
  if (raw.length < (rowBytes + 1) * header.height) throw new PictureError('the file is cut short')
  unfilter(raw, { rowBytes, height: header.height, pixelBytes: (header.samples * header.depth) / 8 })
  return toPicture(raw, header, metadata)
}

const chunk = (name: string): number =>
  name.split('').reduce((sum, letter) => sum * 256 + letter.charCodeAt(0), 0)
const CHUNK = { IHDR: chunk('IHDR'), IDAT: chunk('IDAT'), IEND: chunk('IEND'), tEXt: chunk('tEXt') }

function readHeader(body: Uint8Array, pixelsMax: number): Header {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const [width, height, depth] = [view.getUint32(0), view.getUint32(4), view.getUint8(8)]
  const samples = SAMPLES[view.getUint8(9)]
  checkSize(width, height, pixelsMax)
  if (samples === undefined || (depth !== 8 && depth !== 16) || view.getUint8(12) !== 0)
    throw new PictureError('it is a kind of PNG that Blender does not write')
  return { width, height, depth, samples }
}

function readText(body: Uint8Array, metadata: Record<string, string>): void {
  const end = body.indexOf(0)
  if (end < 1 || end > 79) return
  const decoder = new TextDecoder('latin1')
  metadata[decoder.decode(body.subarray(0, end))] = decoder.decode(body.subarray(end + 1))
}

/** Undoes, in place, what each row says was subtracted from it. Rows keep their leading byte. */
function unfilter(
  raw: Uint8Array,
  { rowBytes, height, pixelBytes }: { rowBytes: number; height: number; pixelBytes: number },
): void {
  for (let row = 0; row < height; row += 1) {
    const start = row * (rowBytes + 1) + 1
    const filter = raw[start - 1] ?? 0
    const above = row === 0 ? -1 : start - rowBytes - 1
    if (filter === 0) continue
    for (let at = 0; at < rowBytes; at += 1) {
      const left = at >= pixelBytes ? (raw[start + at - pixelBytes] ?? 0) : 0
      const up = above < 0 ? 0 : (raw[above + at] ?? 0)
      const corner = above < 0 || at < pixelBytes ? 0 : (raw[above + at - pixelBytes] ?? 0)
      raw[start + at] = (raw[start + at] ?? 0) + predicted(filter, left, up, corner)
    }
  }
}

function predicted(filter: number, left: number, up: number, corner: number): number {
  if (filter === 0) return 0
  if (filter === 1) return left
  if (filter === 2) return up
  if (filter === 3) return (left + up) >> 1
  if (filter !== 4) throw new PictureError('a row of it has an unknown filter')
  const guess = left + up - corner
  const [toLeft, toUp, toCorner] = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - corner)]
  if (toLeft <= toUp && toLeft <= toCorner) return left
  return toUp <= toCorner ? up : corner
}

function toPicture(raw: Uint8Array, header: Header, metadata: Record<string, string>): Picture {
  const { width, height, depth, samples } = header
  const channels = samples === 2 || samples === 4 ? 4 : 3
  const values = new Float32Array(width * height * channels)
  const rowBytes = (width * samples * depth) / 8
  const most = 2 ** depth - 1
  const sampleAt = (row: number, at: number): number => {
    const start = row * (rowBytes + 1) + 1
    return depth === 8
      ? (raw[start + at] ?? 0)
      : (raw[start + 2 * at] ?? 0) * 256 + (raw[start + 2 * at + 1] ?? 0)
  }
  let out = 0
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      for (let channel = 0; channel < channels; channel += 1) {
        const isGrey = samples < 3
        const source = isGrey ? (channel === 3 ? 1 : 0) : channel
        values[out++] = sampleAt(row, column * samples + source) / most
      }
    }
  }
  return { width, height, channels, values, step: 1 / most, metadata }
}
