import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, type FileHandle, link, lstat, open, readdir, rename, rm, utimes } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { FileAccess, FileFacts, PartFile } from '#host/file-access.ts'
import { Problem } from '#protocol/problem.ts'
import { asDiskProblem, toDiskProblem } from './disk-problem.ts'
import { makeFolder, syncFolderAsync } from './durable-file.ts'

/** `FileAccess` on this machine's disk; files for a while are in `temporaryFolder`. */
export function createNodeFileAccess(temporaryFolder: string): FileAccess {
  return {
    async open(path) {
      try {
        const file = await open(path, 'r')
        const facts = await file.stat()
        if (facts.isFile()) return new NodePartFile(path, file, facts.size)
        await file.close()
      } catch (error) {
        if (isMissing(error)) return null
        throw toDiskProblem(error, path)
      }
      throw new Problem('invalid_request', `${path} is no file. Name a file.`)
    },
    openPart: (path) =>
      asDiskProblem(path, async () => {
        makeFolder(dirname(path))
        // Never through a link: whoever may write in the folder could lead it elsewhere.
        const file = await open(
          path,
          constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0),
          0o600,
        )
        return new NodePartFile(path, file, (await file.stat()).size)
      }),
    rename: (from, to) =>
      asDiskProblem(to, async () => {
        makeFolder(dirname(to))
        await rename(from, to)
        await syncFolderAsync(dirname(to))
      }),
    link: (from, to) =>
      asDiskProblem(to, async () => {
        makeFolder(dirname(to))
        await rm(to, { force: true })
        await link(from, to).catch(() => copyFile(from, to, constants.COPYFILE_EXCL))
      }),
    remove: (path) => asDiskProblem(path, () => rm(path, { recursive: true, force: true })),
    list: (folder) =>
      asDiskProblem(folder, async () => {
        makeFolder(folder)
        const found = await Promise.all((await readdir(folder)).map((name) => factsOf(join(folder, name))))
        return found.filter((facts) => facts !== null)
      }),
    facts: (path) => asDiskProblem(path, () => factsOf(path)),
    touch: (path, atMs) => asDiskProblem(path, () => utimes(path, atMs / 1_000, atMs / 1_000)),
    temporary: () =>
      asDiskProblem(temporaryFolder, async () => {
        makeFolder(temporaryFolder)
        const path = join(temporaryFolder, `shoal-${randomBytes(12).toString('hex')}.tmp`)
        return new TemporaryFile(path, await open(path, 'wx+', 0o600), 0)
      }),
  }
}

class NodePartFile implements PartFile {
  readonly path: string
  readonly #file: FileHandle
  #bytes: number

  constructor(path: string, file: FileHandle, bytes: number) {
    this.path = path
    this.#file = file
    this.#bytes = bytes
  }

  get bytes(): number {
    return this.#bytes
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.#bytes - offset)))
    let read = 0
    while (read < bytes.length) {
      const at = { offset: read, length: bytes.length - read, position: offset + read }
      const { bytesRead } = await asDiskProblem(this.path, () => this.#file.read(bytes, at))
      if (bytesRead === 0) break
      read += bytesRead
    }
    return bytes.subarray(0, read)
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    let written = 0
    while (written < bytes.length) {
      const length = bytes.length - written
      const at = written
      written += (await asDiskProblem(this.path, () => this.#file.write(bytes, at, length, offset + at)))
        .bytesWritten
    }
    this.#bytes = Math.max(this.#bytes, offset + bytes.length)
  }

  async truncate(bytes: number): Promise<void> {
    await asDiskProblem(this.path, () => this.#file.truncate(bytes))
    this.#bytes = bytes
  }

  sync(): Promise<void> {
    return asDiskProblem(this.path, () => this.#file.sync())
  }

  close(): Promise<void> {
    return asDiskProblem(this.path, () => this.#file.close())
  }
}

class TemporaryFile extends NodePartFile {
  override async close(): Promise<void> {
    await super.close()
    await asDiskProblem(this.path, () => rm(this.path, { force: true }))
  }
}

async function factsOf(path: string): Promise<FileFacts | null> {
  try {
    // Of a link itself: what it leads to is nobody's business here.
    const { size, mtimeMs, ctimeNs, mtimeNs, ino, isFile } = await bigFacts(path)
    if (!isFile) return null
    return {
      name: basename(path),
      bytes: size,
      usedAtMs: mtimeMs,
      stamp: `${size} ${mtimeNs} ${ctimeNs} ${ino}`,
    }
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
}

async function bigFacts(path: string) {
  const facts = await lstat(path, { bigint: true })
  const { mtimeNs, ctimeNs, ino } = facts
  return {
    size: Number(facts.size),
    mtimeMs: Number(facts.mtimeMs),
    mtimeNs,
    ctimeNs,
    ino,
    isFile: facts.isFile(),
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
