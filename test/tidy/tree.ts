/** What holds of the tree as a whole. Every check takes its files as texts by path, so that a test can make them up. */
import { isTest } from './ladder.ts'
import { type Import, importsOf, lineAt, withoutComments } from './source-text.ts'

export type Files = ReadonlyMap<string, string>

/** Files below `src` that no program, test or benchmark leads to. */
export function findDeadFiles(files: Files, scripts: readonly string[]): string[] {
  const isEntry = (file: string) =>
    !file.startsWith('src/') || file.endsWith('.test.ts') || scripts.some((script) => script.includes(file))
  const reached = new Set<string>()
  const queue = [...files.keys()].filter(isEntry)
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (reached.has(file)) continue
    reached.add(file)
    queue.push(...referencesOf(file, files.get(file) ?? '').filter((target) => files.has(target)))
  }
  return [...files.keys()]
    .filter((file) => !reached.has(file))
    .map((file) => `${file}: nothing uses it: delete it`)
}

/** Paths that the strings of a file name: its imports, and modules that it starts as a thread or a process. */
function referencesOf(file: string, text: string): string[] {
  const folder = file.slice(0, file.lastIndexOf('/') + 1)
  const literals = [...withoutComments(text).matchAll(/['"`]([^'"`\n]+)['"`]/g)].map(
    (match) => match[1] ?? '',
  )
  return literals.flatMap((literal) => {
    if (literal.startsWith('#')) return [`src/${literal.slice(1)}`]
    // A module beside this one, with this one's ending: `replace(/here(\.\w+)$/, 'there$1')`, `moduleHere('there')`.
    if (/^[a-z0-9-]+(\$1)?$/.test(literal)) return [`${folder}${literal.replace('$1', '')}.ts`]
    if (!/\.(ts|mjs)$/.test(literal)) return []
    const relative = new URL(literal, `file:///${folder}`).pathname.slice(1)
    return [relative, literal]
  })
}

export interface PackageJson {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly overrides?: Readonly<Record<string, unknown>>
  readonly scripts?: Readonly<Record<string, string>>
}

/** Packages that are used without being imported. */
const toolsOf = (name: string): boolean =>
  ['typescript', '@biomejs/biome'].includes(name) ||
  // The builds of the engine, which node-llama-cpp finds by itself.
  name.startsWith('@node-llama-cpp/') ||
  name.startsWith('@types/') ||
  /^node-(linux|win|darwin)-/.test(name)

/** The package takes it in when it is built, so that whoever installs Shoal does not install it. */
const takenIn: readonly string[] = ['node-llama-cpp']

/** Style sheets import packages too. */
const allImportsOf = (file: string, text: string): Import[] =>
  file.endsWith('.css')
    ? [...text.matchAll(/@import\s+"([^"]+)"/g)].map(({ 1: specifier = '', index }) => ({
        specifier,
        isType: true,
        line: lineAt(text, index),
      }))
    : importsOf(text)

/**
 * Every package that is imported is declared, where it belongs, and every declared one is used. `folder` is that of a
 * workspace, whose files these are then: `web/`.
 */
export function checkDependencies(files: Files, packageJson: PackageJson, folder = ''): string[] {
  const declared = { ...packageJson.dependencies, ...packageJson.optionalDependencies }
  const all = { ...declared, ...packageJson.devDependencies }
  const used = new Set<string>()
  const undeclared: string[] = []
  for (const [file, text] of files) {
    const isShipped = /^(src|bin|web\/\w+)\//.test(file) && !isTest(file) && file !== 'bin/build.ts'
    for (const { specifier, isType, line } of allImportsOf(file, text)) {
      if (/^[.#/]|^(node|virtual):|\$\{/.test(specifier)) continue
      const name = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/')
      used.add(name)
      if (!(name in all))
        undeclared.push(`${file}:${line}: ${name} is imported but not in ${folder}package.json`)
      else if (isShipped && !isType && !(name in declared) && !takenIn.includes(name))
        undeclared.push(`${file}:${line}: ${name} is a development dependency, but the product imports it`)
    }
  }
  const unused = Object.keys(all).filter((name) => !used.has(name) && !toolsOf(name))
  return [
    ...undeclared,
    ...unused.map((name) => `${folder}package.json: nothing imports ${name}: take it out`),
  ]
}

/** Every package has its line in the page of dependencies, and every line its package: ours and the workspaces'. */
export function checkDependencyPage(page: string, ...packages: readonly PackageJson[]): string[] {
  const listed = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map((match) => match[1] ?? '')
  const names = packages
    .flatMap((one) => [one.dependencies, one.devDependencies, one.optionalDependencies, one.overrides])
    .flatMap((group) => Object.keys(group ?? {}))
  return [
    ...names
      .filter((name) => !listed.includes(name))
      .map((name) => `${name} has no line that says why it is there`),
    ...listed
      .filter((name) => !names.includes(name))
      .map((name) => `${name} has a line but is not in package.json`),
  ]
}

/** Versions must be exact, and the lock must name no address to download from: each user's own registry serves it. */
export function checkLock(lock: string, packageJson: PackageJson): string[] {
  const groups = [packageJson.dependencies, packageJson.devDependencies, packageJson.optionalDependencies]
  const loose = groups
    .flatMap((group) => Object.entries(group ?? {}))
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
  return [
    ...(/"resolved"\s*:\s*"https?:/.test(lock)
      ? ['package-lock.json: names download addresses: install with omit-lockfile-registry-resolved']
      : []),
    ...loose.map(([name, version]) => `package.json: ${name} ${version} is not an exact version`),
  ]
}

/** Links between our own pages: the file is there, and so is the heading. `paths` are all files and folders of the tree. */
export function checkLinks(pages: Files, paths: ReadonlySet<string>): string[] {
  return [...pages].flatMap(([page, text]) => {
    const prose = text.replaceAll(/^(`{3,})[\s\S]*?^\1/gm, '').replaceAll(/`[^`\n]*`/g, '')
    return [...prose.matchAll(/\]\(([^()\s]+)\)/g)].flatMap(([, link = '']) => {
      const complaint = /^[a-z]+:/i.test(link) ? null : checkLink(page, link, pages, paths)
      return complaint === null ? [] : [`${page}: the link ${link} ${complaint}`]
    })
  })
}

function checkLink(page: string, link: string, pages: Files, paths: ReadonlySet<string>): string | null {
  const url = new URL(link, `file:///${page}`)
  const target = decodeURIComponent(url.pathname.slice(1)).replace(/\/$/, '')
  if (!paths.has(target)) return 'leads nowhere'
  const text = pages.get(target)
  if (url.hash === '' || text === undefined) return null
  return headingIds(text).includes(decodeURIComponent(url.hash.slice(1)))
    ? null
    : 'names a heading that is not there'
}

/** As GitHub makes them. */
const headingIds = (text: string): string[] =>
  [...text.matchAll(/^#{1,6}\s+(.+?)\s*$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-'),
  )
