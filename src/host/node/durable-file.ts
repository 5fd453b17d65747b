/**
 * Files that survive power loss: the bytes are synced before the name shows, and the name is synced in its folder.
 * All errors are those of `node:fs`.
 */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Makes `folder` and its missing parents, durably. `mode` is for those that were missing. */
export function makeFolder(folder: string, mode = 0o777): void {
  const path = resolve(folder)
  const parent = dirname(path)
  if (isFolder(path)) return
  // One by one: where nothing can be made, Node's recursive way reports a missing folder instead of the reason.
  if (parent !== path) makeFolder(parent, mode)
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    if (isFolder(path)) return
    throw error
  }
  syncFolder(parent)
}

/** Writes the whole of `path` or nothing of it, blocking until it is durable. */
export function writeFileDurablySync(path: string, data: string, mode: number): void {
  const temporary = temporaryName(path)
  try {
    writeFileSync(temporary, data, { flag: 'wx', mode, flush: true })
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  syncFolder(dirname(path))
}

/** Writes the whole of `path` or nothing of it, by way of `temporary` on the same disk. */
export async function writeFileDurably(path: string, data: Uint8Array, temporary: string): Promise<void> {
  try {
    const file = await open(temporary, 'wx')
    try {
      await file.writeFile(data)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolderAsync(dirname(path))
}

/** Makes the names in `folder` durable, without blocking. */
export async function syncFolderAsync(folder: string): Promise<void> {
  if (!canSyncFolders) return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false

function syncFolder(folder: string): void {
  if (!canSyncFolders) return
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** Windows opens no folders; NTFS keeps names in its own log. */
const canSyncFolders = process.platform !== 'win32'

const temporaryName = (path: string): string => `${path}.${randomBytes(6).toString('hex')}.tmp`
