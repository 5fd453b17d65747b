/** The files of jobs at this process's gateway: where they are kept, who may read them, and when what nothing needs goes. */
import { join } from 'node:path'
import { collectionRules } from '#blobs/plan-collection.ts'
import type { Root } from '#blobs/tree.ts'
import {
  type BlobAccess,
  type BlobAccessParts,
  createBlobAccess,
  type NodeWish,
} from '#gateway/blobs/blob-access.ts'
import { createBlobApi } from '#gateway/blobs/blob-api.ts'
import type { RootsOf } from '#gateway/blobs/blob-handlers.ts'
import { BlobVault } from '#gateway/blobs/blob-vault.ts'
import { type Collected, collectAll } from '#gateway/blobs/collect-blobs.ts'
import { organisationsIn } from '#gateway/blobs/stored-blobs.ts'
import type { Gateway } from '#gateway/gateway.ts'
import type { Bus, Host } from '#host/host.ts'
import { createDiskBlobStore, NETWORK_SPARE_BYTES } from '#host/node/disk-blob-store.ts'
import { nodeCompression } from '#host/node/node-compression.ts'
import { createNodeHasher } from '#host/node/node-hasher.ts'
import { HOUR_MS, SECOND_MS } from '#kernel/time.ts'
import { subjects } from '#protocol/cell.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import { type BlobRoots, BlobRootsReply } from '#protocol/work-check.ts'
import type { CellConfig } from './cell-config.ts'
import type { Front } from './front.ts'

export interface BlobHooks {
  /**
   * What the live jobs of an organisation need, and, unless `liveOnly`, the results that are kept for it. Nothing is ever
   * collected without it, nor while it rejects.
   */
  readonly rootsOf?: RootsOf
  /** Whether a node has a live task that needs this; nobody has unless it says so. */
  readonly mayNode?: (wish: NodeWish) => boolean
  /** What of a node's results is kept at most; any unless it is given. */
  readonly resultBytesMax?: BlobAccessParts['resultBytesMax']
  readonly quotaBytes?: (organisationId: string) => number
}

export interface ServedBlobs {
  readonly vault: BlobVault
  readonly access: Pick<BlobAccess, 'grant'>
  /** Removes what nothing needs, of everybody; by itself every hour. */
  collect(): Promise<readonly Collected[]>
  close(): void
}

const STORE_BYTES_MAX = 1024 * 1024 ** 3
export const QUOTA_BYTES_DEFAULT = 50 * 1024 ** 3

export function serveBlobs(
  host: Host,
  { dataFolder, keySecret }: Pick<CellConfig, 'dataFolder'> & { readonly keySecret: string },
  { gateway, front }: { gateway: Gateway; front: Pick<Front, 'serveBlobs'> },
  hooks: BlobHooks = {},
): ServedBlobs {
  const { clock, crypto, log, secrets } = host
  const { rootsOf, resultBytesMax, mayNode = () => false, quotaBytes = () => QUOTA_BYTES_DEFAULT } = hooks
  const room = { bytesMax: STORE_BYTES_MAX, spareBytes: NETWORK_SPARE_BYTES }
  const store = createDiskBlobStore(join(dataFolder, 'job-files'), room)
  const parts = { store, clock, crypto, secrets, log, createHasher: createNodeHasher, quotaBytes }
  const vault = new BlobVault(parts)
  const access = createBlobAccess({ gateway, clock, crypto, keySecret, vault, mayNode, resultBytesMax })
  let isClosed = false

  async function collect(): Promise<Collected[]> {
    if (!rootsOf) return []
    return collectAll({ vault, parts, rules: collectionRules }, await organisationsIn(store), rootsOf)
  }
  const collectLater = (): void => {
    clock.after(HOUR_MS, () => {
      if (isClosed) return
      collect().catch((error: unknown) =>
        log.warn('blob.collect_failed', { message: toProblem(error).message }),
      )
      collectLater()
    })
  }
  collectLater()
  const served = { vault, access, compression: nodeCompression, receiving: new Map<string, number>() }
  front.serveBlobs(createBlobApi({ ...served, rootsOf: rootsOf ?? null, log, secrets }))
  return {
    vault,
    access,
    collect,
    close() {
      isClosed = true
    },
  }
}

const ROOTS_WITHIN_MS = 10 * SECOND_MS

/** Who may have what: the coordinator says what jobs need, the gateway which node has which task. */
export const blobHooks = (
  { bus }: { readonly bus: Pick<Bus, 'request'> },
  { work }: Pick<Gateway, 'work'>,
): BlobHooks => ({
  async rootsOf(organisationId, { liveOnly } = {}) {
    const roots: Root[] = []
    for (let after: string | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
      const asked = { organisationId, ...(after !== undefined && { after }), ...(liveOnly && { liveOnly }) }
      const page = await askRoots(bus, asked)
      roots.push(...page.roots)
      after = page.next
    }
    return roots
  },
  mayNode: (wish) => work?.mayNode(wish) ?? false,
  resultBytesMax: (of) => work?.resultBytesMax(of) ?? 0,
})

const askRoots = (bus: Pick<Bus, 'request'>, asked: BlobRoots): Promise<BlobRootsReply> =>
  new Promise((resolve, reject) => {
    const message = JSON.stringify(asked)
    bus.request({ subject: subjects.blobRoots, message, timeoutMs: ROOTS_WITHIN_MS }, (problem, reply) => {
      if (problem) return reject(problem)
      const parsed = BlobRootsReply.safeParse(JSON.parse(reply))
      if (parsed.success) resolve(parsed.data)
      else reject(new Problem('internal', 'The coordinator tells what jobs need in another form.'))
    })
  })
