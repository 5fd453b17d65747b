/**
 * What is kept for one organisation: objects (byte strings, named by their SHA-256) as lists of chunks, chunks in packs,
 * and what holds them. Organisations share nothing: to know a hash is to know nothing of others' objects.
 *
 * An object exists from the moment it is recorded, and then all its chunks are there. A chunk comes before the object
 * that needs it; until then it is held by the upload that asked for it, or by its age.
 */
import { assert } from '#kernel/assert.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { bitmapOf, type ChunkList, hexOf } from './chunk-list.ts'
import { type ChunkPlace, ChunkTable } from './chunk-table.ts'
import type { Origin } from './stored-record.ts'

export interface HeldObject extends Origin {
  readonly sha256: string
  readonly bytes: number
  /** When somebody was told last that it is there. */
  heldAtMs: TimestampMs
}

export interface HeldPack extends Origin {
  readonly name: string
  /** As it is stored. */
  readonly bytes: number
  /** Of its chunks. */
  readonly dataBytes: number
  /** When somebody was told last that a chunk of it is there. */
  heldAtMs: TimestampMs
}

/** An upload under way: it may need what nothing else does. */
export interface OpenUpload {
  readonly sha256: string
  /** The node that uploads; empty for the organisation's own keys. */
  readonly by: string
  /** The attempt whose result it is; of a node alone. */
  readonly fence?: number
  readonly list: ChunkList
  /** Bytes that were to come when it was asked last. */
  missingBytes: number
  heldAtMs: TimestampMs
}

/** Attempts of which it is known how much they sent: far more than are live at once. */
const ATTEMPTS_MAX = 10_000
/** How long a place stays reserved for an upload that nothing is heard of. */
const RESERVED_MS = 10 * 60_000

export class Holdings {
  readonly objects = new Map<string, HeldObject>()
  readonly packs: (HeldPack | null)[] = []
  readonly chunks = new ChunkTable()
  /** By uploader and hash. */
  readonly uploads = new Map<string, OpenUpload>()
  /** Bytes in packs that attempts sent since the start, by fence. */
  readonly #sent = new Map<number, number>()
  #packNumbers = new Map<string, number>()
  #usedBytes = 0

  /** Bytes on disk that are this organisation's. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  /** What was promised to uploads, besides that of `except`. */
  reservedBytes(nowMs: TimestampMs, except: OpenUpload | null = null): number {
    let bytes = 0
    for (const upload of this.uploads.values()) {
      if (upload !== except && nowMs - upload.heldAtMs < RESERVED_MS) bytes += upload.missingBytes
    }
    return bytes
  }

  sentBytes(fence: number): number {
    return this.#sent.get(fence) ?? 0
  }

  noteSent(fence: number, bytes: number): void {
    const [oldest] = this.#sent.keys()
    if (this.#sent.size >= ATTEMPTS_MAX && !this.#sent.has(fence) && oldest !== undefined)
      this.#sent.delete(oldest)
    this.#sent.set(fence, this.sentBytes(fence) + bytes)
  }

  /** What was to come of the uploads of an attempt, besides `except`. */
  awaitedBytes(fence: number, except: OpenUpload | null): number {
    let bytes = 0
    for (const upload of this.uploads.values())
      if (upload.fence === fence && upload !== except) bytes += upload.missingBytes
    return bytes
  }

  /** Chunks that are somewhere else already stay where they are known, unless `moves`. */
  addPack(pack: HeldPack, list: ChunkList, { dataAt, moves }: { dataAt: number; moves: boolean }): void {
    assert(!this.#packNumbers.has(pack.name), 'a pack is added once')
    const packNumber = this.packs.push(pack) - 1
    this.#packNumbers.set(pack.name, packNumber)
    this.#usedBytes += pack.bytes
    let offset = dataAt
    for (let index = 0; index < list.count; index++) {
      const hash = list.hashAt(index)
      const length = list.lengthAt(index)
      if (moves || !this.placeOf(hash)) this.chunks.set(hash, { packNumber, offset, length })
      offset += length
    }
  }

  /** From now on no chunk is in it. */
  removePack(packNumber: number): void {
    const pack = this.packs[packNumber]
    if (!pack) return
    this.packs[packNumber] = null
    this.#packNumbers.delete(pack.name)
    this.#usedBytes -= pack.bytes
  }

  /** Forgets the places in packs that were removed. */
  tidy(): void {
    this.chunks.deleteWhere((packNumber) => !this.packs[packNumber])
  }

  /** Where a chunk is, as far as the pack is there. */
  placeOf(hash: Uint8Array): (ChunkPlace & { readonly pack: HeldPack }) | null {
    const place = this.chunks.get(hash)
    const pack = place && this.packs[place.packNumber]
    return place && pack ? { ...place, pack } : null
  }

  /**
   * Which chunks of `list` `by` would have to send. Nodes are told of chunks that they sent themselves and of no others:
   * what else the organisation has is not theirs to find out.
   */
  missingOf(list: ChunkList, by: string): { bits: Uint8Array; bytes: number; count: number } {
    let bytes = 0
    let count = 0
    const seen = new Set<string>()
    const bits = bitmapOf(list.count, (index) => {
      const hash = list.hashAt(index)
      const place = this.placeOf(hash)
      if (place && place.length === list.lengthAt(index) && (by === '' || place.pack.by === by)) return false
      const name = hexOf(hash)
      // Twice in the object, once on the way.
      if (seen.has(name)) return false
      seen.add(name)
      bytes += list.lengthAt(index)
      count++
      return true
    })
    return { bits, bytes, count }
  }

  /** From now on for a while nothing takes these chunks away, for somebody was told that they are there. */
  hold(list: ChunkList, nowMs: TimestampMs): void {
    for (let index = 0; index < list.count; index++) {
      const place = this.placeOf(list.hashAt(index))
      if (place) place.pack.heldAtMs = nowMs
    }
  }
}

export const uploadKey = (by: string, sha256: string): string => `${by} ${sha256}`

export type QuotaRefusal = {
  readonly usedBytes: number
  readonly neededBytes: number
  readonly quotaBytes: number
}

/** Why `neededBytes` more may not come, or `null`. */
export function overQuota(
  {
    usedBytes,
    reservedBytes,
    neededBytes,
  }: { usedBytes: number; reservedBytes: number; neededBytes: number },
  quotaBytes: number,
): QuotaRefusal | null {
  if (usedBytes + reservedBytes + neededBytes <= quotaBytes) return null
  return { usedBytes: usedBytes + reservedBytes, neededBytes, quotaBytes }
}
