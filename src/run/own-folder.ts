import { toDiskProblem } from '#host/node/disk-problem.ts'
import { makeFolder } from '#host/node/durable-file.ts'

/** Makes `folder` when missing, for this user alone: who used what, and the hashes of keys, are nobody else's. */
export function makeOwnFolder(folder: string): void {
  try {
    makeFolder(folder, 0o700)
  } catch (error) {
    throw toDiskProblem(error, folder)
  }
}
