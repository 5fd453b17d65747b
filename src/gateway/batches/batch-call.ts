/** What the calls of `/v1/files` and `/v1/batches` have in common. */
import type { Claim } from '#batch/batch-events.ts'
import type { BatchLimits } from '#batch/batch-limits.ts'
import type { BlobStore } from '#host/blob-store.ts'
import type { ReadForm } from '#host/form-upload.ts'
import type { Crypto, Exchange } from '#host/host.ts'
import type { BatchesQuery, FilesQuery } from '#protocol/batch-api.ts'
import { parseRequest } from '#protocol/openai-parameters.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller } from '../gateway.ts'
import type { BatchHome, OwnBatchHome } from './batch-home.ts'
import { comesAfter } from './batch-home.ts'
import { homeOf, type IdKind, orderOf } from './batch-ids.ts'
import type { BatchPeers } from './batch-peers.ts'

export interface BatchCall {
  readonly exchange: Exchange
  readonly requestId: string
  readonly caller: Caller
  /** Without its query. */
  readonly path: string
  readonly timing: () => Record<string, string>
}

export interface BatchApiParts {
  readonly home: OwnBatchHome
  readonly peers: BatchPeers
  readonly store: BlobStore
  readonly readForm: ReadForm
  readonly crypto: Pick<Crypto, 'sha256'>
  readonly limits: Pick<BatchLimits, 'fileBytesMax' | 'organisationUploadsMax'>
  /** Uploads under way, by organisation. */
  readonly uploading: Map<string, number>
}

/** Answers a call about what `id` names: with JSON, a problem, or `ANSWERED`. */
export type Handler = (parts: BatchApiParts, call: BatchCall, id: string) => Promise<unknown>

/** The handler has answered by itself. */
export const ANSWERED = Symbol('answered')

const KEY_LENGTH_MAX = 255

export interface PageAsked {
  readonly after: string | null
  readonly limit: number
  readonly isAscending: boolean
}

/** One page out of all homes: a list that leaves one out would look whole. */
export async function gather<Item extends { readonly id: string }>(
  peers: BatchPeers,
  page: PageAsked,
  ask: (home: BatchHome, page: PageAsked) => Promise<readonly Item[] | Problem>,
): Promise<unknown> {
  // One more than asked for tells that there are more.
  const answers = await Promise.all(
    peers.homes().map((home) => wholePage({ ...page, limit: page.limit + 1 }, (part) => ask(home, part))),
  )
  const all: Item[] = []
  for (const answer of answers) {
    if (answer instanceof Problem) return answer
    all.push(...answer)
  }
  all.sort((a, b) => (comesAfter(a.id, orderOf(b.id), page.isAscending) ? 1 : -1))
  const data = all.slice(0, page.limit)
  const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null }
  return { object: 'list', data, ...ends, has_more: all.length > data.length }
}

/** A page of one home, whose replies hold only so much. */
async function wholePage<Item extends { readonly id: string }>(
  page: PageAsked,
  ask: (part: PageAsked) => Promise<readonly Item[] | Problem>,
): Promise<readonly Item[] | Problem> {
  const items: Item[] = []
  while (items.length < page.limit) {
    const last = items.at(-1)
    const after = last ? orderOf(last.id) : page.after
    const more = await ask({ ...page, after, limit: page.limit - items.length })
    if (more instanceof Problem) return more
    if (more.length === 0) break
    items.push(...more)
  }
  return items
}

/** Asks the home that an id names. One that nobody has heard of has nothing, as far as anybody can tell. */
export async function askHome<T>(
  peers: BatchPeers,
  { id, kind }: { id: string; kind: IdKind },
  ask: (home: BatchHome) => Promise<T | Problem>,
): Promise<T | Problem> {
  const tag = homeOf(id, kind)
  const home = tag === null ? null : peers.home(tag)
  if (home) return ask(home)
  const shown = id.slice(0, 200)
  const message = kind === 'file-' ? `No such File object: ${shown}` : `No batch found with id '${shown}'.`
  return new Problem('not_found', message, { details: { param: 'id' } })
}

export function readQuery<Schema extends typeof FilesQuery | typeof BatchesQuery>(
  exchange: Exchange,
  schema: Schema,
): ReturnType<Schema['parse']> | Problem {
  const [, text = ''] = exchange.target.split('?', 2)
  const parsed = parseRequest(Object.fromEntries(new URLSearchParams(text)), {
    schema,
    unserved: {},
    check: () => null,
  })
  return parsed instanceof Problem ? parsed : (parsed.ok as ReturnType<Schema['parse']>)
}

export function cursorOf(after: string | undefined, kind: IdKind): string | null | Problem {
  if (after === undefined) return null
  if (homeOf(after, kind) !== null) return orderOf(after)
  return new Problem('invalid_request', "'after' is no id of this list.", {
    details: { param: 'after', code: 'invalid_value' },
  })
}

export function idempotencyKey({ headers }: Exchange): string | null | Problem {
  const key = headers['idempotency-key']
  if (key === undefined) return null
  if (key.length > 0 && key.length <= KEY_LENGTH_MAX) return key
  return new Problem('invalid_request', `Idempotency-Key has not 1 to ${KEY_LENGTH_MAX} characters.`)
}

/** Callers never meet each other's keys. */
export function claimOf(
  crypto: Pick<Crypto, 'sha256'>,
  { keyId, path, key, says }: { keyId: string; path: string; key: string; says: string },
): Claim {
  const hash = (text: string): string => Buffer.from(crypto.sha256(text)).toString('base64')
  return { key: hash(`${keyId} ${path} ${key}`), digest: hash(says) }
}

export const badValue = (message: string, param: string): Problem =>
  new Problem('invalid_request', message, { details: { param, code: 'invalid_value' } })
