/** Who may do what with whose objects: keys with their organisation's, nodes with what a grant of a live task names. */
import { type BlobGrant, GRANT_PREFIX, readGrant, writeGrant } from '#blobs/grant.ts'
import type { Root } from '#blobs/tree.ts'
import type { Clock, Crypto, Exchange } from '#host/host.ts'
import { allows } from '#organisations/organisations.ts'
import type { BlobRoute } from '#protocol/blobs.ts'
import { isInRanges } from '#protocol/network-range.ts'
import { Problem } from '#protocol/problem.ts'
import type { Gateway } from '../gateway.ts'
import type { Asking, BlobVault } from './blob-vault.ts'

/** Of a node that asks, and what it wants: read a root for a task it has, or send results of one. */
export interface NodeWish {
  readonly nodeId: string
  readonly organisationId: string
  /** `null` for results. */
  readonly root: Root | null
  /** The attempt that its grant was made for. */
  readonly fence?: number | undefined
}

export interface BlobAccessParts {
  readonly gateway: Pick<Gateway, 'authenticate'>
  readonly clock: Pick<Clock, 'nowMs'>
  readonly crypto: Pick<Crypto, 'hmacSha256'>
  /** Of the network; grants are signed under it. */
  readonly keySecret: string
  readonly vault: Pick<BlobVault, 'readTree'>
  /**
   * Whether a node still has the task that its grant was made for; asked at every call, so that a task that was taken
   * away takes its files with it. Refused unless it says yes.
   */
  readonly mayNode: (wish: NodeWish) => boolean
  /** Bytes that may be kept of what an attempt sends, of which `mayNode` said that it may; any unless it is given. */
  readonly resultBytesMax?: ((of: { readonly nodeId: string; readonly fence: number }) => number) | undefined
}

export interface BlobCaller extends Asking {
  /** Throws `not_found` for an object that is not the caller's to read. */
  checkRead(sha256: string): Promise<void>
}

export interface BlobAccess {
  /** Whose call it is; throws `invalid_api_key`, `scope_missing`, `forbidden_source`. */
  callerOf(exchange: Pick<Exchange, 'headers' | 'clientAddress'>, route: BlobRoute): BlobCaller
  /** What a node sends in place of a key, for `expiresAtMs` at most and as long as `mayNode` agrees. */
  grant(grant: BlobGrant): string
}

/** Trees whose files were looked up lately; they never change. */
const TREES_MAX = 64

export function createBlobAccess(parts: BlobAccessParts): BlobAccess {
  const { gateway, clock, crypto, keySecret } = parts
  const sign = (text: string): string => Buffer.from(crypto.hmacSha256(keySecret, text)).toString('hex')
  const trees = new Map<string, ReadonlySet<string>>()

  async function objectsOf(organisationId: string, sha256: string): Promise<ReadonlySet<string>> {
    const name = `${organisationId} ${sha256}`
    const known = trees.get(name)
    if (known) return known
    const { files } = await parts.vault.readTree(organisationId, sha256)
    const objects = new Set(files.map(({ object }) => object))
    const [oldest] = trees.keys()
    if (trees.size >= TREES_MAX && oldest !== undefined) trees.delete(oldest)
    trees.set(name, objects)
    return objects
  }

  function nodeCaller(grant: BlobGrant, route: BlobRoute): BlobCaller {
    const { organisationId, nodeId, fence } = grant
    const ask = (root: Root | null): boolean => parts.mayNode({ nodeId, organisationId, root, fence })
    const isWrite = route.scope === 'developer'
    if (!route.takesGrant || (isWrite && !grant.mayWrite)) throw notGranted()
    if (isWrite && !ask(null)) throw notGranted()
    const bytesMax = isWrite && fence !== undefined ? parts.resultBytesMax?.({ nodeId, fence }) : undefined
    return {
      organisationId,
      by: nodeId,
      ...(bytesMax !== undefined && fence !== undefined && { results: { fence, bytesMax } }),
      async checkRead(sha256) {
        for (const root of grant.read) {
          const isRoot = root.sha256 === sha256
          const isInside =
            isRoot || (root.kind === 'tree' && (await objectsOf(organisationId, root.sha256)).has(sha256))
          if (isInside && ask(root)) return
        }
        // A task may take more files of other steps than a grant could name.
        if (fence !== undefined && ask({ kind: 'object', sha256 })) return
        throw noSuchObject(sha256)
      },
    }
  }

  return {
    grant: (grant) => writeGrant(grant, sign),
    callerOf(exchange, route) {
      const token = bearerOf(exchange)
      if (token?.startsWith(GRANT_PREFIX)) {
        const grant = readGrant(token, { sign, nowMs: clock.nowMs() })
        if (typeof grant === 'string') throw badGrant(grant.replaceAll('_', ' '))
        return nodeCaller(grant, route)
      }
      const caller = gateway.authenticate(token)
      if (caller instanceof Problem) throw caller
      const { networks } = caller.limited?.limits ?? {}
      if (networks && !isInRanges(exchange.clientAddress ?? '', networks)) throw sourceForbidden()
      if (!allows(caller.scopes, route.scope)) throw scopeMissing(route.scope)
      return { organisationId: caller.organisationId, by: '', checkRead: async () => undefined }
    },
  }
}

function bearerOf({ headers }: Pick<Exchange, 'headers'>): string | null {
  return /^bearer +([\x21-\x7e]{1,20000})$/i.exec(headers['authorization'] ?? '')?.[1] ?? null
}

export const noSuchObject = (sha256: string): Problem =>
  new Problem('not_found', `There is no object ${sha256.slice(0, 200)}, or it is not this key's to see.`)

const notGranted = (): Problem =>
  new Problem(
    'scope_missing',
    'This grant is for other calls: nodes read what their task needs and send its results.',
  )

const badGrant = (why: string): Problem =>
  new Problem(
    'invalid_api_key',
    `The grant is good for nothing: ${why}. It comes with a task, and ends with it.`,
  )

const scopeMissing = (scope: string): Problem =>
  new Problem('scope_missing', `This call needs the scope \`${scope}\`. Use a key that has it.`, {
    details: { scope },
  })

const sourceForbidden = (): Problem =>
  new Problem(
    'forbidden_source',
    'This API key is not good from this address. Use it from a network that it allows.',
  )
