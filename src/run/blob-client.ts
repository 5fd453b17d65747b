/** Files to and from a network, with this machine's disk: what `shoal render` and its kin send and fetch. */
import { tmpdir } from 'node:os'
import { TREE_BYTES_MAX, TREE_FILES_MAX, type TreeFile, writeTree, wrongPath } from '#blobs/tree.ts'
import type { BlobReader } from '#host/blob-store.ts'
import { type BlobWireParts, createBlobWire } from '#host/blobs/blob-wire.ts'
import { type DownloadWatch, downloadObject } from '#host/blobs/download-object.ts'
import type { SourceObject } from '#host/blobs/pack-sender.ts'
import { scanObject } from '#host/blobs/scan-object.ts'
import { type PreparedFile, prepareFile, restoreScene } from '#host/blobs/scene-form.ts'
import { type UploadProgress, type UploadWatch, uploadObjects } from '#host/blobs/upload-objects.ts'
import { nodeCompression } from '#host/node/node-compression.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { createNodeFileAccess } from '#host/node/node-file-access.ts'
import { createNodeHasher } from '#host/node/node-hasher.ts'
import { Problem } from '#protocol/problem.ts'

export interface SentFile {
  /** In the tree, with `/`. */
  readonly path: string
  /** On this machine. */
  readonly file: string
}

export interface SentTree {
  /** Of the tree. */
  readonly sha256: string
  readonly files: readonly TreeFile[]
  readonly progress: UploadProgress
}

export interface BlobClient {
  /**
   * Sends files as one tree. Rejects with a `Problem` that names the file that is missing, or the path that is none;
   * with `storage_limited` before anything is sent.
   */
  sendTree(files: readonly SentFile[], watch: UploadWatch): Promise<SentTree>
  /** Sends one file as it is, such as a result; resolves to its hash. */
  sendFile(file: string, watch: UploadWatch): Promise<string>
  /** Sends a text of our own, such as a tree of what is there already; resolves to its hash. */
  sendText(text: string, watch: UploadWatch): Promise<string>
  /** Gets a file to `path`; goes on where an earlier call broke off. */
  fetchFile(
    file: Pick<TreeFile, 'sha256' | 'object' | 'form'>,
    path: string,
    watch: DownloadWatch,
  ): Promise<void>
}

export function createBlobClient(wireParts: BlobWireParts, temporaryFolder = tmpdir()): BlobClient {
  const files = createNodeFileAccess(temporaryFolder)
  const parts = {
    files,
    wire: createBlobWire(wireParts),
    compression: nodeCompression,
    crypto: nodeCrypto,
    createHasher: createNodeHasher,
  }
  async function open(file: string) {
    const source = await files.open(file)
    if (source) return source
    throw new Problem(
      'invalid_request',
      `There is no file ${file}. Check its path, or take it out of the scene.`,
    )
  }
  async function scan(
    { reader, form }: Pick<PreparedFile, 'reader' | 'form'>,
    name: string,
    signal: AbortSignal,
  ): Promise<SourceObject> {
    const isFine = form !== 'plain' || name.endsWith('.blend')
    return { ...(await scanObject(parts, reader, { isFine, signal })), open: opens(reader), name }
  }
  return {
    async sendTree(sent, watch) {
      const wrong = wrongPath(sent.map(({ path }) => path))
      if (wrong) throw new Problem('invalid_request', `The files make no folder: ${wrong}`)
      if (sent.length > TREE_FILES_MAX) throw tooManyFiles(sent.length)
      const objects: SourceObject[] = []
      const listed: TreeFile[] = []
      /** Scenes in the form in which they are sent. */
      const made: BlobReader[] = []
      try {
        for (const { path, file } of sent) {
          const source = await open(file)
          const prepared = await prepareFile(parts, source)
          const { form, bytes, sha256, reader } = prepared
          made.push(reader)
          const scanned = await scan(prepared, file, watch.signal)
          const isAsItIs = reader === source
          const object = isAsItIs ? { ...scanned, open: () => open(file) } : scanned
          objects.push(object)
          // A scene may have more files than a process may have open.
          if (isAsItIs) await made.pop()?.close()
          listed.push({ path, bytes, sha256: sha256 ?? object.sha256, form, object: object.sha256 })
        }
        const text = new TextEncoder().encode(writeTree(listed))
        if (text.length > TREE_BYTES_MAX) throw tooManyFiles(sent.length)
        const tree = await scan({ reader: readerOf(text), form: 'plain' }, 'the list of files', watch.signal)
        const progress = await uploadObjects(parts, [...objects, tree], watch)
        return { sha256: tree.sha256, files: listed, progress }
      } finally {
        for (const reader of made) await reader.close()
      }
    },
    async sendFile(file, watch) {
      const reader = await open(file)
      try {
        const object = await scan({ reader, form: 'plain' }, file, watch.signal)
        await uploadObjects(parts, [object], watch)
        return object.sha256
      } finally {
        await reader.close()
      }
    },
    async sendText(text, watch) {
      const reader = readerOf(new TextEncoder().encode(text))
      const object = await scan({ reader, form: 'plain' }, 'the list of files', watch.signal)
      await uploadObjects(parts, [object], watch)
      return object.sha256
    },
    async fetchFile({ sha256, object, form }, path, watch) {
      const part = await files.openPart(`${path}.part`)
      try {
        await downloadObject(parts, { sha256: object, part }, watch)
        if (form === 'blend1') {
          const target = await files.openPart(`${path}.whole`)
          try {
            await restoreScene(part, target)
            await checkHash(target, sha256)
            await target.sync()
          } finally {
            await target.close()
          }
        }
      } finally {
        await part.close()
      }
      await files.rename(form === 'blend1' ? `${path}.whole` : `${path}.part`, path)
      if (form === 'blend1') await files.remove(`${path}.part`)
    },
  }
}

const tooManyFiles = (count: number): Problem =>
  new Problem(
    'invalid_request',
    `These are ${count} files, more than one list may name: at most ${TREE_FILES_MAX}, and fewer where their paths are long. Put some of them into one file, or leave out what the job does not need.`,
  )

/** For one that stays open meanwhile. */
const opens =
  (reader: BlobReader): SourceObject['open'] =>
  async () => ({
    bytes: reader.bytes,
    read: (offset, length) => reader.read(offset, length),
    close: async () => undefined,
  })

const readerOf = (bytes: Uint8Array) => ({
  bytes: bytes.length,
  read: async (offset: number, length: number) => bytes.subarray(offset, offset + length),
  close: async () => undefined,
})

const READ_BYTES = 1 << 20

async function checkHash(
  file: { bytes: number; read: (at: number, length: number) => Promise<Uint8Array> },
  sha256: string,
) {
  const hasher = createNodeHasher()
  for (let at = 0; at < file.bytes; at += READ_BYTES) hasher.update(await file.read(at, READ_BYTES))
  if (hasher.digest() !== sha256)
    throw new Problem('unavailable', `The scene ${sha256} is not what its tree says. Upload it again.`)
}
