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
  /** A file for a while, without a name that others know; removed when it is closed. */
  temporary(): Promise<PartFile & { readonly path: string }>
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
