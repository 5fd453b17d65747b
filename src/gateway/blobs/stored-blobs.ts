/** What of an organisation's holdings is in the store of blobs: names, and reading them all again at a start. */
import { ChunkList, readChunkList } from '#blobs/chunk-list.ts'
import { Holdings } from '#blobs/holdings.ts'
import { HEAD_BYTES_MAX, type RecordHead, type RecordKind, readHead } from '#blobs/stored-record.ts'
import type { BlobReader, BlobStore } from '#host/blob-store.ts'
import type { Log } from '#host/host.ts'

/** In names of blobs; ids of organisations are like that. */
const ORGANISATION = /^[a-z0-9_-]{1,40}$/

export const mayHold = (organisationId: string): boolean => ORGANISATION.test(organisationId)
export const packPrefix = (organisationId: string): string => `pack.${organisationId}.`
export const objectPrefix = (organisationId: string): string => `object.${organisationId}.`
export const packName = (organisationId: string, id: string): string => packPrefix(organisationId) + id
export const objectName = (organisationId: string, sha256: string): string =>
  objectPrefix(organisationId) + sha256

/** Everybody who has something in the store. */
export async function organisationsIn(store: BlobStore): Promise<string[]> {
  const found = new Set<string>()
  for (const prefix of ['pack.', 'object.']) {
    for (const { name } of await store.list(prefix)) found.add(name.split('.')[1] ?? '')
  }
  return [...found].filter(mayHold).sort()
}

/**
 * Reads what is stored for one organisation. An object of which a chunk is not there is none: its record goes, so that
 * nobody is told that it is known. Of which objects somebody was told is not stored: whoever was sending when the process
 * before ended may have been told of any, and counts on it.
 */
export async function loadHoldings(
  { store, log }: { store: BlobStore; log: Pick<Log, 'warn'> },
  organisationId: string,
): Promise<Holdings> {
  const holdings = new Holdings()
  let sentAtMs = 0
  for (const { name, bytes } of await store.list(packPrefix(organisationId))) {
    const record = await readRecord(store, name, 'pack')
    if (!record) {
      log.warn('blob.pack_damaged', { name })
      continue
    }
    const { head, list } = record
    const { createdAtMs, by, listAt, listBytes } = head
    if (by === '') sentAtMs = Math.max(sentAtMs, createdAtMs)
    const dataAt = listAt + listBytes
    if (dataAt + list.bytes !== bytes) {
      log.warn('blob.pack_damaged', { name })
      continue
    }
    const pack = { name, bytes, dataBytes: list.bytes, createdAtMs, by, heldAtMs: createdAtMs }
    holdings.addPack(pack, list, { dataAt, moves: false })
  }
  for (const { name } of await store.list(objectPrefix(organisationId))) {
    const record = await readRecord(store, name, 'object')
    const isWhole = record !== null && holdings.missingOf(record.list, '').count === 0
    if (!isWhole) {
      log.warn('blob.object_damaged', { name })
      await store.delete(name)
      continue
    }
    const { createdAtMs, by } = record.head
    const sha256 = name.slice(objectPrefix(organisationId).length)
    const heldAtMs = Math.max(createdAtMs, sentAtMs)
    holdings.objects.set(sha256, { sha256, bytes: record.list.bytes, createdAtMs, by, heldAtMs })
  }
  return holdings
}

export async function readRecord(
  store: BlobStore,
  name: string,
  kind: RecordKind,
): Promise<{ head: RecordHead; list: ChunkList } | null> {
  const reader = await store.open(name)
  if (!reader) return null
  try {
    const head = readHead(kind, await reader.read(0, HEAD_BYTES_MAX))
    const list = head && (await readList(reader, head))
    return list && { head, list }
  } finally {
    await reader.close()
  }
}

async function readList(reader: BlobReader, { listAt, listBytes }: RecordHead): Promise<ChunkList | null> {
  if (listAt + listBytes > reader.bytes) return null
  const list = readChunkList(await reader.read(listAt, listBytes))
  return list instanceof ChunkList ? list : null
}
