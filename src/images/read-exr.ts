/** OpenEXR as Blender writes it: one part, scan lines, half or float, uncompressed or ZIP. */
import { checkSize, type Inflate, PIXELS_MAX, type Picture, PictureError } from './picture.ts'

interface Channel {
  readonly name: string
  readonly type: 'half' | 'float'
}
/** A frame has four; each costs as much memory as they do, which nobody may ask for in vain. */
const CHANNELS_MAX = 16

interface Header {
  readonly width: number
  readonly height: number
  readonly top: number
  readonly channels: readonly Channel[]
  readonly linesPerBlock: number
  readonly isPacked: boolean
  readonly metadata: Readonly<Record<string, string>>
  readonly end: number
}

/** Lines in a block by compression: none, ZIPS and ZIP; others are not for frames that are compared. */
const BLOCK_LINES: Readonly<Record<number, number>> = { 0: 1, 2: 1, 3: 16 }

export function readExr(bytes: Uint8Array, inflate: Inflate, pixelsMax = PIXELS_MAX): Picture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const header = readHeader(bytes, view, pixelsMax)
  const { width, height, channels } = header
  const order = ['R', 'G', 'B', 'A'].map((name) => channels.findIndex((channel) => channel.name === name))
  if (order.slice(0, 3).includes(-1)) throw new PictureError('it has no red, green and blue')
  const count = order[3] === -1 ? 3 : 4
  const values = new Float32Array(width * height * count)
  const lineBytes = channels.reduce((sum, { type }) => sum + width * (type === 'half' ? 2 : 4), 0)
  const blocks = Math.ceil(height / header.linesPerBlock)
  for (let block = 0; block < blocks; block += 1) {
    const at = Number(view.getBigUint64(header.end + 8 * block, true))
    const firstLine = view.getInt32(at, true) - header.top
    const size = view.getInt32(at + 4, true)
    const lines = Math.min(header.linesPerBlock, height - firstLine)
    // One block that stood for all would make a picture of any size out of a file of no size.
    if (firstLine !== block * header.linesPerBlock || size < 0)
      throw new PictureError('its table of lines is broken')
    const packed = bytes.subarray(at + 8, at + 8 + size)
    const raw = unpack(packed, { size: lines * lineBytes, isPacked: header.isPacked, inflate })
    readLines(raw, { header, order: order.slice(0, count), firstLine, lines, values })
  }
  return { width, height, channels: count, values, step: 0, metadata: header.metadata }
}

function readHeader(bytes: Uint8Array, view: DataView, pixelsMax: number): Header {
  if ((view.getUint32(4, true) & 0x1a00) !== 0)
    throw new PictureError('it has tiles, parts or depth, which Blender does not write for a frame')
  const metadata: Record<string, string> = {}
  let [channels, compression, box]: [readonly Channel[], number, readonly number[]] = [[], -1, []]
  let at = 8
  const text = (): string => {
    const end = bytes.indexOf(0, at)
    if (end === -1) throw new PictureError('the file is cut short')
    const word = new TextDecoder('latin1').decode(bytes.subarray(at, end))
    at = end + 1
    return word
  }
  for (let name = text(); name !== ''; name = text()) {
    const type = text()
    const size = view.getInt32(at, true)
    // Below zero it would lead back to this very attribute, for ever.
    if (size < 0 || at + 4 + size > bytes.length) throw new PictureError('the file is cut short or broken')
    const body = bytes.subarray(at + 4, at + 4 + size)
    if (name === 'channels') channels = readChannels(body)
    else if (name === 'compression') compression = body[0] ?? -1
    else if (name === 'dataWindow') box = [0, 1, 2, 3].map((part) => view.getInt32(at + 4 + 4 * part, true))
    else if (type === 'string') metadata[name] = new TextDecoder().decode(body)
    at += 4 + size
  }
  const linesPerBlock = BLOCK_LINES[compression]
  if (linesPerBlock === undefined)
    throw new PictureError('its compression is not one that frames are compared in')
  const [left = 0, top = 0, right = -1, bottom = -1] = box
  const [width, height] = [right - left + 1, bottom - top + 1]
  checkSize(width, height, pixelsMax)
  return { width, height, top, channels, linesPerBlock, isPacked: compression !== 0, metadata, end: at }
}

function readChannels(body: Uint8Array): readonly Channel[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const channels: Channel[] = []
  for (let at = 0; at < body.length && body[at] !== 0; ) {
    const end = body.indexOf(0, at)
    if (end === -1) throw new PictureError('its list of channels is broken')
    const name = new TextDecoder('latin1').decode(body.subarray(at, end))
    const type = view.getInt32(end + 1, true)
    if (type !== 1 && type !== 2) throw new PictureError('it has channels of whole numbers')
    channels.push({ name, type: type === 1 ? 'half' : 'float' })
    if (channels.length > CHANNELS_MAX) throw new PictureError('it has more channels than a frame has')
    at = end + 17
  }
  return channels
}

/** A block that packing did not make smaller is stored as it is. */
function unpack(
  packed: Uint8Array,
  { size, isPacked, inflate }: { size: number; isPacked: boolean; inflate: Inflate },
): Uint8Array {
  if (!isPacked || packed.length === size) {
    if (packed.length !== size) throw new PictureError('the file is cut short')
    return packed
  }
  const raw = inflate(packed, size)
  if (raw.length !== size) throw new PictureError('a block of lines has the wrong length')
  // Differences of neighbours, and even bytes before odd ones: see the format's ZIP compression.
  for (let at = 1; at < size; at += 1) raw[at] = (raw[at - 1] ?? 0) + (raw[at] ?? 0) - 128
  const out = new Uint8Array(size)
  const half = Math.ceil(size / 2)
  for (let at = 0; at < size; at += 1) out[at] = raw[(at >> 1) + (at % 2 === 0 ? 0 : half)] ?? 0
  return out
}

interface Lines {
  readonly header: Header
  /** Where red, green, blue and alpha stand among the channels of the file. */
  readonly order: readonly number[]
  readonly firstLine: number
  readonly lines: number
  readonly values: Float32Array
}

/** A line has all values of the first channel, then all of the next. */
function readLines(raw: Uint8Array, { header, order, firstLine, lines, values }: Lines): void {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength)
  const { width, channels } = header
  let at = 0
  for (let line = 0; line < lines; line += 1) {
    for (const [index, { type }] of channels.entries()) {
      const target = order.indexOf(index)
      for (let column = 0; column < width; column += 1) {
        const value = type === 'half' ? fromHalf(view.getUint16(at, true)) : view.getFloat32(at, true)
        at += type === 'half' ? 2 : 4
        if (target !== -1) values[((firstLine + line) * width + column) * order.length + target] = value
      }
    }
  }
}

/** IEEE 754 with 5 bits of exponent and 10 of fraction. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
