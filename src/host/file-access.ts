/** The files of the person or the node that this program works for: what is uploaded and where downloads go. */
import type { BlobReader } from './blob-store.ts'

export interface FileAccess {
  /** `null` where there is no such file. Rejects with a `Problem` where it cannot be read or is no file. */
  open(path: string): Promise<BlobReader | null>
  /** A file that may be there in part, made with its folders where it is not. */
  openPart(path: string): Promise<PartFile>
  /** Gives a finished file its name, in place of what had it, durably. */
  rename(from: string, to: string): Promise<void>
  /** The same file under another name too, or a copy where that cannot be. Folders are made; what is there goes. */
  link(from: string, to: string): Promise<void>
  /** A file or a folder with all that is in it; nothing where there is none. */
  remove(path: string): Promise<void>
  /** The files of a folder, made where it is not there. */
  list(folder: string): Promise<readonly FileFacts[]>
  /** `null` where there is no such file. */
  facts(path: string): Promise<FileFacts | null>
  /** Notes that it was used. */
  touch(path: string, atMs: number): Promise<void>
  /** A file for a while, without a name that others know; removed when it is closed. */
  temporary(): Promise<PartFile & { readonly path: string }>
}

export interface FileFacts {
  readonly name: string
  readonly bytes: number
  readonly usedAtMs: number
  /** Another one whenever anything about the file was changed. */
  readonly stamp: string
}

/** Reads and writes anywhere in a file. */
export interface PartFile extends BlobReader {
  /** Grows with what is written. */
  readonly bytes: number
  write(offset: number, bytes: Uint8Array): Promise<void>
  truncate(bytes: number): Promise<void>
  /** What was written survives a loss of power. */
  sync(): Promise<void>
}
