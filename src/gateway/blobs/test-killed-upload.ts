/** For a test and a bench: an upload by a process that is killed again and again. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { openBlobServer } from './test-blob-server.ts'

export interface KilledUpload {
  readonly kills: number
  /** Announced in the heads of all packs that were begun, whether or not they arrived. */
  readonly sentBytes: number
  /** What the upload that was not killed kept. */
  readonly stored: string
}

/** Kills it in the middle of a pack each time, at another place of the file. */
export async function uploadWithKills(work: {
  path: string
  folder: string
  kills: number
}): Promise<KilledUpload> {
  let sentBytes = 0
  let packs = 0
  let onPack: () => void = () => undefined
  const server = await openBlobServer({
    folder: work.folder,
    onExchange({ target, headers }) {
      if (!target.endsWith('/packs')) return
      sentBytes += Number(headers['content-length'] ?? 0)
      packs++
      onPack()
    },
  })
  const start = () =>
    spawn(process.execPath, [join(import.meta.dirname, 'test-upload-main.ts'), server.baseUrl, work.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  try {
    let kills = 0
    while (kills < work.kills) {
      const child = start()
      packs = 0
      onPack = () => packs === 3 && child.kill('SIGKILL')
      await once(child, 'exit')
      if (child.signalCode !== 'SIGKILL') break
      kills++
    }
    onPack = () => undefined
    const child = start()
    let stored = ''
    child.stdout.on('data', (text) => {
      stored += String(text)
    })
    await once(child, 'close')
    return { kills, sentBytes, stored: stored.trim() }
  } finally {
    await server.close()
  }
}
