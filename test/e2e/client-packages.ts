/** Clients of other makers, which are tried when they are installed. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const require = createRequire(join(import.meta.dirname, '../../package.json'))

/** Why a test that needs these packages is skipped; false when all of them are here. */
export function packagesMissing(...names: readonly string[]): string | false {
  const missing = names.filter((name) => !isHere(name))
  return missing.length > 0 && `not installed: ${missing.join(', ')}`
}

const isHere = (name: string): boolean => {
  try {
    require.resolve(name)
    return true
  } catch {
    return false
  }
}

/** The package's exports, whose shape the caller states. */
export const load = async <Exports>(name: string): Promise<Exports> =>
  (await import(pathToFileURL(require.resolve(name)).href)) as Exports
