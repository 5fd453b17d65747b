/** The record of this machine's node, read while the node may be running: what `shoal roi --live` asks for. */
import { ownHistoryOf } from '#agent/energy/own-history.ts'
import type { OwnHistoryQuestion } from '#cli/context.ts'
import type { OwnHistory } from '#economics/own-history.ts'
import { readSqliteEnergyStore } from '#host/node/sqlite-energy-store.ts'
import { findEnergyRecord } from './find-energy-record.ts'

/** Throws a `Problem` where there is no record, or it cannot be read. */
export function readOwnHistory({ dataFolder, node, ...options }: OwnHistoryQuestion): OwnHistory {
  const place = findEnergyRecord(dataFolder, node)
  const store = readSqliteEnergyStore(place)
  try {
    return ownHistoryOf(store, { ...options, place })
  } finally {
    store.close()
  }
}
