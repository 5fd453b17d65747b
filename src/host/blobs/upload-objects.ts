/**
 * Sends objects: only what the network lacks of them, in messages of 4 MiB at most, two at a time. What breaks off is
 * begun again by the same call: it finds what arrived and sends the rest.
 */
import { hasBit, hexOf } from '#blobs/chunk-list.ts'
import { noQuota } from '#blobs/no-quota.ts'
import { PACK_BYTES_MAX, packBytes } from '#blobs/pack.ts'
import { Problem } from '#protocol/problem.ts'
import type { BlobWire, MissingChunks } from './blob-wire.ts'
import { type PackParts, PackSender, packed, type SentChunk, type SourceObject } from './pack-sender.ts'

export interface UploadParts extends PackParts {
  readonly wire: BlobWire
}

export interface UploadProgress {
  /** Of all objects. */
  readonly totalBytes: number
  /** What the network lacked; of objects that are yet to be announced, all that they have. */
  readonly newBytes: number
  /** Of these, what has arrived. */
  readonly doneBytes: number
  /** As they went over the wire, compressed. */
  readonly wireBytes: number
}

export interface UploadOptions {
  /** They were made just now, so nobody has them: what fits in a message is sent without asking first. */
  readonly isNew?: boolean
}

export interface UploadWatch {
  readonly signal: AbortSignal
  onProgress?(progress: UploadProgress): void
}

/**
 * Objects that are announced, sent and finished together. An organisation's keys may have 256 under way between them: eight
 * clients beside each other.
 */
const BATCH = 32
const QUESTIONS_AT_ONCE = 8
const ROUNDS_MAX = 4

/**
 * Resolves when all objects are kept. Rejects with `Problem('storage_limited')` before anything is sent where they find
 * no room, and with `conflict` where a file changed meanwhile.
 */
export async function uploadObjects(
  parts: UploadParts,
  objects: readonly SourceObject[],
  watch: UploadWatch,
  { isNew = false }: UploadOptions = {},
): Promise<UploadProgress> {
  const distinct = [...new Map(objects.map((object) => [object.sha256, object])).values()]
  const progress = { totalBytes: bytesOf(distinct), newBytes: 0, doneBytes: 0, wireBytes: 0 }
  const tell = (): void => watch.onProgress?.({ ...progress })
  const onPut = ({ list }: SourceObject): void => {
    progress.newBytes += list.bytes
    progress.doneBytes += list.bytes
    tell()
  }
  const rest = isNew ? await putSmall(parts, distinct, { signal: watch.signal, onPut }) : distinct
  if (rest.length === 0) return progress
  const unknown = await parts.wire.unknownOf(rest.map(({ sha256 }) => sha256))
  const open = rest.filter(({ sha256 }) => unknown.has(sha256))
  // One batch is announced as a whole, and is told by that; nodes send what their tasks' customer has to have room for.
  if (open.length > BATCH && !isNew) await checkRoom(parts.wire, open)
  progress.newBytes += bytesOf(open)
  for (let at = 0; at < open.length; at += BATCH)
    await uploadBatch(parts, open.slice(at, at + BATCH), { progress, tell, signal: watch.signal })
  tell()
  return progress
}

const bytesOf = (objects: readonly SourceObject[]): number =>
  objects.reduce((sum, { list }) => sum + list.bytes, 0)

/** Rejects with `storage_limited` where all that is missing of these objects finds no room. */
async function checkRoom(wire: BlobWire, objects: readonly SourceObject[]): Promise<void> {
  const { usedBytes, quotaBytes } = await wire.usage()
  if (usedBytes + bytesOf(objects) <= quotaBytes) return
  // An edited file may lack little of its bytes: what it comes to is asked for only where it matters.
  const missing = await eachOf(objects, QUESTIONS_AT_ONCE, ({ sha256, list }) => wire.missing(sha256, list))
  const seen = new Set<string>()
  let neededBytes = 0
  for (const [number, { list }] of objects.entries()) {
    const bits = missing[number]?.bits
    // A network of an earlier release says so at the batch that finds no room.
    if (!bits) return
    for (let index = 0; index < list.count; index++) {
      const name = hexOf(list.hashAt(index))
      if (!hasBit(bits, index) || seen.has(name)) continue
      seen.add(name)
      neededBytes += list.lengthAt(index)
    }
  }
  if (neededBytes > 0 && usedBytes + neededBytes > quotaBytes)
    throw noQuota({ usedBytes, neededBytes, quotaBytes })
}

interface BatchWatch {
  readonly progress: { newBytes: number; doneBytes: number; wireBytes: number }
  readonly tell: () => void
  readonly signal: AbortSignal
}

async function uploadBatch(
  parts: UploadParts,
  batch: readonly SourceObject[],
  { progress, tell, signal }: BatchWatch,
): Promise<void> {
  let open = batch
  for (let round = 1; open.length > 0; round++) {
    if (round > ROUNDS_MAX) throw vanishing(open[0]?.name ?? '')
    // All are announced before any is sent: no room is told while nothing was sent in vain.
    const missing = await eachOf(open, QUESTIONS_AT_ONCE, ({ sha256, list }) =>
      parts.wire.begin(sha256, list),
    )
    if (round === 1) progress.newBytes -= bytesOf(open)
    for (const { bytes } of missing) progress.newBytes += bytes
    tell()
    const sender = new PackSender(parts, signal, (dataBytes, wireBytes) => {
      progress.doneBytes += dataBytes
      progress.wireBytes += wireBytes
      tell()
    })
    await sendMissing(sender, open, missing)
    const isKept = await eachOf(open, QUESTIONS_AT_ONCE, ({ sha256 }) => commit(parts.wire, sha256))
    open = open.filter((_, index) => !isKept[index])
  }
}

/** Sends what fits in one message, one after the other; answers what is left to be sent. */
async function putSmall(
  parts: UploadParts,
  objects: readonly SourceObject[],
  { signal, onPut }: { readonly signal: AbortSignal; onPut(object: SourceObject): void },
): Promise<SourceObject[]> {
  const left: SourceObject[] = []
  for (const object of objects) {
    signal.throwIfAborted()
    const { sha256, list } = object
    const isSmall = list.count > 0 && packBytes(list.count, list.bytes) <= PACK_BYTES_MAX
    if (isSmall && (await parts.wire.put(sha256, await packed(parts, chunksOf(object))))) onPut(object)
    else left.push(object)
  }
  return left
}

/** All of an object, in order. */
function chunksOf(source: SourceObject): SentChunk[] {
  const chunks: SentChunk[] = []
  let offset = 0
  for (let index = 0; index < source.list.count; index++) {
    chunks.push({ source, index, offset })
    offset += source.list.lengthAt(index)
  }
  return chunks
}

/** False where something is missing still, or whoever keeps it has started anew and forgotten that it was begun. */
async function commit(wire: BlobWire, sha256: string): Promise<boolean> {
  try {
    return (await wire.commit(sha256)) === null
  } catch (error) {
    if (error instanceof Problem && error.code === 'not_found') return false
    throw error
  }
}

async function sendMissing(
  sender: PackSender,
  objects: readonly SourceObject[],
  missing: readonly MissingChunks[],
): Promise<void> {
  for (const [number, source] of objects.entries()) {
    const bits = missing[number]?.bits ?? new Uint8Array()
    for (const chunk of chunksOf(source)) if (hasBit(bits, chunk.index)) await sender.add(chunk)
  }
  await sender.end()
}

/** In order, so many at once. */
async function eachOf<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  run: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const work = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++
      results[index] = await run(items[index] as Item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work))
  return results
}

const vanishing = (name: string): Problem =>
  new Problem(
    'unavailable',
    `What was sent of ${name} does not stay on the network's disk. Tell its operator, and try again later.`,
  )
