import type { BlobReader } from './blob-store.ts'

export type Packing = 'gzip' | 'zstd'

/** What is compressed comes from strangers: whatever is taken apart has a limit. */
export interface Compression {
  zstd(bytes: Uint8Array): Promise<Uint8Array>
  /** Rejects with `Problem('invalid_request')` where it is no zstd, and `body_too_large` beyond `bytesMax`. */
  unzstd(bytes: Uint8Array, bytesMax: number): Promise<Uint8Array>
  /**
   * What is in `source`, piece by piece. Rejects with `Problem('invalid_request')` where it is damaged, and
   * `body_too_large` beyond `bytesMax`. The source stays open.
   */
  unpack(source: BlobReader, packing: Packing, bytesMax: number): AsyncGenerator<Uint8Array>
}
