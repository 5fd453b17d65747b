import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { constants, type Dirent, type Stats } from 'node:fs'
import { type FileHandle, lstat, mkdir, open, readdir, rm, statfs, unlink, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import type { CollectedFile, CollectFile, TaskFiles } from '#host/task-files.ts'
import { toDiskProblem } from './disk-problem.ts'

const PIECE_BYTES = 2 ** 20
/** Never through a link, and never waiting for the other end of a pipe. */
const READ_PLAIN = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
const WRITE_NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW

export const nodeTaskFiles: TaskFiles = {
  async makeFolder(folder) {
    try {
      await mkdir(folder, { recursive: true })
    } catch (error) {
      throw toDiskProblem(error, folder)
    }
  },
  async removeFolder(folder) {
    await rm(folder, { recursive: true, force: true }).catch(() => removeStubborn(folder))
  },
  removeFile: (path) =>
    unlink(path).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
    ),
  collect,
  bytesBelow,
  async freeBytes(folder) {
    const disk = await statfs(folder).catch(() => null)
    return disk === null ? null : disk.bavail * disk.bsize
  },
  async filesBelow(folder, entriesMax) {
    const paths = await walk(folder, entriesMax)
    return paths?.map((path) => relative(folder, path)).toSorted() ?? null
  },
  async readHead(path, bytesMax) {
    const file = await openPlain(path)
    if (file === null) return null
    try {
      const buffer = new Uint8Array(bytesMax)
      const { bytesRead } = await file.read(buffer, 0, bytesMax, 0)
      return buffer.subarray(0, bytesRead)
    } catch {
      return null
    } finally {
      await file.close()
    }
  },
  async readWhole(path, bytesMax) {
    const file = await openPlain(path)
    if (file === null) return null
    try {
      const { size } = await file.stat()
      return size > bytesMax ? null : await file.readFile()
    } catch {
      return null
    } finally {
      await file.close()
    }
  },
  async writeNew(path, bytes, { isRunnable = false } = {}) {
    try {
      await writeFile(path, bytes, { flag: 'wx', mode: isRunnable ? 0o755 : 0o644 })
    } catch (error) {
      throw toDiskProblem(error, path)
    }
  },
}

async function collect(move: CollectFile): Promise<CollectedFile | null> {
  const source = await openPlain(join(move.from, move.name))
  if (source === null) return null
  try {
    const target = await open(join(move.to, move.name), WRITE_NEW, 0o644)
    try {
      return await copy(source, target, move)
    } finally {
      await target.close()
    }
  } catch (error) {
    throw toDiskProblem(error, join(move.to, move.name))
  } finally {
    await source.close()
  }
}

async function copy(
  source: FileHandle,
  target: FileHandle,
  move: CollectFile,
): Promise<CollectedFile | null> {
  const hash = createHash('sha256')
  const { size } = await source.stat()
  // A mebibyte of zeros for each small picture keeps the collector busy.
  const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, Math.max(1, size)))
  let bytes = 0
  for (;;) {
    const { bytesRead } = await source.read(buffer, 0, buffer.length, bytes)
    if (bytesRead === 0) break
    bytes += bytesRead
    if (bytes > move.bytesMax) return null
    const piece = buffer.subarray(0, bytesRead)
    hash.update(piece)
    await target.writeFile(piece)
  }
  return { name: move.name, bytes, sha256: hash.digest('hex') }
}

async function openPlain(path: string): Promise<FileHandle | null> {
  const file = await open(path, READ_PLAIN).catch(() => null)
  if (file === null) return null
  const isPlain = await file.stat().then(
    (found) => found.isFile(),
    () => false,
  )
  if (isPlain) return file
  await file.close()
  return null
}

/**
 * What a stranger left may be closed to its owner, be named by bytes that are no text, or lie deeper than a path is
 * long. The system's own programs go folder by folder, whatever the names are.
 */
async function removeStubborn(folder: string): Promise<void> {
  const run = promisify(execFile)
  await run('chmod', ['-R', 'u+rwX', '--', folder]).catch(() => undefined)
  await run('rm', ['-rf', '--', folder]).catch(() => undefined)
}

/** What cannot be looked at is more than anybody may leave: it would be the place to leave it. */
async function bytesBelow(folder: string, entriesMax: number): Promise<number | null> {
  const queue: Buffer[] = [Buffer.from(folder)]
  let [bytes, entries] = [0, 0]
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    // Names as they are: one that is no text cannot be asked for by its text.
    const here = await readdir(at, { withFileTypes: true, encoding: 'buffer' }).catch(noneIfGone)
    if (here === null) return null
    entries += here.length
    if (entries > entriesMax) return null
    for (const entry of here) {
      if (!entry.isFile() && !entry.isDirectory()) continue
      const path = Buffer.concat([at, SEPARATOR, entry.name])
      const found = await lstat(path).catch((error: unknown) => (isGone(error) ? 'gone' : null))
      if (found === null) return null
      if (found !== 'gone') bytes += roomOf(found)
      if (entry.isDirectory()) queue.push(path)
    }
  }
  return bytes
}

const SEPARATOR = Buffer.from('/')
const BLOCK_BYTES = 512

/** Beyond its size: blocks that were set aside for it, attributes, a folder's list of names. Less what rounding takes. */
const roomOf = (file: Stats): number =>
  Math.max(file.isFile() ? file.size : 0, file.blocks * BLOCK_BYTES - file.blksize)

/** Removed, or replaced by a file, since it was seen. */
const isGone = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')
const noneIfGone = (error: unknown): [] | null => (isGone(error) ? [] : null)

/** Paths of the plain files below `folder`; `null` beyond `entriesMax` entries. */
async function walk(folder: string, entriesMax: number): Promise<readonly string[] | null> {
  const queue = [folder]
  const paths: string[] = []
  let entries = 0
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    const here: Dirent[] = await readdir(at, { withFileTypes: true }).catch(() => [])
    entries += here.length
    if (entries > entriesMax) return null
    for (const entry of here) {
      const path = join(at, entry.name)
      if (entry.isDirectory()) queue.push(path)
      else if (entry.isFile()) paths.push(path)
    }
  }
  return paths
}
