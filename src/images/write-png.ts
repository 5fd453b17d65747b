/** PNG with 8 bits a channel, for people to look at: rows are not filtered, for pictures here are small. */
import { joinBytes } from './join-bytes.ts'
import type { Picture } from './picture.ts'

/** Packs bytes as a zlib stream. */
export type Deflate = (bytes: Uint8Array) => Uint8Array

/** `picture`, its values between 0 and 1, as a PNG file. What lies outside is cut off, and what is no number is black. */
export function writePng({ width, height, channels, values }: Picture, deflate: Deflate): Uint8Array {
  const rowBytes = width * channels
  const raw = new Uint8Array((rowBytes + 1) * height)
  for (let row = 0; row < height; row += 1) {
    const start = row * (rowBytes + 1) + 1
    for (let at = 0; at < rowBytes; at += 1) {
      const value = values[row * rowBytes + at] ?? 0
      raw[start + at] = value > 0 ? Math.min(255, Math.round(value * 255)) : 0
    }
  }
  const header = new Uint8Array(13)
  const view = new DataView(header.buffer)
  view.setUint32(0, width)
  view.setUint32(4, height)
  header.set([8, channels === 4 ? 6 : 2], 8)
  return joinBytes([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk('IHDR', header),
    chunk('IDAT', deflate(raw)),
    chunk('IEND', new Uint8Array()),
  ])
}

function chunk(name: string, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + body.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, body.length)
  for (let at = 0; at < 4; at += 1) bytes[4 + at] = name.charCodeAt(at)
  bytes.set(body, 8)
  view.setUint32(8 + body.length, crc32(bytes.subarray(4, 8 + body.length)))
  return bytes
}

/** The polynomial of ISO 3309, as the format asks for. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte
  for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? 0xedb88320 ^ (rest >>> 1) : rest >>> 1
  return rest
})

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}
