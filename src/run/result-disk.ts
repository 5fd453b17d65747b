/** Where results of jobs go on this machine: nothing that is there is ever written over. */
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import {
  appendFile,
  chmod,
  copyFile,
  link,
  lstat,
  mkdtemp,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { ResultDisk } from '#cli/jobs/job-tools.ts'
import { asDiskProblem } from '#host/node/disk-problem.ts'
import { makeFolder } from '#host/node/durable-file.ts'
import { nodeTaskFiles } from '#host/node/node-task-files.ts'

export const resultDisk: ResultDisk = {
  absolute: (path) => resolve(path),
  look: (path) =>
    asDiskProblem(path, async () => {
      try {
        const facts = await lstat(path)
        if (facts.isFile()) return { kind: 'file', bytes: facts.size } as const
        return { kind: facts.isDirectory() ? 'folder' : 'other' } as const
      } catch (error) {
        if (isSaying(error, 'ENOENT')) return null
        throw error
      }
    }),
  sha256: (path) =>
    asDiskProblem(path, async () => {
      const hash = createHash('sha256')
      for await (const piece of createReadStream(path)) hash.update(piece as Buffer)
      return hash.digest('hex')
    }),
  read: (path) =>
    asDiskProblem(path, () =>
      readFile(path).catch((error: unknown) => {
        if (isSaying(error, 'ENOENT')) return null
        throw error
      }),
    ),
  filesBelow: async (folder, max) =>
    (await nodeTaskFiles.filesBelow(folder, max))?.filter((path) => !/(^|\/)\./.test(path)) ?? null,
  writeNew: (path, bytes) =>
    asDiskProblem(path, async () => {
      makeFolder(dirname(path))
      // Whole or not at all: a disk that fills up leaves no half of a picture under its name.
      const part = `${path}.${randomBytes(6).toString('hex')}.part`
      try {
        await writeFile(part, bytes, { flag: 'wx' })
        return await giveName(part, path)
      } finally {
        await rm(part, { force: true })
      }
    }),
  give: (from, to) =>
    asDiskProblem(to, async () => {
      makeFolder(dirname(to))
      // Parts are for this user alone; results are like any file that a program of this user makes.
      await chmod(from, 0o666 & ~process.umask())
      return giveName(from, to)
    }),
  append: (path, line) =>
    asDiskProblem(path, async () => {
      makeFolder(dirname(path))
      await appendFile(path, `${line}\n`)
    }),
  remove: (path) => asDiskProblem(path, () => rm(path, { recursive: true, force: true })),
  async temporary() {
    const path = await asDiskProblem(tmpdir(), () => mkdtemp(join(tmpdir(), 'shoal-')))
    return { path, remove: () => rm(path, { recursive: true, force: true }) }
  },
}

/** A link is made or refused in one step, so that what another program wrote a moment ago stays. */
async function giveName(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
  } catch (error) {
    if (isSaying(error, 'EEXIST')) return false
    if (!isWithoutLinks(error)) throw error
    if (!(await copied(from, to))) return false
  }
  await rm(from, { force: true })
  return true
}

/** Where the disk knows no links (FAT): a copy, which a crash may leave in part, so it gets its name last. */
async function copied(from: string, to: string): Promise<boolean> {
  const placed = await copyFile(from, `${to}.part`).then(() => lstat(to).catch(() => null))
  if (placed !== null) {
    await rm(`${to}.part`, { force: true })
    return false
  }
  await rename(`${to}.part`, to)
  return true
}

const isWithoutLinks = (error: unknown): boolean =>
  ['EPERM', 'ENOSYS', 'EXDEV', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'].some((code) => isSaying(error, code))

const isSaying = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code
