/**
 * Where the networks of these tests keep their journals and read models: in their folders, or with
 * `SHOAL_TEST_STORE=postgres` each in a database of its own on one server.
 */
import { after } from 'node:test'
import { startPostgres } from '#host/node/test-postgres.ts'

const server = process.env['SHOAL_TEST_STORE'] === 'postgres' ? await startPostgres() : null
// A hook makes a test of whatever imports this, benches too.
if (server) after(() => server.dispose())

const databases = new Map<string, string>()

/** What `shoal up --data FOLDER` is given besides; the same for the same folder. */
export function storeArguments(folder: string): readonly string[] {
  if (!server) return []
  const url = databases.get(folder) ?? server.createDatabase()
  databases.set(folder, url)
  return ['--database', url]
}
