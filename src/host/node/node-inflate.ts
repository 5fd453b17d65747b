import { inflateSync } from 'node:zlib'

/** Unpacks a zlib stream; throws when it is broken or holds more than `bytesMax`, so that a small file cannot fill the memory. */
export const nodeInflate = (bytes: Uint8Array, bytesMax: number): Uint8Array =>
  inflateSync(bytes, { maxOutputLength: Math.max(1, bytesMax) })
