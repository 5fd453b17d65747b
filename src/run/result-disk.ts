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
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { ResultDisk } from '#cli/jobs/job-tools.ts'
import { asDiskProblem } from '#host/node/disk-problem.ts'
import { makeFolder } from '#host/node/durable-file.ts'
import { Problem } from '#protocol/problem.ts'

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
  follow: (path) => asDiskProblem(path, () => follow(path)),
  filesBelow: (folder, max) => asDiskProblem(folder, () => filesBelow(folder, max)),
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

async function follow(path: string): Promise<Awaited<ReturnType<ResultDisk['follow']>>> {
  try {
    const facts = await stat(path)
    return { kind: facts.isFile() ? 'file' : facts.isDirectory() ? 'folder' : 'other' }
  } catch (error) {
    if (!isSaying(error, 'ENOENT') && !isSaying(error, 'ELOOP')) throw error
    return (await lstat(path).catch(() => null)) === null ? null : { kind: 'other' }
  }
}

async function filesBelow(folder: string, max: number): Promise<readonly string[] | null> {
  const files: string[] = []
  /** With the folders that each is in, as they are without links. */
  const queue = [{ below: '', inside: [await realpath(folder)] }]
  let entries = 0
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    const names = (await readdir(join(folder, at.below))).filter((name) => !name.startsWith('.'))
    entries += names.length
    if (entries > max) return null
    for (const name of names) {
      const below = at.below === '' ? name : `${at.below}/${name}`
      const found = await follow(join(folder, below))
      if (found?.kind === 'file') files.push(below)
      else if (found?.kind === 'folder') {
        const own = await realpath(join(folder, below))
        if (at.inside.includes(own)) throw wrong(join(folder, below), 'leads to a folder that it is in')
        queue.push({ below, inside: [...at.inside, own] })
      } else throw wrong(join(folder, below), 'is neither a file nor a folder, or a link that leads nowhere')
    }
  }
  return files.toSorted()
}

const wrong = (path: string, what: string): Problem =>
  new Problem('invalid_request', `${path} ${what}, and cannot be sent. Move it away, or name other files.`)

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
