import type { PackRefusal } from '#blobs/pack.ts'
import { Problem } from '#protocol/problem.ts'

export const badPack = (why: PackRefusal): Problem =>
  new Problem('invalid_request', `What was sent is no pack of chunks: ${why.replaceAll('_', ' ')}.`)

export const wrongChunk = (index: number, count: number): Problem =>
  new Problem(
    'invalid_request',
    `Chunk ${index + 1} of the ${count} that were sent is not what its hash says. Send the pack again.`,
    { details: { chunk: index } },
  )

export const wrongObject = (): Problem =>
  new Problem(
    'invalid_request',
    'The chunks make an object with another hash than it was announced with: the file changed while it was read. Upload it again.',
  )

export const uploadsTooMany = ({ by, count }: { by: string; count: number }): Problem =>
  new Problem(
    'rate_limited',
    `${by === '' ? "The organisation's keys have" : 'This node has'} ${count} uploads under way, and there may be no more. Finish some of them; one of which nothing is heard for 10 minutes makes room.`,
    {
      details: { retryAfterMs: 5_000 },
    },
  )

/** `bytesMax` is 0 where its node has yet to say what the attempt made. */
export const resultTooLarge = ({ bytes, bytesMax }: { bytes: number; bytesMax: number }): Problem =>
  bytesMax === 0
    ? new Problem(
        'unavailable',
        'This node has not said what its attempt made. It says so first, and is answered; then it sends it.',
      )
    : new Problem(
        'body_too_large',
        `This attempt would send ${bytes} bytes, and of what its node said that it made ${Math.floor(bytesMax)} may come. Send what was said, and nothing else.`,
        { details: { bytes, bytesMax: Math.floor(bytesMax) } },
      )
