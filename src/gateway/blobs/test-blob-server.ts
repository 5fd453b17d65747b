/** For tests and benches: `/api/blobs` over real HTTP and a real folder, and a client of it. */

import { randomBytes } from 'node:crypto'
import { type BlobWireParts, createBlobWire } from '#host/blobs/blob-wire.ts'
import type { Exchange } from '#host/host.ts'
import { createDiskBlobStore } from '#host/node/disk-blob-store.ts'
import { nodeClock } from '#host/node/node-clock.ts'
import { nodeCompression } from '#host/node/node-compression.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { createNodeHasher } from '#host/node/node-hasher.ts'
import { createNodeNetwork } from '#host/node/node-network.ts'
import { Problem } from '#protocol/problem.ts'
import type { Scope } from '#protocol/scope.ts'
import { type BlobAccessParts, createBlobAccess, type NodeWish } from './blob-access.ts'
import { createBlobApi } from './blob-api.ts'
import type { RootsOf } from './blob-handlers.ts'
import { BlobVault } from './blob-vault.ts'

export interface BlobServerOptions {
  readonly folder: string
  readonly quotaBytes?: number
  readonly diskBytesMax?: number
  readonly port?: number
  /** Wall time; the real one unless given. */
  readonly nowMs?: () => number
  readonly rootsOf?: RootsOf
  readonly mayNode?: (wish: NodeWish) => boolean
  readonly resultBytesMax?: BlobAccessParts['resultBytesMax']
  /** Sees each exchange first. */
  readonly onExchange?: (exchange: Exchange) => void
}

const quiet = { info() {}, warn() {}, error() {} }
const PREFIX = 'key-'

/** The key `key-ada` is of the organisation `ada`; `key-ada-viewer` may read only. */
export async function openBlobServer(options: BlobServerOptions) {
  const { folder, quotaBytes = 1e12, diskBytesMax = 1e12, mayNode = () => false } = options
  const clock = { ...nodeClock, nowMs: options.nowMs ?? nodeClock.nowMs }
  const store = createDiskBlobStore(folder, { bytesMax: diskBytesMax })
  const secrets = { randomBytes: (length: number) => new Uint8Array(randomBytes(length)) }
  const parts = {
    store,
    clock,
    crypto: nodeCrypto,
    secrets,
    log: quiet,
    createHasher: createNodeHasher,
    quotaBytes: () => quotaBytes,
  }
  const vault = new BlobVault(parts)
  const access = createBlobAccess({
    gateway: { authenticate },
    clock,
    crypto: nodeCrypto,
    keySecret: 'of a test',
    vault,
    mayNode,
    resultBytesMax: options.resultBytesMax,
  })
  const rootsOf = options.rootsOf ?? null
  const served = { vault, access, compression: nodeCompression, receiving: new Map<string, number>() }
  const api = createBlobApi({ ...served, rootsOf, log: quiet, secrets })
  const network = createNodeNetwork({ clock: nodeClock, log: quiet })
  const listener = await network.listen(
    { hostname: '127.0.0.1', port: options.port ?? 0 },
    {
      onExchange(exchange) {
        options.onExchange?.(exchange)
        if (!api.serve(exchange)) exchange.respond(404, {}, '')
      },
      onLink: () => null,
    },
  )
  const baseUrl = `http://127.0.0.1:${listener.port}`
  return {
    vault,
    access,
    parts,
    baseUrl,
    wire: (token = 'key-ada', more: Partial<BlobWireParts> = {}) =>
      createBlobWire({ ...wireParts(baseUrl), token: () => token, ...more }),
    close: () => listener.close(0),
  }
}

export const wireParts = (baseUrl: string) => ({
  fetch: (request: Request) =>
    fetch(request).catch((cause: unknown) => {
      throw new Problem('network_unreachable', 'The test server does not answer.', { cause })
    }),
  baseUrl,
  sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, Math.min(ms, 20))),
  signal: new AbortController().signal,
})

function authenticate(key: string | null) {
  if (!key?.startsWith(PREFIX)) return new Problem('invalid_api_key', 'The API key is unknown.')
  const [organisationId = '', scope = 'developer'] = key.slice(PREFIX.length).split('-')
  return { keyId: key, organisationId, scopes: [scope as Scope] }
}
