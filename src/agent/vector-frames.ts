/**
 * Embeddings as frames: packed, in as many frames as they take, where the gateway said that it takes them so; one frame of
 * numbers for a gateway of before.
 */
import { EMBEDDING_VALUES_MAX } from '#protocol/agent-link.ts'
import { encodeFrame, encodeJsonFrame, FRAME_PAYLOAD_BYTES_MAX, FrameType } from '#protocol/frame.ts'
import { Problem } from '#protocol/problem.ts'

/** Base64 in one frame: what else is said on the connection is not to wait long behind it. */
const FRAME_BASE64_MAX = 1024 * 1024

interface To {
  readonly stream: number
  readonly takesParts: boolean
}

/** In order. Throws `Problem('invalid_request')` naming how many texts fit, where these do not. */
export function vectorFrames(vectors: readonly Float32Array[], { stream, takesParts }: To): Uint8Array[] {
  if (!takesParts) return [wholeFrame(vectors, stream)]
  const values = vectors.reduce((sum, { length }) => sum + length, 0)
  if (values > EMBEDDING_VALUES_MAX) throw tooMany(vectors, values / EMBEDDING_VALUES_MAX)
  const frames: Uint8Array[] = []
  let packed: string[] = []
  let length = 0
  const flush = (): void => {
    frames.push(encodeJsonFrame(FrameType.embedding, stream, { packed }))
    packed = []
    length = 0
  }
  for (const vector of vectors) {
    const text = packedText(vector)
    if (length > 0 && length + text.length > FRAME_BASE64_MAX) flush()
    packed.push(text)
    length += text.length
  }
  flush()
  return frames
}

function wholeFrame(vectors: readonly Float32Array[], stream: number): Uint8Array {
  const rows = vectors.map((vector) => [...vector])
  const payload = Buffer.from(JSON.stringify({ vectors: rows }))
  if (payload.length > FRAME_PAYLOAD_BYTES_MAX)
    throw tooMany(vectors, payload.length / FRAME_PAYLOAD_BYTES_MAX)
  return encodeFrame(FrameType.embedding, stream, payload)
}

/** Float32 after float32, little end first, whatever the machine has first. */
function packedText(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.byteLength)
  for (const [index, value] of vector.entries()) {
    bytes.writeFloatLE(value, index * Float32Array.BYTES_PER_ELEMENT)
  }
  return bytes.toString('base64')
}

function tooMany(vectors: readonly Float32Array[], timesTooMany: number): Problem {
  const { length } = vectors
  const dimensions = vectors[0]?.length ?? 0
  const fits = Math.max(1, Math.floor(length / timesTooMany))
  return new Problem(
    'invalid_request',
    `Invalid 'input': ${length} texts with ${dimensions} numbers each are more than one answer holds. Send at most ${fits} of them in one request.`,
    { details: { param: 'input' } },
  )
}
