/**
 * The empty database of the read models. To make one takes a core three seconds, and each network of these tests needs
 * one: so the first, which the store itself has made, is kept beside the packages, and the others are copies of it.
 */
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '#host/host.ts'
import { openPgliteStore } from '#host/node/pglite-store.ts'

const root = join(import.meta.dirname, '../..')
const cache = join(root, 'node_modules/.cache')
/** What decides how a database is made: another engine or other settings make another one. */
const MAKERS = ['node_modules/@electric-sql/pglite/package.json', 'src/host/node/pglite-store-worker.ts']

/** Gives a data folder that is not there yet an empty database. One that is there keeps what it has. */
export async function placeDatabase(dataFolder: string): Promise<void> {
  if (existsSync(dataFolder)) return
  const kept = await keptDatabase()
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 })
  cpSync(kept, join(dataFolder, 'read-models'), { recursive: true })
}

/** The folder of the one that is copied. Of two test files that make it at once, one is kept. */
async function keptDatabase(): Promise<string> {
  const hash = createHash('sha256')
  for (const file of MAKERS) hash.update(readFileSync(join(root, file)))
  const kept = join(cache, `empty-database-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(kept)) return kept
  mkdirSync(cache, { recursive: true })
  const folder = mkdtempSync(`${kept}-`)
  try {
    await makeDatabase(folder)
    renameSync(folder, kept)
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    if (!existsSync(kept)) throw error
  }
  return kept
}

async function makeDatabase(folder: string): Promise<void> {
  const store = openPgliteStore({ folder, owner: 'test', log: quiet })
  await store.run([{ sql: 'select 1', parameters: [] }])
  await store.close()
}

const quiet: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }
