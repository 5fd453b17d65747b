/**
 * Gets an object into a file, in ranges of 4 MiB at most, each chunk checked as it comes. A download that broke off goes
 * on: what is in the file is checked, not trusted.
 */
import { type ChunkList, hexOf } from '#blobs/chunk-list.ts'
import { Problem } from '#protocol/problem.ts'
import type { PartFile } from '../file-access.ts'
import type { BlobWire } from './blob-wire.ts'
import type { ScanParts } from './scan-object.ts'

export interface DownloadParts extends ScanParts {
  readonly wire: Pick<BlobWire, 'chunksOf' | 'read'>
}

export interface DownloadProgress {
  readonly totalBytes: number
  readonly doneBytes: number
  /** That were there from before. */
  readonly keptBytes: number
}

export interface DownloadWatch {
  readonly signal: AbortSignal
  onProgress?(progress: DownloadProgress): void
  /** A chunk that came was not what its hash says, and is fetched again. */
  onWrongChunk?(chunk: { readonly index: number; readonly count: number }): void
}

const RANGE_BYTES = 4 << 20
const TRIES = 3

/** Resolves when `part` is the object, whole and durable. Rejects with `Problem('unavailable')` naming a chunk that never comes right. */
export async function downloadObject(
  parts: DownloadParts,
  { sha256, part }: { sha256: string; part: PartFile },
  watch: DownloadWatch,
): Promise<DownloadProgress> {
  const list = await parts.wire.chunksOf(sha256)
  const isThere = await lookThrough(parts, part, list)
  const progress = { totalBytes: list.bytes, doneBytes: 0, keptBytes: 0 }
  for (let index = 0; index < list.count; index++)
    if (isThere[index]) progress.keptBytes += list.lengthAt(index)
  progress.doneBytes = progress.keptBytes
  if (part.bytes > list.bytes) await part.truncate(list.bytes)
  watch.onProgress?.({ ...progress })
  for (const run of runsOf(list, isThere)) {
    watch.signal.throwIfAborted()
    await fetchRun({ parts, sha256, part, list }, run, watch)
    progress.doneBytes += run.to - run.from
    watch.onProgress?.({ ...progress })
  }
  await part.sync()
  await checkWhole(parts, part, sha256)
  return progress
}

/** Which chunks the file has already. */
async function lookThrough({ crypto }: ScanParts, part: PartFile, list: ChunkList): Promise<boolean[]> {
  const isThere: boolean[] = []
  let offset = 0
  for (let index = 0; index < list.count; index++) {
    const length = list.lengthAt(index)
    const isInside = offset + length <= part.bytes
    isThere.push(isInside && isChunk(crypto, await part.read(offset, length), list.hashAt(index)))
    offset += length
  }
  return isThere
}

const isChunk = (crypto: ScanParts['crypto'], bytes: Uint8Array, hash: Uint8Array): boolean =>
  hexOf(crypto.sha256(bytes)) === hexOf(hash)

interface Run {
  /** Chunks, the last not included. */
  readonly first: number
  readonly last: number
  /** Bytes, likewise. */
  readonly from: number
  readonly to: number
}

/** What is not there, as few ranges of few bytes. */
function runsOf(list: ChunkList, isThere: readonly boolean[]): Run[] {
  const runs: Run[] = []
  let isOpen = false
  let offset = 0
  for (let index = 0; index < list.count; index++) {
    const end = offset + list.lengthAt(index)
    const last = isOpen ? runs.at(-1) : undefined
    isOpen = !isThere[index]
    if (isOpen && last && end - last.from <= RANGE_BYTES)
      runs[runs.length - 1] = { ...last, last: index + 1, to: end }
    else if (isOpen) runs.push({ first: index, last: index + 1, from: offset, to: end })
    offset = end
  }
  return runs
}

interface Fetching {
  readonly parts: DownloadParts
  readonly sha256: string
  readonly part: PartFile
  readonly list: ChunkList
}

async function fetchRun(fetching: Fetching, run: Run, watch: DownloadWatch): Promise<void> {
  const { parts, sha256, part, list } = fetching
  const bytes = await parts.wire.read(sha256, run)
  let at = 0
  for (let index = run.first; index < run.last; index++) {
    const length = list.lengthAt(index)
    const from = run.from + at
    let chunk = bytes.subarray(at, at + length)
    for (let attempt = 1; !isChunk(parts.crypto, chunk, list.hashAt(index)); attempt++) {
      if (attempt > TRIES) throw neverRight(sha256, index, list.count)
      watch.onWrongChunk?.({ index, count: list.count })
      watch.signal.throwIfAborted()
      chunk = await parts.wire.read(sha256, { from, to: from + length })
    }
    await part.write(from, chunk)
    at += length
  }
}

async function checkWhole({ createHasher }: ScanParts, part: PartFile, sha256: string): Promise<void> {
  const hasher = createHasher()
  for (let offset = 0; offset < part.bytes; offset += RANGE_BYTES)
    hasher.update(await part.read(offset, RANGE_BYTES))
  if (hasher.digest() === sha256) return
  await part.truncate(0)
  throw new Problem(
    'unavailable',
    `The chunks of ${sha256} do not make it: its list is wrong. Upload the file again.`,
  )
}

const neverRight = (sha256: string, index: number, count: number): Problem =>
  new Problem(
    'unavailable',
    `Chunk ${index + 1} of ${count} of ${sha256} came wrong ${TRIES + 1} times. Something on the way changes it: try another network path.`,
  )
