import { join } from 'node:path'
import { batchLimits } from '#batch/batch-limits.ts'
import { type Batches, openBatches } from '#gateway/batches/batches.ts'
import type { Gateway } from '#gateway/gateway.ts'
import { readForm } from '#host/node/busboy-form.ts'
import { createDiskBlobStore, NETWORK_SPARE_BYTES } from '#host/node/disk-blob-store.ts'
import type { CellParts } from './cell.ts'
import type { CellConfig } from './cell-config.ts'
import type { Front } from './front.ts'

/** Opens the files and batches of this process's gateway, in its data folder, and serves them. */
export async function serveBatches(
  { host, onFatal }: Pick<CellParts, 'host' | 'onFatal'>,
  { dataFolder }: Pick<CellConfig, 'dataFolder'>,
  { gateway, front }: { gateway: Gateway; front: Pick<Front, 'serveBatches'> },
): Promise<Batches> {
  const journal = await host.journals.open('batches')
  journal.onLost(onFatal)
  const room = { bytesMax: batchLimits.bytesMax, spareBytes: NETWORK_SPARE_BYTES }
  const store = createDiskBlobStore(join(dataFolder, 'files'), room)
  const batches = await openBatches({ host, journal, gateway, store, readForm, onFatal })
  front.serveBatches(batches.api)
  return batches
}
