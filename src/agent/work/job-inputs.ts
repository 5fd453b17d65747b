/**
 * What tasks take, as folders: the files lie in the node's cache by their content, and a folder of a tree has them by other
 * names of the same files. A tree is what strangers made: `readTree` and `wrongPath` let nothing lead out of its folder,
 * nothing in it is a link to another path, and each file is as long as the tree says.
 */
import { readTree, TREE_BYTES_MAX, type TreeFile, wrongPath } from '#blobs/tree.ts'
import type { BlobWire } from '#host/blobs/blob-wire.ts'
import type { DownloadWatch } from '#host/blobs/download-object.ts'
import type { FileAccess } from '#host/file-access.ts'
import type { Clock } from '#host/host.ts'
import type { TaskFiles } from '#host/task-files.ts'
import { type Problem, toProblem } from '#protocol/problem.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import type { BlobCache, HeldFile } from '../blob-cache.ts'
import { persist } from './persist.ts'
import { RememberedTrees } from './remembered-trees.ts'
import type { HeldInputs, JobInputs, TransferWatch, WantedInputs } from './work-ports.ts'

export interface JobInputsParts {
  readonly cache: BlobCache
  readonly files: FileAccess
  readonly taskFiles: Pick<TaskFiles, 'makeFolder' | 'removeFolder' | 'readWhole' | 'writeNew'>
  readonly clock: Clock
  /** The calls of `/api/blobs` with an attempt's token. */
  readonly wireFor: (watch: Pick<TransferWatch, 'token' | 'signal'>) => BlobWire
  /** For folders of inputs; what is in it from before is removed. */
  readonly folder: string
  /** How fast bytes came, for who plans. */
  readonly onFetched?: (bytes: number, ms: number) => void
}

interface Folder {
  readonly root: string
  readonly held: readonly HeldFile[]
  users: number
}

/** Files fetched at once. */
const AT_ONCE = 4

export async function openJobInputs(parts: JobInputsParts): Promise<JobInputs> {
  const { folder, taskFiles } = parts
  // Links of a process that was killed would keep files on the disk that the cache counts as gone.
  await taskFiles.removeFolder(folder)
  await taskFiles.makeFolder(folder)
  const trees = await RememberedTrees.open({ ...parts, file: `${folder}/../trees.json` })
  /** By what is in them: tasks with the same inputs share one. */
  const folders = new Map<string, Promise<Folder>>()
  let made = 0

  async function obtain(wanted: WantedInputs, watch: TransferWatch): Promise<HeldInputs> {
    const name = JSON.stringify([wanted.inputRoot, wanted.files])
    const known = folders.get(name)
    const making = known ?? make(wanted, watch)
    if (!known) folders.set(name, making)
    try {
      const folder = await making
      if (folders.get(name) !== making) return await obtain(wanted, watch)
      folder.users += 1
      return holdOf(name, folder)
    } catch (error) {
      if (folders.get(name) === making) folders.delete(name)
      watch.signal.throwIfAborted()
      // Another attempt's download was called off, not this one's.
      if (known) return obtain(wanted, watch)
      throw error
    }
  }

  function holdOf(name: string, folder: Folder): HeldInputs {
    let isHeld = true
    return {
      root: folder.root,
      retain() {
        folder.users += 1
        return holdOf(name, folder)
      },
      release() {
        if (!isHeld) return
        isHeld = false
        folder.users -= 1
        if (folder.users > 0) return
        folders.delete(name)
        void taskFiles.removeFolder(folder.root).then(() => letGo(folder.held))
      },
    }
  }

  async function make(wanted: WantedInputs, watch: TransferWatch): Promise<Folder> {
    const root = `${folder}/${made++}`
    const wire = parts.wireFor(watch)
    const held: HeldFile[] = []
    try {
      const listed = wanted.inputRoot === null ? [] : await treeOf(wanted.inputRoot, wire, watch)
      const all = [...listed, ...wanted.files.map(asTreeFile)]
      const wrong = wrongPath(all.map(({ path }) => path))
      if (wrong) throw taskProblem(`The inputs make no folder: ${wrong}`)
      await taskFiles.makeFolder(root)
      await fetchAll(all, { wire, watch, root, held })
      return { root, held, users: 0 }
    } catch (error) {
      await taskFiles.removeFolder(root)
      letGo(held)
      throw error
    }
  }

  async function treeOf(sha256: string, wire: BlobWire, watch: TransferWatch): Promise<readonly TreeFile[]> {
    const known = trees.filesOf(sha256)
    if (known) return known
    // How long it is nobody has said yet; it is bounded when it is read.
    const wanted = { sha256, object: sha256, form: 'plain', bytes: 0 } as const
    const held = await persist(parts.clock, watch.signal, (onMoved) =>
      parts.cache.hold(wanted, wire, watchOf(watch, onMoved)),
    )
    try {
      const bytes = await taskFiles.readWhole(held.path, TREE_BYTES_MAX)
      const tree = bytes === null ? `It has more than ${TREE_BYTES_MAX >> 20} MiB.` : readTree(utf8(bytes))
      if (typeof tree === 'string')
        throw taskProblem(`The inputs ${sha256.slice(0, 12)} are no folder: ${tree}`)
      trees.remember(sha256, tree.files)
      return tree.files
    } finally {
      held.release()
    }
  }

  async function fetchAll(
    all: readonly TreeFile[],
    { wire, watch, root, held }: { wire: BlobWire; watch: TransferWatch; root: string; held: HeldFile[] },
  ): Promise<void> {
    const { cache, clock, files } = parts
    const totalBytes = all.reduce((sum, { bytes }) => sum + bytes, 1)
    const startedMs = clock.elapsedMs()
    let doneBytes = 0
    let newBytes = 0
    let next = 0
    const work = async (): Promise<void> => {
      for (let file = all[next++]; file; file = all[next++]) {
        const { path, bytes } = file
        if (!cache.has(file.sha256)) newBytes += bytes
        const one = await persist(clock, watch.signal, (onMoved) => {
          const onBytes = (fileBytes: number): void => {
            onMoved()
            watch.onProgress((doneBytes + Math.min(fileBytes, bytes)) / totalBytes)
          }
          return cache.hold(file, wire, watchOf(watch, onBytes))
        })
        held.push(one)
        await files.link(one.path, `${root}/${path}`)
        const facts = await files.facts(`${root}/${path}`)
        if (facts?.bytes !== bytes)
          throw taskProblem(
            `'${path}' of the inputs has ${facts?.bytes ?? 0} bytes, and its list says ${bytes}.`,
          )
        doneBytes += bytes
        watch.onProgress(doneBytes / totalBytes)
      }
    }
    await settleAll(Array.from({ length: AT_ONCE }, work))
    if (newBytes > 0) parts.onFetched?.(newBytes, clock.elapsedMs() - startedMs)
  }

  return { obtain, cached: () => trees.whole() }
}

const asTreeFile = ({ path, bytes, sha256 }: WantedInputs['files'][number]): TreeFile => ({
  path,
  bytes,
  sha256,
  form: 'plain',
  object: sha256,
})

/** `onBytes` is told how much of the file is here, each time that some of it came. */
const watchOf = ({ signal }: TransferWatch, onBytes: (fileBytes: number) => void): DownloadWatch => ({
  signal,
  onProgress({ doneBytes, keptBytes }) {
    if (doneBytes > keptBytes) onBytes(doneBytes)
  },
})

const letGo = (held: readonly HeldFile[]): void => {
  for (const one of held) one.release()
}

/** All have ended before the first failure is told: nobody writes behind a folder that is being removed. */
async function settleAll(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work)
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

const taskProblem = (message: string): Problem => failureProblem('task', 'invalid_request', message)

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw failureProblem('task', 'invalid_request', 'The list of the inputs is not UTF-8.', {
      cause: toProblem(error),
    })
  }
}
