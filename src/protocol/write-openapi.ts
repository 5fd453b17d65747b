/** Writes `openapi.json` at the root of the repository: run by `npm run openapi` after a change to the API. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describeApi } from './open-api.ts'

const file = fileURLToPath(new URL('../../openapi.json', import.meta.url))
writeFileSync(file, `${JSON.stringify(describeApi(), null, 2)}\n`)
