/**
 * `npm run build`: what `npm pack` ships. Compiles `src` into `dist`, file by file, so that a module finds its workers,
 * children and data where it finds them here; takes the part of node-llama-cpp that the engine uses in beside them; and
 * builds the web pages. Nothing that the package can find is named by where it lies on this machine.
 *
 * node-llama-cpp is taken in, and not a dependency, because its packages for GPUs (620 MB) and the compiler of its
 * install script would come with it, and `overrides` bind only a project of one's own. One of its
 * modules stays a file of its own, for that is the program of the process in which it tries a binary out.
 */
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { rolldown } from 'rolldown'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
const draft = join(root, `dist/.draft-${process.pid}`)
const LOADER = 'node-llama-cpp'
const RENDER_SCRIPTS = 'src/engines/blender/scripts'

const startedAt = performance.now()
try {
  mkdirSync(draft, { recursive: true })
  run('node_modules/typescript/bin/tsc', ['-p', 'tsconfig.build.json', '--outDir', draft])
  // The nearest package.json gives `#folder/file.ts` its meaning: here, the compiled file.
  writeJson(join(draft, 'package.json'), { type: 'module', imports: { '#*.ts': './*.js' } })
  // What Blender runs; no compiler touches it.
  for (const file of readdirSync(join(root, RENDER_SCRIPTS)).filter((file) => file.endsWith('.py')))
    cpSync(join(root, RENDER_SCRIPTS, file), join(draft, RENDER_SCRIPTS.replace('src/', ''), file))
  await takeInLoader()
  publish()
  if (existsSync(join(root, 'web/build-web.ts'))) buildWeb()
} finally {
  rmSync(draft, { recursive: true, force: true })
}
say(`Shoal: built in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`)

/** An earlier build of the pages stays for networks that are reading it; the package takes the newest alone. */
function buildWeb(): void {
  run('web/build-web.ts', [])
  const folder = join(root, 'web/dist')
  const current = readJson(join(folder, 'current.json'))['folder']
  for (const name of readdirSync(folder).filter((name) => name.startsWith('build-') && name !== current))
    rmSync(join(folder, name), { recursive: true, force: true })
}

async function takeInLoader(): Promise<void> {
  const from = join(root, 'node_modules', LOADER)
  const vendor = join(draft, 'vendor')
  const bundle = await rolldown({
    cwd: root,
    input: { index: join(from, 'dist/index.js') },
    platform: 'node',
    external: [/^@node-llama-cpp\//, /^@reflink\//, 'electron', 'typescript'],
    logLevel: 'warn',
  })
  const { output } = await bundle.write({
    dir: join(vendor, LOADER, 'dist'),
    chunkFileNames: '[name].js',
    codeSplitting: { groups: [{ name: 'testBindingBinary', test: /testBindingBinary\.js$/ }] },
  })
  await bundle.close()
  const modules = output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []))
  const { name, version, license } = readJson(join(from, 'package.json'))
  const manifest = { name, version, license, type: 'module' }
  writeJson(join(vendor, LOADER, 'package.json'), manifest)
  // It looks for its version two folders above a module that was one folder deeper.
  writeJson(join(vendor, 'package.json'), manifest)
  for (const file of readdirSync(join(from, 'llama')).filter((file) => file.endsWith('.json')))
    cpSync(join(from, 'llama', file), join(vendor, LOADER, 'llama', file))
  writeFileSync(join(vendor, 'LICENSES.txt'), licensesOf(modules))
  for (const file of filesBelow(draft).filter((file) => file.endsWith('.js') && !file.startsWith('vendor/')))
    pointToLoader(file)
}

function pointToLoader(file: string): void {
  const path = join(draft, file)
  const text = readFileSync(path, 'utf8')
  const target = relative(dirname(file), `vendor/${LOADER}/dist/index.js`)
  const pointed = text.replaceAll(/(from |import\()'node-llama-cpp'/g, `$1'${target}'`)
  if (pointed !== text) writeFileSync(path, pointed)
}

/** The licences ask to go with the code. */
function licensesOf(modules: readonly string[]): string {
  const packages = new Set(
    modules.map((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0]).filter(Boolean),
  )
  return [...packages].map(String).toSorted().map(licenseOf).join('\n\n')
}

function licenseOf(folder: string): string {
  const { name, version, license } = readJson(join(folder, 'package.json'))
  const file = readdirSync(folder).find((candidate) => /^(licen[sc]e|copying)/i.test(candidate))
  const text = file === undefined ? '' : readFileSync(join(folder, file), 'utf8')
  return `==== ${String(name)} ${String(version)} (${String(license)})\n\n${text.trim()}\n`
}

/** In one step, so that nobody finds half of it. */
function publish(): void {
  const old = readdirSync(dist).filter((name) => !name.startsWith('.draft-'))
  const attic = join(dist, `.draft-${process.pid}-old`)
  mkdirSync(attic)
  for (const name of old) renameSync(join(dist, name), join(attic, name))
  for (const name of readdirSync(draft)) renameSync(join(draft, name), join(dist, name))
  rmSync(attic, { recursive: true, force: true })
}

/** Output goes to stderr: `npm pack` prints the name of the tarball, or JSON, on stdout. */
function run(path: string, args: readonly string[]): void {
  const { status } = spawnSync(process.execPath, [join(root, path), ...args], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (status === 0) return
  rmSync(draft, { recursive: true, force: true })
  say(`Shoal: not built: ${path} failed.`)
  process.exit(1)
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

function readJson(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
}
