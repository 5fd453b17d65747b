/**
 * Large files over unreliable lines. Bytes go to `<path>.part`, with what is known of the file beside it in
 * `<path>.part.json`; both stay when it is interrupted, however, and the next download goes on from them. Only a whole
 * file that has the right checksum gets its name.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Problem } from '#protocol/problem.ts'
import { toDiskProblem } from './disk-problem.ts'
import { makeFolder, syncFolderAsync } from './durable-file.ts'
import { fetchNetwork } from './fetch-client.ts'
import { type FolderLock, takeLock } from './folder-lock.ts'
import { fetchRest, type Part, type Progress, type Rest } from './model-fetch.ts'

interface Download {
  readonly url: URL
  readonly path: string
  readonly sha256: string | null
  readonly token?: string
  /** Told the size before the first byte, null where the server does not say; what it rejects with ends the download. */
  readonly onTotal?: (totalBytes: number | null) => Promise<void>
  /** A file that is larger is given up. */
  readonly bytesMax?: number
}
interface Watch {
  onProgress(progress: Progress): void
  readonly signal: AbortSignal
}

const RETRIES_MAX = 5

/** The real downloads, over HTTP. A line that fails is tried again after `retryMs`, twice as long each time. */
export function createModelDownloads({ retryMs = 1_000, fetch = fetchNetwork } = {}) {
  return {
    /** See the port: resolves once the whole, checked file is at `path`. */
    async downloadModel(download: Download, watch: Watch): Promise<void> {
      const { path } = download
      if (await isFile(path)) return
      const part: Part = { path: `${path}.part`, notesPath: `${path}.part.json` }
      const lock = lockPart(path)
      try {
        const sha256 = await fetchAll({ ...download, fetch }, part, watch, retryMs)
        if (sha256 !== null) await checkSha256(part, sha256, download)
        await syncFile(part.path)
        await rename(part.path, path)
        await rm(part.notesPath, { force: true })
        await syncFolderAsync(dirname(path))
      } catch (error) {
        throw toDiskProblem(error, path)
      } finally {
        lock.release()
      }
      // Nobody needs it any more: whoever comes later finds the file.
      await rm(`${path}.part.lock.db`, { force: true })
    },
  }
}

/** Two writers of one part would mix their bytes. */
function lockPart(path: string): FolderLock {
  try {
    makeFolder(dirname(path))
  } catch (error) {
    throw toDiskProblem(error, dirname(path))
  }
  return takeLock({ subject: path, owner: 'another download of it', path: `${path}.part.lock` })
}

/** Goes on after failures of the line, as long as it brings something now and then. Resolves to the checksum to expect. */
async function fetchAll(download: Rest, part: Part, watch: Watch, retryMs: number): Promise<string | null> {
  for (let failures = 0; ; ) {
    const sizeBefore = await sizeOf(part.path)
    try {
      return await fetchRest(download, part, watch)
    } catch (error) {
      if (!(error instanceof Problem) || !error.code.startsWith('network_')) throw error
      const size = await sizeOf(part.path)
      failures = size > sizeBefore ? 1 : failures + 1
      if (failures > RETRIES_MAX) throw giveUp(error, size)
      // Woken by the signal, the next attempt says that it was stopped.
      await sleep(retryMs * 2 ** (failures - 1), undefined, { signal: watch.signal }).catch(() => undefined)
    }
  }
}

function giveUp(cause: Problem, partBytes: number): Problem {
  const { code, message } = cause
  const kept = partBytes === 0 ? '' : ` ${partBytes} bytes are kept: start it again to go on from there.`
  return new Problem(code, `The download stopped. ${message}${kept}`, { cause })
}

async function checkSha256(part: Part, expected: string, { url }: Download): Promise<void> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(part.path, { highWaterMark: 1 << 20 }))
    hash.update(chunk as Buffer)
  const found = hash.digest('hex')
  if (found === expected) return
  await rm(part.path, { force: true })
  await rm(part.notesPath, { force: true })
  throw new Problem(
    'model_corrupt',
    `${basename(url.pathname)} from ${url.host} arrived damaged or is another file: its sha256 is ${found}, expected ${expected}. It was deleted; download it again, or check the address.`,
  )
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

const isFile = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => null))?.isFile() ?? false
const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => null))?.size ?? 0
