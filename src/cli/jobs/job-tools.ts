/** What commands about jobs need of this machine besides `CliContext`: files to and from a network, and a look at a scene. */
import type { TreeFile } from '#blobs/tree.ts'
import type { DownloadWatch } from '#host/blobs/download-object.ts'
import type { UploadProgress, UploadWatch } from '#host/blobs/upload-objects.ts'
import type { Inflate } from '#images/picture.ts'
import type { Deflate } from '#images/write-png.ts'
import type { Fetch } from '#protocol/client.ts'

export interface JobTools {
  files(parts: FileParts): JobFiles
  readonly disk: ResultDisk
  readonly scenes: SceneReader
  readonly inflate: Inflate
  readonly deflate: Deflate
}

export interface FileParts {
  readonly fetch: Fetch
  readonly baseUrl: string
  readonly token: () => string
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  readonly signal: AbortSignal
}

export interface JobFiles {
  /** Files by where they lie in the tree and on this machine. Rejects with `storage_limited` before anything is sent. */
  sendTree(
    files: readonly { readonly path: string; readonly file: string }[],
    watch: UploadWatch,
  ): Promise<{ readonly sha256: string; readonly progress: UploadProgress }>
  /** Resolves to its hash. */
  sendText(text: string, watch: UploadWatch): Promise<string>
  /** Goes on where an earlier call broke off; what had the name goes. */
  fetchFile(
    file: Pick<TreeFile, 'sha256' | 'object' | 'form'>,
    path: string,
    watch: DownloadWatch,
  ): Promise<void>
}

/** Where results go, and what a job file names lies. Rejects with `disk_full` and the like. */
export interface ResultDisk {
  absolute(path: string): string
  /** What a path leads to, through links; a link that leads nowhere is `other`. */
  follow(path: string): Promise<{ readonly kind: 'file' | 'folder' | 'other' } | null>
  /** What has that name; a link is `other`. */
  look(
    path: string,
  ): Promise<{ readonly kind: 'file'; readonly bytes: number } | { readonly kind: 'folder' | 'other' } | null>
  sha256(path: string): Promise<string>
  read(path: string): Promise<Uint8Array | null>
  /**
   * Files below a folder, through links, relative to it and sorted, without hidden ones; `null` beyond `max`. Rejects with
   * `invalid_request` that names what is neither a file nor a folder.
   */
  filesBelow(folder: string, max: number): Promise<readonly string[] | null>
  /** Writes a file that is not there yet; false where one is. */
  writeNew(path: string, bytes: Uint8Array): Promise<boolean>
  /** Gives a finished file its name, unless something has it: then false. Folders are made. */
  give(from: string, to: string): Promise<boolean>
  /** Adds a line to a file, made where it is not there. */
  append(path: string, line: string): Promise<void>
  remove(path: string): Promise<void>
  /** A folder for a while; removed by the function that comes with it. */
  temporary(): Promise<{ readonly path: string; remove(): Promise<void> }>
}

export interface SceneQuestion {
  /** Of the .blend, absolute. */
  readonly file: string
  /** Name or path of Blender's program. */
  readonly blender: string
  readonly scene: string | undefined
  /** That will be rendered, in the order of their numbers; the scene's own unless given. */
  readonly frames: readonly number[] | null
  readonly signal: AbortSignal
}

export interface SceneReport {
  /** A sentence for each reason why it cannot be submitted. */
  readonly errors: readonly string[]
  readonly warnings: readonly { readonly code: string; readonly message: string }[]
  /** The .blend and what it reads, files alone. */
  readonly sends: readonly { readonly from: string; readonly to: string }[]
  /** The .blend in the inputs. */
  readonly file: string
  readonly remap: Readonly<Record<string, string>>
  readonly facts: SceneFacts
  readonly blenderVersion: string
  /** Why it was opened without a sandbox, with what to do; `null` where it had one. */
  readonly sandboxMissing: string | null
}

export interface SceneFacts {
  readonly scene: string
  readonly frameStart: number
  readonly frameEnd: number
  readonly frameStep: number
  readonly fps: number
  readonly width: number
  readonly height: number
  readonly samples: number
  readonly isAdaptive: boolean
  readonly isDenoised: boolean
  readonly isComposited: boolean
  readonly triangles: number
  /** What its pictures take in memory. */
  readonly imageBytes: number
}

export interface SceneReader {
  /** Rejects with one sentence for what is no scene, or none that this machine's Blender can open. */
  inspect(question: SceneQuestion): Promise<SceneReport>
}
