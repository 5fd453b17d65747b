/** Properties of the code itself. The rules are in `tidy/`, and `tidy/rules.test.ts` shows each of them catch something. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkImports, checkLadder, ladder } from './tidy/ladder.ts'
import { checkPurity, exceptions } from './tidy/purity.ts'
import { checkShape } from './tidy/shape.ts'
import {
  checkDependencies,
  checkDependencyPage,
  checkLinks,
  checkLock,
  findDeadFiles,
  type PackageJson,
} from './tidy/tree.ts'

Error.stackTraceLimit = 0

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const paths = readdirSync(root, { withFileTypes: true })
  .filter((entry) => !['node_modules', '.git', '.shoal', 'dist', 'tmp'].includes(entry.name))
  .flatMap((entry) => [entry.name, ...(entry.isDirectory() ? below(entry.name) : [])])
const texts = (pattern: RegExp): Map<string, string> =>
  new Map(paths.filter((path) => pattern.test(path)).map((path) => [path, read(path)]))

const source = texts(/^(src|bin|test|bench|web)\/(?!(.*\/)?\.).*\.tsx?$|^bootstrap\.mjs$/)
const product = [...source].filter(([path]) => path.startsWith('src/'))
const packageJson = JSON.parse(read('package.json')) as PackageJson
const webPackageJson = JSON.parse(read('web/package.json')) as PackageJson
const isOfWeb = ([path]: readonly [string, string]) => path.startsWith('web/')

test('the ladder of folders has no way down', () => none(checkLadder(ladder)))

test('imports go up the ladder, by name across folders and by path within one', () => {
  none(product.flatMap(([file, text]) => checkImports(file, text)))
})

test('only the twins of the ports and a short list touch the clock, chance, the disk and the network', () => {
  none(product.flatMap(([file, text]) => checkPurity(file, text)))
  none(
    Object.keys(exceptions)
      .filter((file) => !source.has(file))
      .map((file) => `${file} is an exception but not there`),
  )
})

test('files are short and free of shortcuts', () =>
  none([...source].flatMap(([file, text]) => checkShape(file, text))))

test('every file is used', () => none(findDeadFiles(source, Object.values(packageJson.scripts ?? {}))))

test('every dependency is imported, and every import is a dependency', () =>
  none([
    ...checkDependencies(new Map([...source].filter((file) => !isOfWeb(file))), packageJson),
    ...checkDependencies(
      new Map([...source, ...texts(/^web\/.*\.css$/)].filter(isOfWeb)),
      webPackageJson,
      'web/',
    ),
  ]))

test('every dependency has its line of why', () => {
  none(checkDependencyPage(read('docs/reference/dependencies.md'), packageJson, webPackageJson))
})

test('versions are exact, and the lock names no address', () =>
  none([packageJson, webPackageJson].flatMap((one) => checkLock(read('package-lock.json'), one))))

test('links between pages lead somewhere', () => none(checkLinks(texts(/\.md$/), new Set(paths))))

/** A plain error without a stack: a difference to the empty text would say everything twice. */
function none(complaints: readonly string[]): void {
  if (complaints.length > 0) throw new Error(`\n${complaints.join('\n')}\n`)
}

/** Files and folders below `folder`, but for what tools put there. */
function below(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => join(folder, path).replaceAll('\\', '/'))
    .filter((path) => !/(^|\/)(node_modules|__pycache__)(\/|$)|^web\/dist(\/|$)/.test(path))
}
