import { hash as digest, randomBytes } from 'node:crypto'
import { readdirSync, rmSync, statSync } from 'node:fs'
import { readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Blobs } from '#host/host.ts'
import { DAY_MS } from '#kernel/time.ts'
import { toDiskProblem } from './disk-problem.ts'
import { makeFolder, syncFolderAsync, writeFileDurably } from './durable-file.ts'

const HASH = /^[0-9a-f]{64}$/
/** What a crash left half-written is removed at a later start; younger files may be another process's work. */
const TEMPORARY_AGE_MS_MAX = DAY_MS

/**
 * `Blobs` as files `<folder>/ab/cdef…`, the first byte of the hash naming the sub-folder. Several processes may share
 * a folder. What is not a hash names nothing. A file whose bytes do not match its name is moved to `<name>.corrupt`.
 * Throws and rejects with the problems of `toDiskProblem`.
 */
export function createDiskBlobs(folder: string): Blobs {
  return new DiskBlobs(folder)
}

class DiskBlobs implements Blobs {
  readonly #folder: string
  readonly #temporaryFolder: string
  readonly #madeFolders = new Set<string>()

  constructor(folder: string) {
    this.#folder = folder
    this.#temporaryFolder = join(folder, 'temporary')
    try {
      makeFolder(this.#temporaryFolder)
      removeOld(this.#temporaryFolder, Date.now() - TEMPORARY_AGE_MS_MAX)
    } catch (error) {
      throw toDiskProblem(error, folder)
    }
  }

  async put(bytes: Uint8Array): Promise<string> {
    const hash = digest('sha256', bytes, 'hex')
    const path = this.#pathOf(hash)
    try {
      this.#makeFolderOnce(dirname(path))
      // Compared whole: a copy that has rotted since must be replaced, not taken for the answer.
      const kept = await readOrNull(path)
      if (kept?.equals(bytes)) {
        // Whoever wrote it may have died before its name was durable.
        await syncFolderAsync(dirname(path))
        return hash
      }
      await writeFileDurably(path, bytes, join(this.#temporaryFolder, randomBytes(12).toString('hex')))
      return hash
    } catch (error) {
      throw toDiskProblem(error, path)
    }
  }

  async get(hash: string): Promise<Uint8Array | null> {
    if (!HASH.test(hash)) return null
    const path = this.#pathOf(hash)
    try {
      const bytes = await readOrNull(path)
      if (bytes === null) return null
      if (digest('sha256', bytes, 'hex') === hash)
        return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
      await rename(path, `${path}.corrupt`)
      return null
    } catch (error) {
      // Another reader found it too and was faster.
      if (isMissing(error)) return null
      throw toDiskProblem(error, path)
    }
  }

  async delete(hash: string): Promise<void> {
    if (!HASH.test(hash)) return
    const path = this.#pathOf(hash)
    try {
      await rm(path, { force: true })
    } catch (error) {
      throw toDiskProblem(error, path)
    }
  }

  #pathOf(hash: string): string {
    return join(this.#folder, hash.slice(0, 2), hash.slice(2))
  }

  /** Blocks for a few syncs, at most 256 times in the life of a folder. */
  #makeFolderOnce(folder: string): void {
    if (this.#madeFolders.has(folder)) return
    makeFolder(folder)
    this.#madeFolders.add(folder)
  }
}

async function readOrNull(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path)
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT'

function removeOld(folder: string, beforeMs: number): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: beforeMs }
    if (mtimeMs < beforeMs) rmSync(path, { force: true })
  }
}
