import { join } from 'node:path'
import type { Host } from '#host/host.ts'
import { createDiskBlobs } from './disk-blobs.ts'
import { createDiskSecrets } from './disk-secrets.ts'
import { makeFolder } from './durable-file.ts'
import { createLocalBus } from './local-bus.ts'
import { nodeClock } from './node-clock.ts'
import { nodeCrypto } from './node-crypto.ts'
import { createNodeLog, type LogLevel, type NodeLog } from './node-log.ts'
import { createNodeNetwork } from './node-network.ts'
import { createNodeRandom } from './node-random.ts'
import { createSqliteJournals } from './sqlite-journal.ts'

export interface NodeHostOptions {
  /** Everything durable of this process is in it. */
  readonly folder: string
  /** Log lines go to `<folder>/<logName>.log`. */
  readonly logName: string
  readonly logLevel: LogLevel
}

/** The real outside world, with its durable part in one folder. Throws `Problem` when the folder cannot be used. */
export function openNodeHost({
  folder,
  logName,
  logLevel,
}: NodeHostOptions): Host & { readonly log: NodeLog } {
  makeFolder(folder)
  const log = createNodeLog({ level: logLevel, destination: join(folder, `${logName}.log`) })
  const clock = nodeClock
  return {
    clock,
    random: createNodeRandom(),
    secrets: createDiskSecrets(join(folder, 'secrets')),
    crypto: nodeCrypto,
    network: createNodeNetwork({ clock, log }),
    journals: createSqliteJournals(join(folder, 'journals')),
    blobs: createDiskBlobs(join(folder, 'blobs')),
    bus: createLocalBus({ clock, log }),
    log,
  }
}
