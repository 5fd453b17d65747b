/**
 * Removes what nothing needs. Each step is safe to die after: records of objects go before their chunks, and chunks that
 * are needed are durable elsewhere before the pack that had them goes. What a death leaves behind goes next time.
 */
import { type ChunkList, chunkListOf, hexOf, type ListedChunk } from '#blobs/chunk-list.ts'
import type { Holdings } from '#blobs/holdings.ts'
import { PACK_BYTES_MAX, writePack } from '#blobs/pack.ts'
import { type CollectionRules, planPacks, unneededObjects } from '#blobs/plan-collection.ts'
import { writeOrigin } from '#blobs/stored-record.ts'
import type { Root } from '#blobs/tree.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import { type BlobVault, type VaultParts, write } from './blob-vault.ts'
import { packName, readRecord } from './stored-blobs.ts'

export interface Collecting {
  readonly vault: BlobVault
  readonly parts: Pick<VaultParts, 'store' | 'clock' | 'secrets' | 'log' | 'crypto'>
  readonly rules: CollectionRules
}

export interface Collected {
  readonly objects: number
  readonly packs: number
  readonly freedBytes: number
}

/** Collects for each of them. What is wrong with one's files holds up no other's. */
export async function collectAll(
  collecting: Collecting,
  organisationIds: readonly string[],
  rootsOf: (organisationId: string) => Promise<Iterable<Root>>,
): Promise<Collected[]> {
  const collected: Collected[] = []
  for (const organisationId of organisationIds) {
    try {
      collected.push(await collectBlobs(collecting, organisationId, () => rootsOf(organisationId)))
    } catch (error) {
      const { message } = toProblem(error)
      collecting.parts.log.warn('blob.collect_failed', { organisationId, message })
    }
  }
  return collected
}

/**
 * Collects for one organisation. `rootsOf` is asked inside the turn, so that what it knows is as new as what is
 * removed; where it rejects, nothing is removed.
 */
export function collectBlobs(
  { vault, parts, rules }: Collecting,
  organisationId: string,
  rootsOf: () => Promise<Iterable<Root>>,
): Promise<Collected> {
  return vault.exclusive(organisationId, async (holdings) => {
    const usedBefore = holdings.usedBytes
    const needed = await neededObjects(vault, organisationId, await rootsOf())
    const { graceMs } = rules
    const aims = { needed, nowMs: parts.clock.nowMs(), graceMs }
    let objects = 0
    for (const sha256 of unneededObjects(holdings.objects.values(), aims)) {
      // Somebody may have been told of it while others were removed.
      const object = holdings.objects.get(sha256)
      if (!object || unneededObjects([object], { ...aims, nowMs: parts.clock.nowMs() }).length === 0) continue
      if (await vault.removeObject(holdings, organisationId, sha256)) objects++
    }
    const chunks = await neededChunks(vault, holdings, organisationId)
    const packs = await collectPacks({ vault, parts, rules }, { holdings, organisationId, chunks })
    const freedBytes = usedBefore - holdings.usedBytes
    if (objects + packs > 0) parts.log.info('blob.collected', { organisationId, objects, packs, freedBytes })
    return { objects, packs, freedBytes }
  })
}

/** What the roots reach. */
export async function neededObjects(
  vault: Pick<BlobVault, 'readTree'>,
  organisationId: string,
  roots: Iterable<Root>,
): Promise<Set<string>> {
  const needed = new Set<string>()
  for (const { kind, sha256 } of roots) {
    needed.add(sha256)
    if (kind === 'object') continue
    try {
      for (const { object } of (await vault.readTree(organisationId, sha256)).files) needed.add(object)
    } catch (error) {
      // One that is not there or no tree holds nothing else; a disk that fails must stop the collection.
      const holdsNothing = error instanceof Problem && ['not_found', 'invalid_request'].includes(error.code)
      if (!holdsNothing) throw error
    }
  }
  return needed
}

/** By hash, the chunks of all objects and of uploads under way. */
async function neededChunks(
  vault: BlobVault,
  holdings: Holdings,
  organisationId: string,
): Promise<Set<string>> {
  const needed = new Set<string>()
  const lists = [...holdings.uploads.values()].map(({ list }) => list)
  for (const sha256 of [...holdings.objects.keys()]) {
    const list = await vault.listOf(organisationId, sha256)
    if (list) lists.push(list)
    else await vault.dropDamaged(holdings, organisationId, sha256)
  }
  for (const list of lists) {
    for (let index = 0; index < list.count; index++) needed.add(hexOf(list.hashAt(index)))
  }
  return needed
}

interface PackWork {
  readonly holdings: Holdings
  readonly organisationId: string
  readonly chunks: ReadonlySet<string>
}

/** How many packs went. */
async function collectPacks({ vault, parts, rules }: Collecting, work: PackWork): Promise<number> {
  const { holdings, organisationId, chunks } = work
  const neededBytes: number[] = []
  for (const hex of chunks) {
    const place = holdings.placeOf(Buffer.from(hex, 'hex'))
    if (place) neededBytes[place.packNumber] = (neededBytes[place.packNumber] ?? 0) + place.length
  }
  const startedMs = parts.clock.nowMs()
  const { deleted, rewritten } = planPacks(holdings.packs, { neededBytes, nowMs: startedMs, rules })
  const remove = async (packNumbers: readonly number[]): Promise<number> => {
    let count = 0
    for (const packNumber of packNumbers) {
      const pack = holdings.packs[packNumber]
      // What was promised to somebody meanwhile stays until next time.
      if (!pack || pack.heldAtMs >= startedMs) continue
      holdings.removePack(packNumber)
      await parts.store.delete(pack.name)
      count++
    }
    if (count > 0) holdings.tidy()
    return count
  }
  // First what nothing needs: on a full disk it makes the room to write the others anew.
  const count = await remove(deleted)
  const { copied, damaged } = await rewritePacks(parts, work, rewritten)
  // Their records go before the pack that had what they lack; what is whole of them is not sent again.
  if (damaged > 0) await vault.dropAllDamaged(holdings, organisationId)
  return count + (await remove(copied))
}

/**
 * Puts the needed chunks of these packs into new ones; they are found there from then on. Answers of which packs that was
 * done, and how many chunks were damaged: those are nowhere from then on.
 */
async function rewritePacks(
  parts: Collecting['parts'],
  { holdings, organisationId, chunks }: PackWork,
  packNumbers: readonly number[],
): Promise<{ copied: number[]; damaged: number }> {
  const copied: number[] = []
  let damaged = 0
  const byUploader = Map.groupBy(packNumbers, (packNumber) => holdings.packs[packNumber]?.by ?? '')
  for (const [by, numbers] of byUploader) {
    const bundle = new Bundle(async (list, pieces) => {
      const createdAtMs = parts.clock.nowMs()
      const name = packName(organisationId, hexOf(parts.secrets.randomBytes(16)))
      const head = writeOrigin('pack', { createdAtMs, by })
      const bytes = writePack(list, pieces)
      await write(parts.store, name, [head, bytes])
      const stored = { name, bytes: head.length + bytes.length, dataBytes: list.bytes }
      const dataAt = head.length + bytes.length - list.bytes
      holdings.addPack({ ...stored, createdAtMs, by, heldAtMs: createdAtMs }, list, { dataAt, moves: true })
    })
    for (const packNumber of numbers) {
      const lost = await copyNeeded(parts, { holdings, packNumber, chunks }, bundle)
      if (lost === null) continue
      copied.push(packNumber)
      damaged += lost
    }
    await bundle.end()
  }
  return { copied, damaged }
}

/** How many of them are damaged; `null` where the pack cannot be read at all: then it stays, and holds up no other. */
async function copyNeeded(
  { store, crypto, log }: Pick<Collecting['parts'], 'store' | 'crypto' | 'log'>,
  { holdings, packNumber, chunks }: Pick<PackWork, 'holdings' | 'chunks'> & { packNumber: number },
  bundle: Bundle,
): Promise<number | null> {
  const name = holdings.packs[packNumber]?.name ?? ''
  const unreadable = (error: unknown): null => {
    log.warn('blob.pack_unreadable', { name, message: toProblem(error).message })
    return null
  }
  const record = await readRecord(store, name, 'pack').catch(unreadable)
  const reader = record && (await store.open(name).catch(unreadable))
  if (!reader) return null
  let damaged = 0
  try {
    for (let index = 0; index < record.list.count; index++) {
      const hash = record.list.hashAt(index)
      const place = holdings.placeOf(hash)
      if (place?.packNumber !== packNumber || !chunks.has(hexOf(hash))) continue
      const chunk = await reader.read(place.offset, place.length).catch(unreadable)
      if (!chunk) return null
      if (hexOf(crypto.sha256(chunk)) !== hexOf(hash)) {
        log.warn('blob.chunk_damaged', { name, chunk: index })
        holdings.chunks.delete(hash)
        damaged++
        continue
      }
      await bundle.add({ hash, length: place.length }, chunk)
    }
  } finally {
    await reader.close()
  }
  return damaged
}

type Flush = (list: ChunkList, pieces: readonly Uint8Array[]) => Promise<void>

/** Gathers chunks until they fill a pack. */
class Bundle {
  readonly #flush: Flush
  #entries: ListedChunk[] = []
  #pieces: Uint8Array[] = []
  #bytes = 0

  constructor(flush: Flush) {
    this.#flush = flush
  }

  async add(entry: ListedChunk, chunk: Uint8Array): Promise<void> {
    if (this.#bytes + chunk.length > PACK_BYTES_MAX) await this.end()
    this.#entries.push(entry)
    this.#pieces.push(chunk)
    this.#bytes += chunk.length
  }

  async end(): Promise<void> {
    if (this.#entries.length === 0) return
    const [entries, pieces] = [this.#entries, this.#pieces]
    this.#entries = []
    this.#pieces = []
    this.#bytes = 0
    await this.#flush(chunkListOf(entries), pieces)
  }
}
