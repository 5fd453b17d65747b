import { after } from 'node:test'
import { openPgliteStore } from '#host/node/pglite-store.ts'
import { silent } from './test-bench.ts'
import { readModelsContract } from './test-contract.ts'

const store = openPgliteStore({ folder: null, owner: 'test', log: silent })
after(() => store.close())
readModelsContract('PGlite', store)
