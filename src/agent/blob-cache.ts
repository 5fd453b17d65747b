/**
 * Files of jobs on a node's disk, by their content: fetched once, kept while there is room, the longest unused gone
 * first. What is in use stays. Nothing is handed out whose hash was not checked since it last changed on the disk.
 */
import type { TreeFile } from '#blobs/tree.ts'
import { type DownloadParts, type DownloadWatch, downloadObject } from '#host/blobs/download-object.ts'
import { restoreScene } from '#host/blobs/scene-form.ts'
import type { FileAccess } from '#host/file-access.ts'
import type { Clock } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'

export interface BlobCacheParts extends Pick<DownloadParts, 'createHasher' | 'crypto'> {
  readonly files: FileAccess
  readonly clock: Pick<Clock, 'nowMs'>
  readonly folder: string
  readonly bytesMax: number
}

export type WantedFile = Pick<TreeFile, 'sha256' | 'object' | 'form' | 'bytes'>

/** A file that stays as long as it is held. To be read only. */
export interface HeldFile {
  readonly path: string
  release(): void
}

interface Kept {
  readonly bytes: number
  usedAtMs: number
  /** How it was when its hash was found right; `null` when it was not looked at since the start. */
  stamp: string | null
}

const HASH = /^[0-9a-f]{64}$/
const PART = /^([0-9a-f]{64})\.part$/
const READ_BYTES = 1 << 20

export class BlobCache {
  readonly #parts: BlobCacheParts
  readonly #kept = new Map<string, Kept>()
  /** How often each is held, or being fetched. */
  readonly #holds = new Map<string, number>()
  readonly #fetching = new Map<string, Promise<void>>()
  /** Downloads that broke off, by object: they go on where they were, and go first when room is short. */
  readonly #parted = new Map<string, number>()
  /** Room that downloads under way will need. */
  readonly #reserved = new Map<string, number>()

  private constructor(parts: BlobCacheParts) {
    this.#parts = parts
  }

  /** Finds what is there from before. Rejects with a `Problem` when the folder cannot be used. */
  static async open(parts: BlobCacheParts): Promise<BlobCache> {
    const cache = new BlobCache(parts)
    for (const { name, bytes, usedAtMs } of await parts.files.list(parts.folder)) {
      const part = PART.exec(name)?.[1]
      if (part !== undefined) cache.#parted.set(part, bytes)
      else if (HASH.test(name)) cache.#kept.set(name, { bytes, usedAtMs, stamp: null })
      else await parts.files.remove(`${parts.folder}/${name}`)
    }
    return cache
  }

  /** Bytes of whole files. */
  get usedBytes(): number {
    let bytes = 0
    for (const kept of this.#kept.values()) bytes += kept.bytes
    return bytes
  }

  /** Whether it is here, for those who choose where work goes. */
  has(sha256: string): boolean {
    return this.#kept.has(sha256)
  }

  /**
   * The file, fetched where it is not here or is not right any more. Rejects as `downloadObject`, and with
   * `Problem('disk_full')` where what may go is too little.
   */
  async hold(file: WantedFile, wire: DownloadParts['wire'], watch: DownloadWatch): Promise<HeldFile> {
    const { sha256 } = file
    this.#holds.set(sha256, (this.#holds.get(sha256) ?? 0) + 1)
    const release = this.#releaser(sha256)
    try {
      await this.#obtain(file, wire, watch)
      return { path: this.pathOf(sha256), release }
    } catch (error) {
      release()
      throw error
    }
  }

  #releaser(sha256: string): () => void {
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      const left = (this.#holds.get(sha256) ?? 1) - 1
      if (left > 0) this.#holds.set(sha256, left)
      else this.#holds.delete(sha256)
    }
  }

  async #obtain(file: WantedFile, wire: DownloadParts['wire'], watch: DownloadWatch): Promise<void> {
    // Two that want one file share one download; one that failed is no reason for the other to.
    const other = this.#fetching.get(file.sha256)
    if (other) {
      await other.catch(() => undefined)
      watch.signal.throwIfAborted()
      return this.#obtain(file, wire, watch)
    }
    const fetching = this.#check(file.sha256).then((isRight) =>
      isRight ? undefined : this.#fetch(file, wire, watch),
    )
    this.#fetching.set(file.sha256, fetching)
    try {
      await fetching
    } finally {
      this.#fetching.delete(file.sha256)
    }
  }

  /** Whether the file is here and right; one that is not right goes. */
  async #check(sha256: string): Promise<boolean> {
    const { files, clock } = this.#parts
    const kept = this.#kept.get(sha256)
    if (!kept) return false
    const path = this.pathOf(sha256)
    const facts = await files.facts(path)
    const isRight = facts !== null && (facts.stamp === kept.stamp || (await this.#hashOf(path)) === sha256)
    if (!isRight) {
      this.#kept.delete(sha256)
      await files.remove(path)
      return false
    }
    kept.usedAtMs = clock.nowMs()
    await files.touch(path, kept.usedAtMs)
    kept.stamp = (await files.facts(path))?.stamp ?? null
    return true
  }

  async #fetch(file: WantedFile, wire: DownloadParts['wire'], watch: DownloadWatch): Promise<void> {
    const { files, clock } = this.#parts
    const { sha256, form, bytes, object } = file
    const path = this.pathOf(sha256)
    // A scene is there twice while it is put together.
    this.#reserved.set(sha256, form === 'plain' ? bytes : bytes * 2)
    try {
      this.#parted.delete(object)
      await this.#makeRoom()
      const part = await files.openPart(`${this.pathOf(object)}.part`)
      try {
        await downloadObject({ ...this.#parts, wire }, { sha256: object, part }, watch)
        if (form === 'blend1') await this.#restore(part, sha256)
      } catch (error) {
        this.#parted.set(object, part.bytes)
        throw error
      } finally {
        await part.close()
      }
      if (form === 'plain') await files.rename(`${this.pathOf(object)}.part`, path)
      else await files.remove(`${this.pathOf(object)}.part`)
      const facts = await files.facts(path)
      // Checked on its way: whatever is changed from here on has another stamp.
      this.#kept.set(sha256, {
        bytes: facts?.bytes ?? bytes,
        usedAtMs: clock.nowMs(),
        stamp: facts?.stamp ?? null,
      })
    } finally {
      this.#reserved.delete(sha256)
    }
  }

  async #restore(part: Parameters<typeof restoreScene>[0], sha256: string): Promise<void> {
    const { files } = this.#parts
    const whole = `${this.pathOf(sha256)}.whole`
    const target = await files.openPart(whole)
    try {
      await restoreScene(part, target)
      await target.sync()
    } finally {
      await target.close()
    }
    if ((await this.#hashOf(whole)) === sha256) return files.rename(whole, this.pathOf(sha256))
    await files.remove(whole)
    throw new Problem('unavailable', `The scene ${sha256} is not what its tree says. Upload it again.`)
  }

  async #makeRoom(): Promise<void> {
    const { files, folder, bytesMax } = this.#parts
    const { usedBytes } = this
    let needed = usedBytes - bytesMax
    for (const bytes of [...this.#reserved.values(), ...this.#parted.values()]) needed += bytes
    for (const [object, bytes] of [...this.#parted]) {
      if (needed <= 0) return
      this.#parted.delete(object)
      await files.remove(`${this.pathOf(object)}.part`)
      needed -= bytes
    }
    const idle = [...this.#kept].filter(([sha256]) => !this.#holds.has(sha256))
    for (const [sha256, { bytes }] of idle.toSorted((a, b) => a[1].usedAtMs - b[1].usedAtMs)) {
      if (needed <= 0) return
      this.#kept.delete(sha256)
      await files.remove(this.pathOf(sha256))
      needed -= bytes
    }
    if (needed <= 0) return
    throw new Problem(
      'disk_full',
      `The files of the job find no room: ${folder} may hold ${mib(bytesMax)} MiB, and ${mib(needed)} MiB more are needed than can be freed. Give it more, or take smaller jobs.`,
    )
  }

  async #hashOf(path: string): Promise<string | null> {
    const reader = await this.#parts.files.open(path)
    if (!reader) return null
    try {
      const hasher = this.#parts.createHasher()
      for (let offset = 0; offset < reader.bytes; offset += READ_BYTES)
        hasher.update(await reader.read(offset, READ_BYTES))
      return hasher.digest()
    } finally {
      await reader.close()
    }
  }

  /** Where it lies if it is here: to be read only. */
  pathOf(sha256: string): string {
    return `${this.#parts.folder}/${sha256}`
  }
}

const mib = (bytes: number): number => Math.ceil(bytes / (1 << 20))
