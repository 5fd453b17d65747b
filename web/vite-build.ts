/** The one call of vite: the pages of this folder, each file named after its content, with a compressed twin beside it. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { build, type Plugin } from 'vite'
import { parseCatalogue } from '../src/economics/catalogue.ts'
import { readDataFiles } from '../src/host/node/data-files.ts'

/** Files of ours that the pages are made of, by path from the root, each with the hash of its content. */
export type Sources = Readonly<Record<string, string>>

/** Builds into `outFolder` and answers what it was built from. */
export async function buildPages(root: string, outFolder: string): Promise<Sources> {
  const seen = new Set<string>()
  await build({
    configFile: false,
    root: join(root, 'web'),
    logLevel: 'warn',
    plugins: [react(), tailwindcss(), shippedCatalogue(), noteSources(seen)],
    worker: { format: 'es', plugins: () => [noteSources(seen)] },
    build: {
      outDir: outFolder,
      emptyOutDir: true,
      target: 'es2023',
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      // How long a plugin took on a busy machine is nobody's concern.
      rolldownOptions: { input: { roi: join(root, 'web/roi.html') }, checks: { pluginTimings: false } },
      chunkSizeWarningLimit: 700,
    },
  })
  for (const file of filesBelow(outFolder)) compress(file)
  return Object.fromEntries(
    [...seen, ...builtBy(root)]
      .map((path) => relative(root, path).replaceAll('\\', '/'))
      .filter((path) => !path.startsWith('..') && !path.includes('node_modules/'))
      .toSorted()
      .map((path) => [path, hashOf(join(root, path))]),
  )
}

export const hashOf = (path: string): string =>
  createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 32)

/** What decides of the build without being a part of it. */
function builtBy(root: string): string[] {
  const economics = readdirSync(join(root, 'src/economics')).filter((name) =>
    /^(catalogue|.*-data)\.ts$/.test(name),
  )
  return [
    ...['web/build-web.ts', 'web/vite-build.ts', 'web/package.json', 'web/roi.html'],
    ...['data/gpus.json', 'data/electricity.json', 'data/networks.json'],
    ...economics.map((name) => `src/economics/${name}`),
  ].map((path) => join(root, path))
}

/** `virtual:catalogue`: the catalogue as the program itself reads it, checked when the page is built. */
function shippedCatalogue(): Plugin {
  const id = 'virtual:catalogue'
  return {
    name: 'shoal:catalogue',
    resolveId: (source) => (source === id ? `\0${id}` : undefined),
    load(asked) {
      if (asked !== `\0${id}`) return undefined
      // A string that is parsed starts faster than the same as an object of JavaScript.
      const text = JSON.stringify(parseCatalogue(readDataFiles()))
      return `export const catalogue = JSON.parse(${JSON.stringify(text)})`
    },
  }
}

const noteSources = (seen: Set<string>): Plugin => ({
  name: 'shoal:sources',
  moduleParsed({ id }) {
    const [path = ''] = id.split('?')
    if (path.startsWith('/') || /^[A-Z]:/i.test(path)) seen.add(path)
  },
})

const TEXT = /\.(html|js|css|json|svg)$/

function compress(path: string): void {
  if (!TEXT.test(path)) return
  const content = readFileSync(path)
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }))
  writeFileSync(
    `${path}.br`,
    brotliCompressSync(content, {
      params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY },
    }),
  )
}

const filesBelow = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
