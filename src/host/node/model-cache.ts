/**
 * Model files that the network chose, in one folder of bounded size. What was used longest ago goes first; what is in
 * use, or named, never. A file stands under its key; while it comes, beside it as `model-download.ts` keeps it.
 */
import { createHash } from 'node:crypto'
import { createReadStream, mkdirSync, readdirSync, statSync } from 'node:fs'
import { rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { Problem } from '#protocol/problem.ts'
import { toDiskProblem } from './disk-problem.ts'
import { createModelDownloads } from './model-download.ts'
import type { Progress } from './model-fetch.ts'

interface Watch {
  onProgress(progress: Progress): void
  readonly signal: AbortSignal
}
interface Wanted {
  readonly key: string
  readonly url: URL
  readonly sha256: string | null
  /** Keys of files that may not go. */
  readonly keep: ReadonlySet<string>
}
interface Kept {
  readonly bytes: number
  usedAtMs: number
}

const ENDING = '.gguf'
const FILE = /^([0-9a-f]{40})\.gguf$/
const PART = /^([0-9a-f]{40})\.gguf\.part$/

export interface ModelCacheOptions {
  readonly folder: string
  readonly bytesMax: number
  readonly fetch: (request: Request) => Promise<Response>
  readonly retryMs?: number
}

/** Throws a `Problem` when the folder cannot be made or read. */
export function openModelCache(options: ModelCacheOptions) {
  const { folder, bytesMax, fetch, retryMs } = options
  const downloads = createModelDownloads({ fetch, ...(retryMs === undefined ? {} : { retryMs }) })
  const kept = new Map<string, Kept>()
  /** Parts of files, from this run or one before. */
  const parts = new Set<string>()
  try {
    mkdirSync(folder, { recursive: true })
    for (const name of readdirSync(folder)) {
      const key = FILE.exec(name)?.[1]
      const { size, mtimeMs } = statSync(join(folder, name))
      if (key !== undefined) kept.set(key, { bytes: size, usedAtMs: mtimeMs })
      const part = PART.exec(name)?.[1]
      if (part !== undefined) parts.add(part)
    }
  } catch (error) {
    throw toDiskProblem(error, folder)
  }
  const pathOf = (key: string): string => join(folder, `${key}${ENDING}`)

  async function remove(key: string): Promise<void> {
    kept.delete(key)
    parts.delete(key)
    for (const ending of ['', '.part', '.part.json', '.part.lock.db']) {
      await rm(`${pathOf(key)}${ending}`, { force: true })
    }
  }

  /** Bytes on disk beside the file of `key`. */
  async function usedBeside(key: string): Promise<number> {
    let bytes = 0
    for (const [other, file] of kept) if (other !== key) bytes += file.bytes
    for (const other of parts) {
      if (other !== key) bytes += (await stat(`${pathOf(other)}.part`).catch(() => null))?.size ?? 0
    }
    return bytes
  }

  /** Throws `Problem('disk_full')` when what may go is too little. */
  async function makeRoom(neededBytes: number, { key, keep }: Wanted): Promise<void> {
    for (const part of [...parts]) if (part !== key && !keep.has(part)) await remove(part)
    for (;;) {
      const used = await usedBeside(key)
      if (used + neededBytes <= bytesMax) return
      const [oldest] = [...kept]
        .filter(([other]) => other !== key && !keep.has(other))
        .sort((a, b) => a[1].usedAtMs - b[1].usedAtMs)
      if (!oldest) throw tooFull({ folder, neededBytes, bytesMax, keptBytes: used })
      await remove(oldest[0])
    }
  }

  async function touch(key: string, usedAtMs: number): Promise<void> {
    const { size } = await stat(pathOf(key))
    kept.set(key, { bytes: size, usedAtMs })
    await utimes(pathOf(key), usedAtMs / 1_000, usedAtMs / 1_000)
  }

  return {
    keys: (): readonly string[] => [...kept.keys()],
    /** The path of the whole, checked file, fetched first if it is not here. Rejects as `downloadModel` does. */
    async obtain(wanted: Wanted, watch: Watch, nowMs: number): Promise<string> {
      const { key, url, sha256 } = wanted
      const path = pathOf(key)
      if (!kept.has(key)) {
        parts.add(key)
        const onTotal = (totalBytes: number | null): Promise<void> => makeRoom(totalBytes ?? 0, wanted)
        const left = bytesMax - (await keptBytes(kept, wanted))
        await downloads.downloadModel({ url, path, sha256, onTotal, bytesMax: left }, watch)
        parts.delete(key)
      }
      try {
        await touch(key, nowMs)
      } catch (error) {
        throw toDiskProblem(error, path)
      }
      return path
    },
    /** Forgets a file that turned out to be of no use. */
    remove,
  }
}

/** Bytes that may not go for the sake of `wanted`. */
async function keptBytes(kept: ReadonlyMap<string, Kept>, { key, keep }: Wanted): Promise<number> {
  let bytes = 0
  for (const [other, file] of kept) if (other !== key && keep.has(other)) bytes += file.bytes
  return bytes
}

/** The sha256 of a file, in hex. Rejects with a `Problem`. */
export async function hashFile(
  path: string,
  signal?: AbortSignal,
): Promise<{ sha256: string; sizeBytes: number }> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, ...(signal && { signal }) })) {
      hash.update(chunk as Buffer)
      sizeBytes += (chunk as Buffer).length
    }
  } catch (error) {
    if (signal?.reason instanceof Problem) throw signal.reason
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new Problem('model_missing', `There is no file ${path}.`, { cause: error })
    throw toDiskProblem(error, path)
  }
  return { sha256: hash.digest('hex'), sizeBytes }
}

function tooFull(parts: {
  folder: string
  neededBytes: number
  bytesMax: number
  keptBytes: number
}): Problem {
  const mib = (bytes: number): number => Math.ceil(bytes / 1024 / 1024)
  const { folder, neededBytes, bytesMax, keptBytes } = parts
  return new Problem(
    'disk_full',
    `The model's file has ${mib(neededBytes)} MiB; ${folder} may hold ${mib(bytesMax)} MiB, of which ${mib(keptBytes)} are in use. Give it more with --models-cache.`,
  )
}
