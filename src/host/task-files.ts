/** The port to the files of tasks on this machine's disk. What a task leaves there is hostile until it was collected. */

export interface TaskFiles {
  /** Makes `folder` and those above it. Rejects with `Problem('disk_full')` and the like. */
  makeFolder(folder: string): Promise<void>
  /** Removes `folder` with all that is in it, closed folders and names that are no text included. Never rejects. */
  removeFolder(folder: string): Promise<void>
  /**
   * Removes one name that is no folder: a file, a link itself, a pipe. `false` when it is still there. Never rejects. The one
   * way where a task is still running: below a folder that it can exchange for a link, others' files would be removed.
   */
  removeFile(path: string): Promise<boolean>
  /**
   * Copies the plain file `name` from one folder to the other and hashes what it copied, so that nobody can change it
   * in between. `null` for what is not there, a link, a device, a pipe or beyond `bytesMax`.
   */
  collect(move: CollectFile): Promise<CollectedFile | null>
  /**
   * Bytes that what is named below `folder` has or takes on the disk, links not followed; `null` beyond `entriesMax` entries
   * and where a part of it cannot be looked at.
   */
  bytesBelow(folder: string, entriesMax: number): Promise<number | null>
  /** On the disk of `folder`, for this user; `null` where that is not known. */
  freeBytes(folder: string): Promise<number | null>
  /** Plain files below `folder` by path relative to it, sorted, links not followed; `null` beyond `entriesMax` entries. */
  filesBelow(folder: string, entriesMax: number): Promise<readonly string[] | null>
  /** The first bytes of a plain file, at most `bytesMax`; `null` when it cannot be read. */
  readHead(path: string, bytesMax: number): Promise<Uint8Array | null>
  /** All of a plain file; `null` when it cannot be read or is longer than `bytesMax`. */
  readWhole(path: string, bytesMax: number): Promise<Uint8Array | null>
  /** Writes a file that must not be there yet. Rejects with `Problem('disk_full')` and the like. */
  writeNew(path: string, bytes: Uint8Array, options?: { readonly isRunnable?: boolean }): Promise<void>
}

export interface CollectFile {
  readonly from: string
  readonly to: string
  readonly name: string
  readonly bytesMax: number
}

export interface CollectedFile {
  readonly name: string
  readonly bytes: number
  /** In lower-case hex. */
  readonly sha256: string
}
