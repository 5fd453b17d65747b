import { joinBytes } from './join-bytes.ts'
import type { Picture } from './picture.ts'

/** An OpenEXR file of `picture`: float, uncompressed scan lines. */
export function writeExr(picture: Picture): Uint8Array {
  const { width, height, channels, values } = picture
  // Sorted by name, as the format wants; each with where its value stands in a pixel.
  const order = (
    [
      ['A', 3],
      ['B', 2],
      ['G', 1],
      ['R', 0],
    ] as const
  ).filter(([, at]) => at < channels)
  const header = makeHeader(
    picture,
    order.map(([name]) => name),
  )
  const lineBytes = 8 + width * order.length * 4
  const file = new Uint8Array(header.length + 8 * height + lineBytes * height)
  const view = new DataView(file.buffer)
  file.set(header)
  let at = header.length
  for (let line = 0; line < height; line += 1, at += 8)
    view.setBigUint64(at, BigInt(header.length + 8 * height + lineBytes * line), true)
  for (let line = 0; line < height; line += 1) {
    view.setInt32(at, line, true)
    view.setInt32(at + 4, lineBytes - 8, true)
    at += 8
    for (const [, channel] of order) {
      for (let column = 0; column < width; column += 1, at += 4)
        view.setFloat32(at, values[(line * width + column) * channels + channel] ?? 0, true)
    }
  }
  return file
}

function makeHeader({ width, height, metadata }: Picture, names: readonly string[]): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(0x76, 0x2f, 0x31, 0x01, 2, 0, 0, 0)]
  const add = (name: string, type: string, body: Uint8Array) =>
    parts.push(text(name), text(type), integers([body.length]), body)
  const channels = names.map((name) => joinBytes([text(name), integers([2, 0, 1, 1])]))
  const box = integers([0, 0, width - 1, height - 1])
  add('channels', 'chlist', joinBytes([...channels, Uint8Array.of(0)]))
  add('compression', 'compression', Uint8Array.of(0))
  add('dataWindow', 'box2i', box)
  add('displayWindow', 'box2i', box)
  add('lineOrder', 'lineOrder', Uint8Array.of(0))
  add('pixelAspectRatio', 'float', floats([1]))
  add('screenWindowCenter', 'v2f', floats([0, 0]))
  add('screenWindowWidth', 'float', floats([1]))
  for (const [name, value] of Object.entries(metadata)) add(name, 'string', new TextEncoder().encode(value))
  return joinBytes([...parts, Uint8Array.of(0)])
}

const text = (word: string): Uint8Array => new TextEncoder().encode(`${word}\0`)

function integers(numbers: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * numbers.length))
  numbers.forEach((number, at) => {
    view.setInt32(4 * at, number, true)
  })
  return new Uint8Array(view.buffer)
}

function floats(numbers: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * numbers.length))
  numbers.forEach((number, at) => {
    view.setFloat32(4 * at, number, true)
  })
  return new Uint8Array(view.buffer)
}
