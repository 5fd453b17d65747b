/** The thread in which pictures of strangers are read: one call after the other, until somebody ends it. */
import { parentPort } from 'node:worker_threads'
import { inflateSync } from 'node:zlib'
import type { Inflate } from '#images/picture.ts'
import { unreachable } from '#kernel/assert.ts'
import { compareRendered, lookAtPicture } from '#verify/look-at-picture.ts'
import type { PictureCall } from './picture-thread.ts'

const inflate: Inflate = (bytes, bytesMax) => inflateSync(bytes, { maxOutputLength: Math.max(1, bytesMax) })

function answer(call: PictureCall): unknown {
  switch (call.kind) {
    case 'look':
      return lookAtPicture(call.what, inflate)
    case 'compare':
      return compareRendered(call.what, inflate)
    default:
      return unreachable(call)
  }
}

parentPort?.on('message', (call: PictureCall) => parentPort?.postMessage(answer(call)))
