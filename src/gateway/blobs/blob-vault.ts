/**
 * The objects of all organisations, each for itself, in a store of blobs. What comes is checked before it counts: each
 * chunk by its hash, each object by the hash of the whole. Nothing is shared between organisations and nothing of one
 * can be asked for by another.
 */
import { type ChunkList, hexOf } from '#blobs/chunk-list.ts'
import { type Holdings, type OpenUpload, overQuota, uploadKey } from '#blobs/holdings.ts'
import { noQuota } from '#blobs/no-quota.ts'
import { readPack } from '#blobs/pack.ts'
import { writeObjectRecord, writeOrigin } from '#blobs/stored-record.ts'
import { readTree, TREE_BYTES_MAX, type Tree } from '#blobs/tree.ts'
import type { BlobReader, BlobStore } from '#host/blob-store.ts'
import type { CreateHasher } from '#host/hasher.ts'
import type { Clock, Crypto, Log, Secrets } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'
import { ObjectReader } from './object-reader.ts'
import { loadHoldings, mayHold, objectName, packName, readRecord } from './stored-blobs.ts'
import { badPack, resultTooLarge, uploadsTooMany, wrongChunk, wrongObject } from './vault-problems.ts'

export interface VaultParts {
  readonly store: BlobStore
  readonly clock: Pick<Clock, 'nowMs'>
  readonly crypto: Pick<Crypto, 'sha256'>
  readonly secrets: Pick<Secrets, 'randomBytes'>
  readonly log: Log
  readonly createHasher: CreateHasher
  /** Bytes that may be stored for it. */
  readonly quotaBytes: (organisationId: string) => number
}

/** Whose objects, and who asks: a node's id, or the empty text for the organisation's own keys. */
export interface Asking {
  readonly organisationId: string
  readonly by: string
  /** Of a node that sends what an attempt made: what of it is kept at most. */
  readonly results?: { readonly fence: number; readonly bytesMax: number }
}

export interface Missing {
  /** As `bitmapOf`, over the list of the upload. */
  readonly bits: Uint8Array
  readonly count: number
  readonly bytes: number
}

/** Under way at once, of an organisation's keys together and of each node: none takes another's. */
const UPLOADS_MAX = 256
/** One of which nothing was heard for so long makes room for another. Begun again, it sends only what did not arrive. */
const UPLOAD_IDLE_MS = 10 * 60_000
const UPLOAD_KEPT_MS = 6 * 3_600_000
const READ_BYTES = 1 << 20

export class BlobVault {
  readonly #parts: VaultParts
  readonly #loaded = new Map<string, Promise<Holdings>>()
  /** The end of what is done one after the other for an organisation. */
  readonly #turns = new Map<string, Promise<unknown>>()

  constructor(parts: VaultParts) {
    this.#parts = parts
  }

  async usage(
    organisationId: string,
  ): Promise<{ usedBytes: number; quotaBytes: number; objectCount: number }> {
    const { usedBytes, objects } = await this.holdings(organisationId)
    return { usedBytes, quotaBytes: this.#parts.quotaBytes(organisationId), objectCount: objects.size }
  }

  /** Which of these objects are not there. Those that are stay for a while, whoever needs them. */
  async unknownOf({ organisationId, by }: Asking, hashes: readonly string[]): Promise<string[]> {
    const { objects } = await this.holdings(organisationId)
    return hashes.filter((sha256) => {
      const object = objects.get(sha256)
      if (!object || (by !== '' && object.by !== by)) return true
      object.heldAtMs = this.#parts.clock.nowMs()
      return false
    })
  }

  /**
   * Begins the upload of an object, or goes on with it. Rejects with `Problem('storage_limited')` where what is missing
   * of it finds no room, before any of it is sent.
   */
  async begin(asking: Asking, sha256: string, list: ChunkList): Promise<Missing> {
    const { organisationId, by, results } = asking
    const holdings = await this.holdings(organisationId)
    const nowMs = this.#parts.clock.nowMs()
    forgetOld(holdings, nowMs)
    const key = uploadKey(by, sha256)
    const before = holdings.uploads.get(key) ?? null
    if (!before) makePlace(holdings, by, nowMs)
    const missing = holdings.missingOf(list, by)
    if (results) {
      const { fence, bytesMax } = results
      // What was to come of others may have come since it was asked: so it may count twice, and no more.
      const bytes = holdings.sentBytes(fence) + holdings.awaitedBytes(fence, before) + missing.bytes
      if (bytesMax === 0 || bytes > 2 * bytesMax) throw resultTooLarge({ bytes, bytesMax })
    }
    const refused = overQuota(
      {
        usedBytes: holdings.usedBytes,
        reservedBytes: holdings.reservedBytes(nowMs, before),
        neededBytes: missing.bytes,
      },
      this.#parts.quotaBytes(organisationId),
    )
    if (refused && missing.bytes > 0) throw noQuota(refused)
    holdings.hold(list, nowMs)
    const ofAttempt = results && { fence: results.fence }
    holdings.uploads.set(key, {
      sha256,
      by,
      list,
      missingBytes: missing.bytes,
      heldAtMs: nowMs,
      ...ofAttempt,
    })
    return missing
  }

  /** What would be missing of it; nothing is begun. */
  async missingOf({ organisationId, by }: Asking, list: ChunkList): Promise<Missing> {
    const holdings = await this.holdings(organisationId)
    holdings.hold(list, this.#parts.clock.nowMs())
    return holdings.missingOf(list, by)
  }

  /** Throws what `addPack` of so many bytes would be refused with. */
  async checkRoom(organisationId: string, bytes: number): Promise<void> {
    const { usedBytes } = await this.holdings(organisationId)
    const quotaBytes = this.#parts.quotaBytes(organisationId)
    const refused = overQuota({ usedBytes, reservedBytes: 0, neededBytes: bytes }, quotaBytes)
    if (refused) throw noQuota(refused)
  }

  /** Keeps chunks, durably. Idempotent: what is there already is not stored again. */
  async addPack(asking: Asking, bytes: Uint8Array): Promise<{ chunks: number; bytes: number }> {
    const { store, crypto, clock, secrets } = this.#parts
    const { organisationId, by, results } = asking
    const pack = readPack(bytes)
    if (typeof pack === 'string') throw badPack(pack)
    const { list, dataAt } = pack
    let at = dataAt
    for (let index = 0; index < list.count; index++) {
      const chunk = bytes.subarray(at, at + list.lengthAt(index))
      if (hexOf(crypto.sha256(chunk)) !== hexOf(list.hashAt(index))) throw wrongChunk(index, list.count)
      at += chunk.length
    }
    const answer = { chunks: list.count, bytes: list.bytes }
    const holdings = await this.holdings(organisationId)
    const nowMs = clock.nowMs()
    holdings.hold(list, nowMs)
    if (holdings.missingOf(list, by).count === 0) return answer
    await this.checkRoom(organisationId, bytes.length)
    const name = packName(organisationId, hexOf(secrets.randomBytes(16)))
    const head = writeOrigin('pack', { createdAtMs: nowMs, by })
    if (results) takeFor(holdings, results, bytes.length)
    try {
      await write(store, name, [head, bytes])
    } catch (error) {
      if (results) holdings.noteSent(results.fence, -bytes.length)
      throw error
    }
    const stored = { name, bytes: head.length + bytes.length, dataBytes: list.bytes }
    const held = { ...stored, createdAtMs: nowMs, by, heldAtMs: nowMs }
    // A node's own chunks are found where it put them, though others had them before.
    holdings.addPack(held, list, { dataAt: head.length + dataAt, moves: by !== '' })
    return answer
  }

  /**
   * Makes an object of an upload: from then on it is there. Answers what is missing still, or `null` when it is whole.
   * Rejects with `not_found` where no such upload is under way, and `invalid_request` where it has another hash.
   */
  async commit(asking: Asking, sha256: string): Promise<Missing | null> {
    const { organisationId, by } = asking
    return this.exclusive(organisationId, async (holdings) => {
      const key = uploadKey(by, sha256)
      const upload = holdings.uploads.get(key)
      const nowMs = this.#parts.clock.nowMs()
      if (!upload) return this.#committed(holdings, asking, sha256)
      upload.heldAtMs = nowMs
      const missing = holdings.missingOf(upload.list, by)
      upload.missingBytes = missing.bytes
      if (missing.count > 0) return missing
      if (!holdings.objects.has(sha256)) await this.#keep(holdings, upload, organisationId)
      holdings.uploads.delete(key)
      const object = holdings.objects.get(sha256)
      if (object) object.heldAtMs = nowMs
      return null
    })
  }

  #committed(holdings: Holdings, { by }: Asking, sha256: string): null {
    const object = holdings.objects.get(sha256)
    if (object && (by === '' || object.by === by)) return null
    throw new Problem(
      'not_found',
      'No upload of that object is under way. Begin it again: what was sent is not sent twice.',
    )
  }

  async #keep(holdings: Holdings, upload: OpenUpload, organisationId: string): Promise<void> {
    const { store, clock, createHasher } = this.#parts
    const { sha256, by, list } = upload
    const hasher = createHasher()
    const reader = this.#readerOf(holdings, organisationId, list)
    try {
      for (let offset = 0; offset < list.bytes; offset += READ_BYTES) {
        hasher.update(await reader.read(offset, READ_BYTES))
      }
    } finally {
      await reader.close()
    }
    if (hasher.digest() !== sha256) {
      holdings.uploads.delete(uploadKey(by, sha256))
      throw wrongObject()
    }
    const createdAtMs = clock.nowMs()
    await write(store, objectName(organisationId, sha256), [writeObjectRecord({ createdAtMs, by }, list)])
    holdings.objects.set(sha256, { sha256, bytes: list.bytes, createdAtMs, by, heldAtMs: createdAtMs })
  }

  /** `null` where the organisation has no such object. */
  async open(organisationId: string, sha256: string): Promise<BlobReader | null> {
    const list = await this.listOf(organisationId, sha256)
    return list && this.#readerOf(await this.holdings(organisationId), organisationId, list)
  }

  async listOf(organisationId: string, sha256: string): Promise<ChunkList | null> {
    const holdings = await this.holdings(organisationId)
    if (!holdings.objects.has(sha256)) return null
    const record = await readRecord(this.#parts.store, objectName(organisationId, sha256), 'object')
    return record?.list ?? null
  }

  /** The tree that an object is. Rejects with a `Problem` that says what is wrong with it, or what it lacks. */
  async readTree(organisationId: string, sha256: string): Promise<Tree> {
    const reader = await this.open(organisationId, sha256)
    if (!reader) throw new Problem('not_found', `There is no tree ${sha256} among the organisation's files.`)
    try {
      if (reader.bytes > TREE_BYTES_MAX)
        throw new Problem('invalid_request', `${sha256} is no tree: it has ${reader.bytes} bytes.`)
      const text = new TextDecoder().decode(await reader.read(0, reader.bytes))
      const tree = readTree(text)
      if (typeof tree === 'string')
        throw new Problem('invalid_request', `${sha256} is no tree of files. ${tree}`)
      return tree
    } finally {
      await reader.close()
    }
  }

  /** Forgets an object; its chunks go with the next collection. False where there is none. */
  async delete(organisationId: string, sha256: string): Promise<boolean> {
    return this.exclusive(organisationId, (holdings) => this.removeObject(holdings, organisationId, sha256))
  }

  /** Inside `exclusive`. */
  async removeObject(holdings: Holdings, organisationId: string, sha256: string): Promise<boolean> {
    const object = holdings.objects.get(sha256)
    if (!object) return false
    holdings.objects.delete(sha256)
    try {
      await this.#parts.store.delete(objectName(organisationId, sha256))
      return true
    } catch (error) {
      // Its record is there at the next start, so its chunks may not go.
      holdings.objects.set(sha256, object)
      throw error
    }
  }

  /** Inside `exclusive`. Objects that lack a chunk are none any more: asked for, they are sent again. */
  async dropAllDamaged(holdings: Holdings, organisationId: string): Promise<void> {
    for (const sha256 of [...holdings.objects.keys()]) {
      const list = await this.listOf(organisationId, sha256)
      if (list && holdings.missingOf(list, '').count === 0) continue
      await this.dropDamaged(holdings, organisationId, sha256)
    }
  }

  /** Inside `exclusive`. */
  async dropDamaged(holdings: Holdings, organisationId: string, sha256: string): Promise<void> {
    this.#parts.log.warn('blob.object_damaged', { organisationId, sha256 })
    await this.removeObject(holdings, organisationId, sha256)
  }

  /** Runs when what was asked before for the organisation is done. Objects come and go only so. */
  async exclusive<T>(organisationId: string, run: (holdings: Holdings) => Promise<T>): Promise<T> {
    const before = this.#turns.get(organisationId) ?? Promise.resolve()
    const turn = before.then(async () => run(await this.holdings(organisationId)))
    const settled = turn.catch(() => undefined)
    this.#turns.set(organisationId, settled)
    try {
      return await turn
    } finally {
      if (this.#turns.get(organisationId) === settled) this.#turns.delete(organisationId)
    }
  }

  holdings(organisationId: string): Promise<Holdings> {
    if (!mayHold(organisationId)) {
      return Promise.reject(
        new Problem('not_supported', `${organisationId} is no organisation that may keep files.`),
      )
    }
    const loaded = this.#loaded.get(organisationId)
    if (loaded) return loaded
    const loading = loadHoldings(this.#parts, organisationId)
    this.#loaded.set(organisationId, loading)
    loading.catch(() => this.#loaded.delete(organisationId))
    return loading
  }

  #readerOf(holdings: Holdings, organisationId: string, list: ChunkList): ObjectReader {
    const onDamage = (hash: Uint8Array): void => {
      holdings.chunks.delete(hash)
      const dropped = this.exclusive(organisationId, () => this.dropAllDamaged(holdings, organisationId))
      dropped.catch((error: unknown) => {
        this.#parts.log.warn('blob.check_failed', { organisationId, message: String(error) })
      })
    }
    return new ObjectReader({ ...this.#parts, holdings, onDamage }, list)
  }
}

/** Before it is written: several packs of an attempt may come at once. */
function takeFor(
  holdings: Holdings,
  { fence, bytesMax }: NonNullable<Asking['results']>,
  length: number,
): void {
  const bytes = holdings.sentBytes(fence) + length
  if (bytes > bytesMax) throw resultTooLarge({ bytes, bytesMax })
  holdings.noteSent(fence, length)
}

function forgetOld({ uploads }: Holdings, nowMs: number): void {
  for (const [key, { heldAtMs }] of uploads) if (nowMs - heldAtMs > UPLOAD_KEPT_MS) uploads.delete(key)
}

/** Throws where `by` has as many uploads under way as it may. */
function makePlace({ uploads }: Holdings, by: string, nowMs: number): void {
  const own = [...uploads].filter(([, upload]) => upload.by === by)
  if (own.length < UPLOADS_MAX) return
  const idle = own.filter(([, { heldAtMs }]) => nowMs - heldAtMs >= UPLOAD_IDLE_MS)
  if (idle.length === 0) throw uploadsTooMany({ by, count: own.length })
  for (const [key] of idle) uploads.delete(key)
}

export async function write(store: BlobStore, name: string, pieces: readonly Uint8Array[]): Promise<void> {
  const writer = await store.create()
  try {
    for (const piece of pieces) await writer.write(piece)
    await writer.finish(name)
  } catch (error) {
    await writer.abort()
    throw error
  }
}
