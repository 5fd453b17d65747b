/** Which folders of inputs the node has whole: told to whoever chooses where work goes. Kept through a restart by their hashes. */
import { z } from 'zod'
import { readTree, TREE_BYTES_MAX, type TreeFile } from '#blobs/tree.ts'
import type { TaskFiles } from '#host/task-files.ts'
import type { BlobCache } from '../blob-cache.ts'

export interface RememberedTreesParts {
  readonly cache: Pick<BlobCache, 'has' | 'pathOf'>
  readonly taskFiles: Pick<TaskFiles, 'readWhole' | 'writeNew' | 'removeFolder'>
  readonly file: string
}

const TREES_MAX = 500
/** Of all of them: they stay in memory. */
const FILES_MAX = 200_000
const FILE_BYTES_MAX = 1 << 20
const Kept = z.array(z.string().regex(/^[0-9a-f]{64}$/))

interface Tree {
  readonly files: readonly TreeFile[]
  /** By hash, each once: all names may be of one file. */
  readonly contents: readonly string[]
}

export class RememberedTrees {
  readonly #parts: RememberedTreesParts
  /** The longest unused first. */
  readonly #trees = new Map<string, Tree>()
  #files = 0
  #writing: Promise<void> = Promise.resolve()

  private constructor(parts: RememberedTreesParts) {
    this.#parts = parts
  }

  static async open(parts: RememberedTreesParts): Promise<RememberedTrees> {
    const trees = new RememberedTrees(parts)
    for (const sha256 of await trees.#readKept()) {
      const bytes = parts.cache.has(sha256)
        ? await parts.taskFiles.readWhole(parts.cache.pathOf(sha256), TREE_BYTES_MAX)
        : null
      const tree = bytes && readTree(new TextDecoder().decode(bytes))
      if (tree && typeof tree !== 'string') trees.#keep(sha256, tree.files)
    }
    return trees
  }

  /** `null` for one that was not seen, or whose list is gone. */
  filesOf(sha256: string): readonly TreeFile[] | null {
    const tree = this.#trees.get(sha256)
    if (!tree) return null
    this.#trees.delete(sha256)
    this.#trees.set(sha256, tree)
    return tree.files
  }

  remember(sha256: string, files: readonly TreeFile[]): void {
    this.#keep(sha256, files)
    this.#writing = this.#writing.then(() => this.#write())
  }

  /** Those of which every file is here, the ones used last at the end. */
  whole(): readonly string[] {
    const { cache } = this.#parts
    return [...this.#trees]
      .filter(([, { contents }]) => contents.every((content) => cache.has(content)))
      .map(([sha256]) => sha256)
  }

  /** In the place of those that were not used for longest. */
  #keep(sha256: string, files: readonly TreeFile[]): void {
    this.#drop(sha256)
    this.#trees.set(sha256, { files, contents: [...new Set(files.map((file) => file.sha256))] })
    this.#files += files.length
    for (const oldest of this.#trees.keys()) {
      if ((this.#trees.size <= TREES_MAX && this.#files <= FILES_MAX) || this.#trees.size === 1) break
      this.#drop(oldest)
    }
  }

  #drop(sha256: string): void {
    this.#files -= this.#trees.get(sha256)?.files.length ?? 0
    this.#trees.delete(sha256)
  }

  async #readKept(): Promise<readonly string[]> {
    const bytes = await this.#parts.taskFiles.readWhole(this.#parts.file, FILE_BYTES_MAX)
    if (bytes === null) return []
    try {
      return Kept.parse(JSON.parse(new TextDecoder().decode(bytes)))
    } catch {
      return [] // It only spares a download.
    }
  }

  async #write(): Promise<void> {
    const { taskFiles, file } = this.#parts
    await taskFiles.removeFolder(file)
    const text = JSON.stringify([...this.#trees.keys()])
    await taskFiles.writeNew(file, new TextEncoder().encode(text)).catch(() => undefined)
  }
}
