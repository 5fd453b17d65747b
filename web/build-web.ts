/**
 * Builds the web pages into `web/dist`, where that is missing or older than its sources: `node web/build-web.ts`.
 *
 * `dist/current.json` names the folder of the newest build and the hash of every file that it was made of. A build
 * appears whole or not at all, and of two that run at once either may win: they are the same.
 */
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Build {
  /** Below `web/dist`. */
  readonly folder: string
  readonly sources: Readonly<Record<string, string>>
}

const distFolder = (root: string): string => join(root, 'web/dist')
const currentFile = (root: string): string => join(distFolder(root), 'current.json')

/** Why the pages must be built, in a few words; `null` when they need not be. */
export function staleReason(root: string): string | null {
  const build = readBuild(root)
  if (!build || !existsSync(join(distFolder(root), build.folder, 'roi.html'))) return 'they were never built'
  const changed = Object.entries(build.sources).find(([path, hash]) => hashIfThere(join(root, path)) !== hash)
  return changed ? `${changed[0]} changed` : null
}

/** Builds what must be built; answers whether it did. `say` hears one line of it. Rejects where vite does. */
export async function ensureWebBuilt(root: string, say: (line: string) => void): Promise<boolean> {
  const reason = staleReason(root)
  if (reason === null) return false
  const startedAt = performance.now()
  // Loaded when it is wanted: it takes longer than to see that it is not.
  const { buildPages } = await import('./vite-build.ts')
  const dist = distFolder(root)
  const draft = join(dist, `draft-${process.pid}`)
  mkdirSync(draft, { recursive: true })
  try {
    const sources = await buildPages(root, draft)
    publish(root, { draft, sources })
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
  say(`Shoal: built the web pages (${reason}) in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`)
  return true
}

function publish(root: string, { draft, sources }: { draft: string; sources: Build['sources'] }): void {
  const dist = distFolder(root)
  const before = readBuild(root)?.folder
  const folder = `build-${createHash('sha256').update(JSON.stringify(sources)).digest('hex').slice(0, 16)}`
  const target = join(dist, folder)
  if (!existsSync(target)) renameIfFree(draft, target)
  const text = `${JSON.stringify({ folder, sources } satisfies Build, null, 2)}\n`
  writeFileSync(join(draft, '..', `current-${process.pid}.json`), text)
  renameSync(join(dist, `current-${process.pid}.json`), currentFile(root))
  // A network that is just reading the one before reads on.
  const kept = [folder, before, 'current.json']
  for (const name of readdirSync(dist)) {
    if (name.startsWith('build-') && !kept.includes(name))
      rmSync(join(dist, name), { recursive: true, force: true })
  }
}

/** Another build of the same sources may have been faster. */
function renameIfFree(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (!existsSync(to)) throw error
  }
}

function readBuild(root: string): Build | null {
  try {
    return JSON.parse(readFileSync(currentFile(root), 'utf8')) as Build
  } catch {
    return null // Missing or damaged: it is built again.
  }
}

function hashIfThere(path: string): string | null {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 32)
  } catch {
    return null
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await ensureWebBuilt(join(import.meta.dirname, '..'), (line) => process.stderr.write(`${line}\n`))
}
