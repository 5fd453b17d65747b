import { randomFillSync } from 'node:crypto'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Secrets } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import { toDiskProblem } from './disk-problem.ts'
import { makeFolder, writeFileDurablySync } from './durable-file.ts'

const NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/
/** Readable by this user alone. */
const FOLDER_MODE = 0o700
const FILE_MODE = 0o600

const POOL_BYTES = 4_096

/** Asks the system for many at once, which takes as long as asking for few. What was handed out is in no other place. */
function createRandomBytes(): Secrets['randomBytes'] {
  const pool = new Uint8Array(POOL_BYTES)
  let used = POOL_BYTES
  return (length) => {
    if (length > POOL_BYTES / 8) return randomFillSync(new Uint8Array(length))
    if (used + length > POOL_BYTES) {
      randomFillSync(pool)
      used = 0
    }
    const bytes = pool.slice(used, used + length)
    pool.fill(0, used, used + length)
    used += length
    return bytes
  }
}

/** `Secrets` as one file each in `folder`, made when first written. Throws the problems of `toDiskProblem`. */
export function createDiskSecrets(folder: string): Secrets {
  const pathOf = (name: string): string => {
    assert(NAME.test(name), `a secret's name is kebab-case, not ${name}`)
    return join(folder, name)
  }
  return {
    randomBytes: createRandomBytes(),
    read(name) {
      const path = pathOf(name)
      try {
        return readFileSync(path, 'utf8')
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
        throw toDiskProblem(error, path)
      }
    },
    write(name, text) {
      const path = pathOf(name)
      try {
        makeFolder(folder, FOLDER_MODE)
        // It may have been there already, and open to others.
        chmodSync(folder, FOLDER_MODE)
        writeFileDurablySync(path, text, FILE_MODE)
      } catch (error) {
        throw toDiskProblem(error, path)
      }
    },
  }
}
