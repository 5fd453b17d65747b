/** The thread in which pictures of strangers are read: one call after the other, until somebody ends it. */
import { parentPort } from 'node:worker_threads'
import { nodeInflate } from '#host/node/node-inflate.ts'
import { unreachable } from '#kernel/assert.ts'
import { compareRendered, lookAtPicture } from '#verify/look-at-picture.ts'
import type { PictureCall } from './picture-thread.ts'

function answer(call: PictureCall): unknown {
  switch (call.kind) {
    case 'look':
      return lookAtPicture(call.what, nodeInflate)
    case 'compare':
      return compareRendered(call.what, nodeInflate)
    default:
      return unreachable(call)
  }
}

parentPort?.on('message', (call: PictureCall) => parentPort?.postMessage(answer(call)))
