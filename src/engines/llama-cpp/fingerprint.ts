import type { Gguf } from './gguf.ts'
import type { ByteSource } from './gguf-cursor.ts'

interface Hash {
  update(data: Uint8Array | string): Hash
  digest(encoding: 'hex'): string
}

const SAMPLES = 64
const SAMPLE_BYTES = 65_536

/**
 * Identifies weights in milliseconds: sha256 of the size, the whole directory and 64 evenly spaced pieces of the data,
 * which every other quantisation or fine-tuning differs in. It tells models apart; it is no proof against a forger.
 */
export function sampleFingerprint(source: ByteSource, gguf: Gguf, createHash: () => Hash): string {
  const hash = createHash().update(`${source.sizeBytes}\n`)
  for (let at = 0; at < gguf.dataOffset; at += SAMPLE_BYTES) {
    hash.update(source.read(at, Math.min(SAMPLE_BYTES, gguf.dataOffset - at)))
  }
  const stride = Math.max(SAMPLE_BYTES, Math.floor((source.sizeBytes - gguf.dataOffset) / SAMPLES))
  for (let at = gguf.dataOffset; at < source.sizeBytes; at += stride)
    hash.update(source.read(at, SAMPLE_BYTES))
  return `gguf:${hash.digest('hex').slice(0, 32)}`
}
