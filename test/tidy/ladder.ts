/** Which folder of `src` may import which: the architecture as a table. */
import { importsOf } from './source-text.ts'

const foundations = ['kernel', 'protocol'] as const
const pureDomains = [
  'organisations',
  'batch',
  'audit',
  'ledger',
  'fleet',
  'models',
  'blobs',
  'images',
  'work',
  'market',
  'verify',
  'receipts',
  'sla',
  'settlement',
  'economics',
] as const
const shells = ['coordinator', 'gateway', 'agent', 'cli'] as const

/** What each folder may import besides itself, lowest first: a folder may only name those above its line. */
export const ladder: Readonly<Record<string, readonly string[]>> = {
  kernel: [],
  protocol: ['kernel'],
  organisations: foundations,
  batch: foundations,
  audit: foundations,
  ledger: foundations,
  fleet: foundations,
  models: foundations,
  blobs: foundations,
  images: foundations,
  work: foundations,
  market: foundations,
  verify: [...foundations, 'images'],
  receipts: foundations,
  sla: foundations,
  settlement: [...foundations, 'ledger'],
  economics: foundations,
  host: [...foundations, 'fleet', 'blobs'],
  engines: [...foundations, 'images', 'host'],
  coordinator: [...foundations, ...pureDomains, 'host'],
  gateway: [...foundations, ...pureDomains, 'host'],
  agent: [...foundations, ...pureDomains, 'host', 'engines'],
  cli: [...foundations, ...pureDomains, 'host'],
  sim: [...foundations, ...pureDomains, 'host', 'engines', 'coordinator', 'gateway', 'agent'],
  run: [...foundations, ...pureDomains, 'host', 'engines', ...shells],
}

/** Their code has no clock, no randomness, no IO and nothing asynchronous. */
export const pureFolders: readonly string[] = [...foundations, ...pureDomains]

/** The real twin of a port knows the port and what crosses a wire, and nothing of what is built on it. */
const ofRealTwins: readonly string[] = [...foundations, 'host']

export const folderOf = (file: string): string => /^src\/([^/]+)\//.exec(file)?.[1] ?? ''
/** Tests, and modules that only tests import: `test-….ts` and the few named here. */
export const isTest = (file: string): boolean =>
  /(\.test|\/test-[^/]+)\.ts$/.test(file) || testSupport.includes(file)
const testSupport = ['src/engines/llama-cpp/tiny-engine.ts']

export const isRealTwin = (file: string): boolean => file.startsWith('src/host/node/')
/** `sim` and `run` put a network together, the one of simulated parts and the other of real ones. */
export const isWiring = (file: string): boolean => /^src\/(sim|run)\//.test(file)

/** The ladder itself: no name twice, none unknown, none below its own line, no shell in another. */
export function checkLadder(table: Readonly<Record<string, readonly string[]>>): string[] {
  const names = Object.keys(table)
  const isShell = (name: string) => (shells as readonly string[]).includes(name)
  return Object.entries(table).flatMap(([name, allowed], at) =>
    allowed.flatMap((other) => {
      if (names.indexOf(other) === -1 || names.indexOf(other) >= at)
        return [`${name} names ${other}, which is not below it`]
      return isShell(name) && isShell(other)
        ? [`${name} names ${other}: shells never import one another`]
        : []
    }),
  )
}

/**
 * What is wrong with the imports of `file` (a path such as `src/ledger/ledger.ts`). Tests may import whatever they
 * test with, for nothing imports them; the form of an import binds them too.
 */
export function checkImports(file: string, text: string): string[] {
  const folder = folderOf(file)
  const allowed = isRealTwin(file) ? ofRealTwins : [folder, ...(ladder[folder] ?? [])]
  if (ladder[folder] === undefined)
    return [`${file}: the folder ${folder} is not in the ladder: give it a line there`]
  return importsOf(text).flatMap(({ specifier, line }) => {
    const complaint =
      checkForm(file, specifier) ?? (isTest(file) ? null : checkTarget(file, { specifier, allowed }))
    return complaint === null ? [] : [`${file}:${line}: ${complaint}`]
  })
}

function checkForm(file: string, specifier: string): string | null {
  if (/^[.#]/.test(specifier) && !/\.(ts|json|mjs)$/.test(specifier))
    return `'${specifier}' needs its extension`
  if (specifier.startsWith('.') && isOutside(file, specifier))
    return `'${specifier}' leaves its folder: write #folder/file.ts`
  if (specifier.startsWith(`#${folderOf(file)}/`) && !file.includes('/host/') && !isTest(file)) {
    return `'${specifier}' is in the same folder: write ./file.ts`
  }
  return null
}

function checkTarget(
  file: string,
  { specifier, allowed }: { specifier: string; allowed: readonly string[] },
): string | null {
  const folder = /^#([^/]+)\//.exec(specifier)?.[1]
  if (folder !== undefined && !allowed.includes(folder)) {
    const from = isRealTwin(file) ? 'host/node' : folderOf(file)
    return `${from} may not import ${folder}`
  }
  const isReal =
    specifier.startsWith('#host/node/') || (folderOf(file) === 'host' && specifier.startsWith('./node/'))
  if (isReal && !isRealTwin(file) && !isWiring(file)) {
    return `'${specifier}' is a real twin: take the port as an argument; src/run passes the twin`
  }
  return null
}

/** Whether a relative `specifier` leads out of the folder below `src` that `file` is in. */
function isOutside(file: string, specifier: string): boolean {
  const path = new URL(specifier, `file:///${file}`).pathname.slice(1)
  return folderOf(path) !== folderOf(file)
}
