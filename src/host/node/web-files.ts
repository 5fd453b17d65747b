/** The web pages that were built last, read into memory: a build that comes later is seen by the next start. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { WebFile } from '../web-file.ts'

/** From `src/host/node` here, and as deep in a build. */
const builtFolder = fileURLToPath(new URL('../../../web/dist/', import.meta.url))

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
}

/** `null` where no page was built, or what was is damaged. `folder` is the one that `web/build-web.ts` writes. */
export function readWebFiles(folder: string = builtFolder): readonly WebFile[] | null {
  try {
    const current = JSON.parse(readFileSync(join(folder, 'current.json'), 'utf8')) as { folder: string }
    const build = join(folder, current.folder)
    return readdirSync(build, { recursive: true, encoding: 'utf8' })
      .map((name) => name.replaceAll('\\', '/'))
      .filter((name) => extname(name) in contentTypes)
      .map((name) => readWebFile(build, name))
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code !== undefined) return null
    throw error
  }
}

/** `roi.html` is the page `/roi`; everything else keeps its name, which has the hash of its content in it. */
function readWebFile(build: string, name: string): WebFile {
  const file = join(build, name)
  const identity = readFileSync(file)
  const compressed = (ending: string) => (existsSync(file + ending) ? readFileSync(file + ending) : null)
  const isPage = name.endsWith('.html')
  return {
    path: `/${isPage ? name.slice(0, -'.html'.length) : name}`,
    contentType: contentTypes[extname(name)] ?? 'application/octet-stream',
    bodies: { identity, gzip: compressed('.gz'), br: compressed('.br') },
    hash: createHash('sha256').update(identity).digest('hex').slice(0, 32),
    isImmutable: !isPage,
  }
}
