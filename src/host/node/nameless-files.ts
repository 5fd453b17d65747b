/**
 * Files that processes hold open and that no folder names: unlinked ones, and those that are made in memory without a
 * name. No look at folders sees them; they take their room until the last who holds them lets go.
 */
import { readdirSync, type Stats, statfsSync, statSync } from 'node:fs'

export interface Nameless {
  readonly diskBytes: number
  readonly memoryBytes: number
}

/** tmpfs, and that of huge pages. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x958458f6])
const BLOCK_BYTES = 512
/** In one look, so that nobody stops us by open files. Honest programs together have a few thousand. */
const DESCRIPTORS_MAX = 20_000

/** Each file counts once, with the room that it takes. Endless where there are too many open files to look at. */
export function sumNameless(ids: readonly number[]): Nameless {
  const seen = new Set<string>()
  let [diskBytes, memoryBytes, descriptors] = [0, 0, 0]
  for (const id of ids) {
    const folder = `/proc/${id}/fd`
    const names = orNull(() => readdirSync(folder)) ?? []
    descriptors += names.length
    if (descriptors > DESCRIPTORS_MAX)
      return { diskBytes: Number.POSITIVE_INFINITY, memoryBytes: Number.POSITIVE_INFINITY }
    for (const name of names) {
      const path = `${folder}/${name}`
      const file = orNull(() => statSync(path))
      if (file === null || !isNameless(file)) continue
      const identity = `${file.dev}:${file.ino}`
      if (seen.has(identity)) continue
      seen.add(identity)
      const bytes = file.blocks * BLOCK_BYTES
      if (IN_MEMORY.has(orNull(() => statfsSync(path))?.type ?? 0)) memoryBytes += bytes
      else diskBytes += bytes
    }
  }
  return { diskBytes, memoryBytes }
}

const isNameless = (file: Stats): boolean => file.nlink === 0 && file.isFile()

/** A process or a file may be gone by the time that it is looked at. */
function orNull<T>(act: () => T): T | null {
  try {
    return act()
  } catch {
    return null
  }
}
