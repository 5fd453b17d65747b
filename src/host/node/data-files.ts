/** The data that is shipped with the program, read from its folder. */
import { readFileSync } from 'node:fs'
import { Problem } from '#protocol/problem.ts'

/** The parsed JSON of each file; what holds of it is for the reader to check. */
export interface DataFiles {
  readonly gpus: unknown
  readonly electricity: unknown
  readonly networks: unknown
}

/** From `src/host/node` here, and as deep in a build. */
const shippedFolder = new URL('../../../data/', import.meta.url)

/** Reads the files of `folder`. Throws `Problem('config_invalid')` for one that is missing or is not JSON. */
export function readDataFiles(folder: URL = shippedFolder): DataFiles {
  return {
    gpus: readJson(new URL('gpus.json', folder)),
    electricity: readJson(new URL('electricity.json', folder)),
    networks: readJson(new URL('networks.json', folder)),
  }
}

function readJson(url: URL): unknown {
  try {
    return JSON.parse(readFileSync(url, 'utf8'))
  } catch (cause) {
    const why = cause instanceof SyntaxError ? 'is not JSON' : 'cannot be read'
    throw new Problem('config_invalid', `${url.pathname} ${why}. Restore the file that was shipped.`, {
      cause,
    })
  }
}
