import { after } from 'node:test'
import { openPostgresStore } from './postgres-store.ts'
import { sqlStoreContract } from './sql-store-contract.ts'
import { skipWithoutPostgres, startPostgres } from './test-postgres.ts'

if (!skipWithoutPostgres('PostgreSQL store')) {
  const server = await startPostgres()
  after(() => server.dispose())
  const log = { info() {}, warn() {}, error() {} }
  sqlStoreContract('PostgreSQL', () => openPostgresStore({ url: server.url, log }))
}
