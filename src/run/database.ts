import type { Clock, Log, SharedJournals } from '#host/host.ts'
import { createPostgresJournals } from '#host/node/postgres-journal.ts'
import { openPostgresStore } from '#host/node/postgres-store.ts'
import type { SqlStore } from '#host/sql-store.ts'

export interface Database {
  readonly journals: SharedJournals
  readonly openStore: () => SqlStore
}

/** Journal and read models on the PostgreSQL server at `url`; nothing is opened yet. */
export const databaseAt = (
  url: string,
  { clock, log, holder }: { clock: Clock; log: Log; holder: string },
): Database => ({
  journals: createPostgresJournals({ url, holder, clock, log }),
  openStore: () => openPostgresStore({ url, log }),
})
