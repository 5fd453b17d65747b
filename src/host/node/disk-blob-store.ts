import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, rmSync, statSync } from 'node:fs'
import { type FileHandle, open, rename, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import {
  BLOB_NAME,
  type BlobEntry,
  type BlobReader,
  type BlobStore,
  type BlobWriter,
} from '#host/blob-store.ts'
import { assert } from '#kernel/assert.ts'
import { DAY_MS } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'
import { asDiskProblem, toDiskProblem } from './disk-problem.ts'
import { makeFolder, syncFolderAsync } from './durable-file.ts'

/** What a crash left half-written is removed at a later start; younger files may be another process's work. */
const TEMPORARY_AGE_MS_MAX = DAY_MS

/** Left free on a network's disk, for its journal above all: files of customers must not keep it from recording what it does. */
export const NETWORK_SPARE_BYTES = 1024 ** 3
/** Of the spare room: what may be written before the disk is asked again. */
const LOOKS_PER_SPARE = 16

export interface DiskBlobStoreOptions {
  readonly bytesMax: number
  /** Nothing is begun, and nothing goes on, on a disk with less than this free; nothing is left free unless it is given. */
  readonly spareBytes?: number
}

/**
 * `BlobStore` as files of one folder, one process's own. A blob is synced before it is renamed to its name, and the name
 * is synced in the folder: after `finish` both survive a loss of power, before it neither shows.
 */
export function createDiskBlobStore(folder: string, options: DiskBlobStoreOptions): BlobStore {
  try {
    return new DiskBlobStore(folder, options)
  } catch (error) {
    throw toDiskProblem(error, folder)
  }
}

class DiskBlobStore implements BlobStore {
  readonly #folder: string
  readonly #temporaryFolder: string
  readonly #bytesMax: number
  readonly #spareBytes: number
  readonly #sizes = new Map<string, number>()
  #bytes = 0
  /** Of blobs that have no name yet. */
  #bytesUnnamed = 0
  /** Of all blobs, since the disk was last asked what is free. */
  #bytesSinceLook = 0

  constructor(folder: string, { bytesMax, spareBytes = 0 }: DiskBlobStoreOptions) {
    this.#folder = folder
    this.#bytesMax = bytesMax
    this.#spareBytes = spareBytes
    this.#temporaryFolder = join(folder, 'temporary')
    makeFolder(this.#temporaryFolder)
    removeOld(this.#temporaryFolder, Date.now() - TEMPORARY_AGE_MS_MAX)
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isFile()) this.#note(entry.name, statSync(join(folder, entry.name)).size)
    }
  }

  async create(): Promise<BlobWriter> {
    await this.#look()
    const path = join(this.#temporaryFolder, randomBytes(12).toString('hex'))
    const file = await asDiskProblem(path, () => open(path, 'wx', 0o600))
    return new DiskBlobWriter(path, file, {
      take: (bytes) => this.#take(bytes),
      giveBack: (bytes) => {
        this.#bytesUnnamed -= bytes
      },
      name: async (name, bytes) => {
        await rename(path, this.#pathOf(name))
        await syncFolderAsync(this.#folder)
        this.#bytesUnnamed -= bytes
        this.#note(name, bytes)
      },
    })
  }

  async open(name: string): Promise<BlobReader | null> {
    if (!BLOB_NAME.test(name)) return null
    const path = this.#pathOf(name)
    try {
      const file = await open(path, 'r')
      const { size } = await file.stat()
      return new DiskBlobReader(path, file, size)
    } catch (error) {
      if (isMissing(error)) return null
      throw toDiskProblem(error, path)
    }
  }

  async delete(name: string): Promise<void> {
    if (!BLOB_NAME.test(name)) return
    const path = this.#pathOf(name)
    await asDiskProblem(path, () => rm(path, { force: true }))
    this.#bytes -= this.#sizes.get(name) ?? 0
    this.#sizes.delete(name)
  }

  async list(prefix: string): Promise<readonly BlobEntry[]> {
    return [...this.#sizes]
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, bytes]) => ({ name, bytes }))
  }

  usage(): { bytes: number; bytesMax: number } {
    return { bytes: this.#bytes, bytesMax: this.#bytesMax }
  }

  async #take(bytes: number): Promise<void> {
    this.#bytesSinceLook += bytes
    if (this.#bytesSinceLook > this.#spareBytes / LOOKS_PER_SPARE) await this.#look()
    if (this.#bytes + this.#bytesUnnamed + bytes > this.#bytesMax) {
      throw new Problem(
        'disk_full',
        `The store for files has room for ${this.#bytesMax} bytes, and this would be more. Delete files that are of no use any more, or try again later.`,
      )
    }
    this.#bytesUnnamed += bytes
  }

  /** Others write to this disk, too: what is free is asked, not reckoned. */
  async #look(): Promise<void> {
    if (this.#spareBytes === 0) return
    this.#bytesSinceLook = 0
    const { bavail, bsize } = await asDiskProblem(this.#folder, () => statfs(this.#folder))
    const freeBytes = bavail * bsize
    if (freeBytes >= this.#spareBytes) return
    const mib = (bytes: number): number => Math.floor(bytes / 1024 ** 2)
    throw new Problem(
      'disk_full',
      `The disk for files is nearly full: ${mib(freeBytes)} MiB are free, and ${mib(this.#spareBytes)} MiB stay free for what the network records. Delete files that are of no use any more, or try again when its operator has made room.`,
    )
  }

  #note(name: string, bytes: number): void {
    this.#bytes += bytes - (this.#sizes.get(name) ?? 0)
    this.#sizes.set(name, bytes)
  }

  #pathOf(name: string): string {
    return join(this.#folder, name)
  }
}

interface WriterOwner {
  take(bytes: number): Promise<void>
  giveBack(bytes: number): void
  name(name: string, bytes: number): Promise<void>
}

class DiskBlobWriter implements BlobWriter {
  readonly #path: string
  readonly #file: FileHandle
  readonly #owner: WriterOwner
  readonly #hash = createHash('sha256')
  #bytes = 0
  #isOpen = true

  constructor(path: string, file: FileHandle, owner: WriterOwner) {
    this.#path = path
    this.#file = file
    this.#owner = owner
  }

  async write(chunk: Uint8Array): Promise<void> {
    assert(this.#isOpen, 'a blob that is written is neither finished nor aborted')
    await this.#owner.take(chunk.length)
    this.#bytes += chunk.length
    this.#hash.update(chunk)
    await asDiskProblem(this.#path, () => this.#file.writeFile(chunk))
  }

  digest(): { bytes: number; sha256: string } {
    return { bytes: this.#bytes, sha256: this.#hash.copy().digest('hex') }
  }

  async finish(name: string): Promise<void> {
    assert(BLOB_NAME.test(name), `${name} is no name of a blob`)
    assert(this.#isOpen, 'a blob is finished once')
    try {
      await this.#file.sync()
      await this.#file.close()
      await this.#owner.name(name, this.#bytes)
      this.#isOpen = false
    } catch (error) {
      throw toDiskProblem(error, this.#path)
    }
  }

  async abort(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#owner.giveBack(this.#bytes)
    await this.#file.close().catch(() => undefined) // It may be closed: what failed was its name.
    await asDiskProblem(this.#path, () => rm(this.#path, { force: true }))
  }
}

class DiskBlobReader implements BlobReader {
  readonly bytes: number
  readonly #path: string
  readonly #file: FileHandle

  constructor(path: string, file: FileHandle, bytes: number) {
    this.#path = path
    this.#file = file
    this.bytes = bytes
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const chunk = new Uint8Array(Math.max(0, Math.min(length, this.bytes - offset)))
    const { bytesRead } = await asDiskProblem(this.#path, () =>
      this.#file.read(chunk, 0, chunk.length, offset),
    )
    return bytesRead === chunk.length ? chunk : chunk.subarray(0, bytesRead)
  }

  close(): Promise<void> {
    return asDiskProblem(this.#path, () => this.#file.close())
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
