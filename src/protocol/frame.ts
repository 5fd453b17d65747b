/**
 * The agent protocol's frames. One link message carries one or more of them:
 *
 *     u8 type · u8 flags · u16 zero · u32 stream · u32 length · payload        (big endian)
 *
 * Stream 0 is the connection itself; every other stream is one request, numbered by the gateway.
 */
import { assert } from '#kernel/assert.ts'
import type { DeltaDetail } from './delta-detail.ts'
import { Problem } from './problem.ts'

export const FrameType = {
  challenge: 1,
  hello: 2,
  admit: 3,
  deny: 4,
  capability: 5,
  heartbeat: 6,
  drain: 7,
  /** Takes back a drain: the node takes work again. */
  resume: 8,
  request: 10,
  started: 11,
  data: 12,
  embedding: 13,
  end: 14,
  problem: 15,
  cancel: 16,
  credit: 17,
  /** JSON, just before the data frame that it belongs to. Only on streams whose request asked for what it carries. */
  detail: 18,
  /** From the gateway, stream 0: all models that the node is to serve by the network's choice. Since version 3. */
  wantedModels: 19,
  /** From the agent, stream 0: how far it is with them. Since version 3. */
  hostedModels: 20,
  /** Of tasks, stream 0: from the agent a `WorkSay`, from the gateway a `WorkOrder`. Since version 4. */
  work: 21,
  /** Proofs of hardware, stream 0, JSON, either way. Since version 5. */
  prove: 22,
  /** Signed heads of chains of receipts, stream 0, JSON, either way. Since version 5. */
  receipts: 23,
  /** From the agent, stream 0, JSON: how its devices are. Since version 5. */
  health: 24,
} as const
export type FrameType = (typeof FrameType)[keyof typeof FrameType]

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Uint8Array
}

/** A frame where it came. A view of its payload costs as much as all else of a token, which is read without. */
class ReceivedFrame implements Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly message: Uint8Array
  readonly start: number
  readonly end: number

  constructor(message: Uint8Array, offset: number, end: number) {
    this.type = message[offset] ?? 0
    this.flags = message[offset + 1] ?? 0
    this.stream = readU32(message, offset + 4)
    this.message = message
    this.start = offset + FRAME_HEADER_BYTES
    this.end = end
  }

  get payload(): Uint8Array {
    return this.message.subarray(this.start, this.end)
  }
}

export const FRAME_HEADER_BYTES = 12
/** What one frame may carry: an 8 MiB request body is refused long before, and so is what is longer read than written. */
export const FRAME_PAYLOAD_BYTES_MAX = 8 * 1024 * 1024

/** Set on a data frame whose token ids the engine does not tell: its count is then a claim. */
export const FLAG_IDS_UNKNOWN = 1

const encoder = new TextEncoder()
// A byte order mark is text like any other: a delta may begin with one.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function encodeFrame(type: FrameType, stream: number, payload: Uint8Array, flags = 0): Uint8Array {
  assert(payload.length <= FRAME_PAYLOAD_BYTES_MAX, 'a frame payload is bounded by whoever made it')
  const message = new Uint8Array(FRAME_HEADER_BYTES + payload.length)
  writeHeader(message, { type, flags, stream, length: payload.length })
  message.set(payload, FRAME_HEADER_BYTES)
  return message
}

export const encodeJsonFrame = (type: FrameType, stream: number, value: unknown): Uint8Array =>
  encodeFrame(type, stream, encoder.encode(JSON.stringify(value)))

const NOTHING = new Uint8Array(0)
export const encodeEmptyFrame = (type: FrameType, stream: number): Uint8Array =>
  encodeFrame(type, stream, NOTHING)

/** Every frame of one message, in order. Throws `Problem('invalid_request')` when the bytes are not whole frames. */
export function decodeFrames(message: Uint8Array): Frame[] {
  const frames: Frame[] = []
  let offset = 0
  while (offset < message.length) {
    if (message.length - offset < FRAME_HEADER_BYTES) throw malformed('a frame header is cut short')
    const length = readU32(message, offset + 8)
    const start = offset + FRAME_HEADER_BYTES
    if (length > FRAME_PAYLOAD_BYTES_MAX || start + length > message.length) {
      throw malformed(`a frame announces ${length} bytes, ${message.length - start} are there`)
    }
    frames.push(new ReceivedFrame(message, offset, start + length))
    offset = start + length
  }
  return frames
}

/** The payload as JSON, still unchecked. Throws `Problem('invalid_request')`. */
export function decodeJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(payload))
  } catch (cause) {
    throw new Problem('invalid_request', 'A frame that should hold JSON does not.', { cause })
  }
}

export interface DataPayload {
  readonly text: string
  /** Empty when `idsKnown` is false. */
  readonly tokenIds: readonly number[]
  readonly tokenCount: number
  readonly idsKnown: boolean
  /** What came in the detail frame before it. */
  readonly detail?: DeltaDetail
  /** The size of that frame's payload. */
  readonly detailBytes?: number
}

/** A data frame: `u16 count · count × u32 token id · UTF-8 text`; without ids, `u16 count · text`. */
export function encodeDataFrame(
  stream: number,
  data: Pick<DataPayload, 'text' | 'tokenIds' | 'tokenCount'>,
): Uint8Array {
  const text = encoder.encode(data.text)
  const idsKnown = data.tokenIds.length === data.tokenCount
  const idBytes = idsKnown ? data.tokenCount * 4 : 0
  assert(data.tokenCount <= 0xffff, 'a delta holds at most 65,535 tokens')
  const length = 2 + idBytes + text.length
  const message = new Uint8Array(FRAME_HEADER_BYTES + length)
  writeHeader(message, { type: FrameType.data, flags: idsKnown ? 0 : FLAG_IDS_UNKNOWN, stream, length })
  let offset = FRAME_HEADER_BYTES
  message[offset++] = data.tokenCount >>> 8
  message[offset++] = data.tokenCount & 0xff
  if (idsKnown) {
    for (const id of data.tokenIds) {
      writeU32(message, offset, id)
      offset += 4
    }
  }
  message.set(text, offset)
  return message
}

/** Throws `Problem('invalid_request')` for a payload that is cut short or not UTF-8. */
export function decodeData(frame: Frame): DataPayload {
  if (frame instanceof ReceivedFrame) return readData(frame, frame.flags)
  const { payload, flags } = frame
  return readData({ message: payload, start: 0, end: payload.length }, flags)
}

function readData(
  { message, start, end }: Pick<ReceivedFrame, 'message' | 'start' | 'end'>,
  flags: number,
): DataPayload {
  if (end - start < 2) throw malformed('a data frame has no token count')
  const tokenCount = ((message[start] ?? 0) << 8) | (message[start + 1] ?? 0)
  const idsKnown = (flags & FLAG_IDS_UNKNOWN) === 0
  const textStart = start + 2 + (idsKnown ? tokenCount * 4 : 0)
  if (end < textStart) throw malformed(`a data frame announces ${tokenCount} tokens and has fewer`)
  const tokenIds: number[] = []
  for (let offset = start + 2; offset < textStart; offset += 4) tokenIds.push(readU32(message, offset))
  const text = shortAscii(message, textStart, end) ?? decodeText(message.subarray(textStart, end))
  return { text, tokenIds, tokenCount, idsKnown }
}

/** Of a token, mostly: a call of the decoder costs several times as much. Null for what is long or not ASCII. */
function shortAscii(bytes: Uint8Array, start: number, end: number): string | null {
  if (end - start > SHORT_BYTES_MAX) return null
  let text = ''
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (byte > 0x7f) return null
    text += String.fromCharCode(byte)
  }
  return text
}
const SHORT_BYTES_MAX = 12

function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new Problem('invalid_request', 'A data frame holds text that is not UTF-8.', { cause })
  }
}

export interface HeartbeatPayload {
  readonly slotsBusy: number
  readonly queued: number
}

const HEARTBEAT_BYTES = 8

/** Eight bytes, since every node sends one every two seconds for ever. */
export function encodeHeartbeatFrame({ slotsBusy, queued }: HeartbeatPayload): Uint8Array {
  const message = new Uint8Array(FRAME_HEADER_BYTES + HEARTBEAT_BYTES)
  writeHeader(message, { type: FrameType.heartbeat, flags: 0, stream: 0, length: HEARTBEAT_BYTES })
  writeU32(message, FRAME_HEADER_BYTES, slotsBusy)
  writeU32(message, FRAME_HEADER_BYTES + 4, queued)
  return message
}

/**
 * True when `message` is one whole heartbeat and nothing else, as nearly every message of an idle network is: told by
 * its bytes, for a view of the payload costs twenty times as much as all the rest of a heartbeat.
 */
export const isHeartbeat = (message: Uint8Array): boolean =>
  message.length === FRAME_HEADER_BYTES + HEARTBEAT_BYTES &&
  message[0] === FrameType.heartbeat &&
  readU32(message, 4) === 0 &&
  readU32(message, 8) === HEARTBEAT_BYTES

export function decodeHeartbeat(payload: Uint8Array): HeartbeatPayload {
  if (payload.length < HEARTBEAT_BYTES) throw malformed('a heartbeat is cut short')
  return { slotsBusy: readU32(payload, 0), queued: readU32(payload, 4) }
}

/** Lets the other side send `bytes` more of text on `stream`. */
export function encodeCreditFrame(stream: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(4)
  writeU32(payload, 0, bytes)
  return encodeFrame(FrameType.credit, stream, payload)
}

export function decodeCredit(payload: Uint8Array): number {
  if (payload.length < 4) throw malformed('a credit is cut short')
  return readU32(payload, 0)
}

const malformed = (what: string): Problem => new Problem('invalid_request', `Malformed frame: ${what}.`)

function writeHeader(
  message: Uint8Array,
  { type, flags, stream, length }: { type: number; flags: number; stream: number; length: number },
): void {
  message[0] = type
  message[1] = flags
  writeU32(message, 4, stream)
  writeU32(message, 8, length)
}

function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24
  bytes[offset + 1] = value >>> 16
  bytes[offset + 2] = value >>> 8
  bytes[offset + 3] = value
}

const readU32 = (bytes: Uint8Array, offset: number): number =>
  (((bytes[offset] ?? 0) << 24) |
    ((bytes[offset + 1] ?? 0) << 16) |
    ((bytes[offset + 2] ?? 0) << 8) |
    (bytes[offset + 3] ?? 0)) >>>
  0
