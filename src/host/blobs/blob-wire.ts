/** The calls of `/api/blobs`, as clients and nodes make them. Each is harmless to repeat, and is where that may help. */
import { z } from 'zod'
import { ChunkList, readChunkList } from '#blobs/chunk-list.ts'
import {
  BlobAnswer,
  BlobChunks,
  BlobCommitted,
  BlobMissing,
  BlobUsage,
  KNOWN_MAX,
  PackKept,
} from '#protocol/blobs.ts'
import type { Fetch } from '#protocol/client.ts'
import { Problem, type ProblemCode, problemKinds, toProblem } from '#protocol/problem.ts'

export interface BlobWireParts {
  readonly fetch: Fetch
  /** Origin of the network's API. */
  readonly baseUrl: string
  /** An API key, or a node's grant; asked for at every call, for grants end. */
  readonly token: () => string
  /** Resolves after `ms`; rejects with the reason of `signal` when that is aborted before. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  readonly signal: AbortSignal
}

/** Which chunks are to be sent, as `bitmapOf`. */
export interface MissingChunks {
  readonly bits: Uint8Array
  readonly count: number
  readonly bytes: number
}

export interface BlobWire {
  usage(): Promise<z.output<typeof BlobUsage>>
  unknownOf(hashes: readonly string[]): Promise<Set<string>>
  begin(sha256: string, list: ChunkList): Promise<MissingChunks>
  /** What `begin` would say; nothing is begun. `null` where this network knows no such question. */
  missing(sha256: string, list: ChunkList): Promise<MissingChunks | null>
  sendPack(packed: Uint8Array): Promise<void>
  /** Sends an object whose chunks are the pack's: all in one call. False where this network knows no such call. */
  put(sha256: string, packed: Uint8Array): Promise<boolean>
  /** What is missing still, or `null` when the object is there. */
  commit(sha256: string): Promise<MissingChunks | null>
  chunksOf(sha256: string): Promise<ChunkList>
  read(sha256: string, range: { from: number; to: number }): Promise<Uint8Array>
  delete(sha256: string): Promise<void>
}

const TRIES = 6
const DELAY_MS = 250

export function createBlobWire(parts: BlobWireParts): BlobWire {
  const root = `${parts.baseUrl.replace(/\/+$/, '')}/api/blobs`

  async function send(path: string, init: RequestInit = {}): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await sendOnce(parts, `${root}${path}`, init)
      } catch (error) {
        parts.signal.throwIfAborted()
        const problem = toProblem(error)
        if (!isWorthAnother(problem) || attempt === TRIES) throw error
        await parts.sleep(DELAY_MS * 2 ** (attempt - 1), parts.signal)
      }
    }
  }
  async function ask<Schema extends z.ZodType>(schema: Schema, path: string, init?: RequestInit) {
    const parsed = schema.safeParse(parseJson(await send(path, init)))
    if (parsed.success) return parsed.data as z.output<Schema>
    throw new Problem('internal', `${root}${path} answers in another form than this program knows.`, {
      cause: parsed.error,
    })
  }
  const post = (body: object): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const bytes = (body: Uint8Array): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: body as Uint8Array<ArrayBuffer>,
  })
  return {
    usage: () => ask(BlobUsage, ''),
    async unknownOf(hashes) {
      const unknown = new Set<string>()
      for (let at = 0; at < hashes.length; at += KNOWN_MAX) {
        const { missing } = await ask(
          BlobAnswer,
          '/known',
          post({ objects: hashes.slice(at, at + KNOWN_MAX) }),
        )
        for (const sha256 of missing) unknown.add(sha256)
      }
      return unknown
    },
    async begin(sha256, list) {
      const chunks = Buffer.from(list.entries).toString('base64')
      return missingOf(await ask(BlobMissing, '/uploads', post({ sha256, chunks })))
    },
    async missing(sha256, list) {
      const chunks = Buffer.from(list.entries).toString('base64')
      try {
        return missingOf(await ask(BlobMissing, '/uploads', post({ sha256, chunks, isQuestion: true })))
      } catch (error) {
        // A network of an earlier release.
        if (error instanceof Problem && error.code === 'invalid_request') return null
        throw error
      }
    },
    async sendPack(packed) {
      await ask(PackKept, '/packs', bytes(packed))
    },
    async put(sha256, packed) {
      try {
        return (await ask(BlobCommitted, `/objects/${encodeURIComponent(sha256)}`, bytes(packed))).isKept
      } catch (error) {
        // A network of an earlier release.
        if (error instanceof Problem && error.code === 'method_not_allowed') return false
        throw error
      }
    },
    async commit(sha256) {
      const reply = await ask(BlobCommitted, `/uploads/${encodeURIComponent(sha256)}/commit`, post({}))
      return reply.isKept ? null : missingOf(reply)
    },
    async chunksOf(sha256) {
      const { chunks } = await ask(BlobChunks, `/objects/${encodeURIComponent(sha256)}/chunks`)
      const list = readChunkList(Buffer.from(chunks, 'base64'))
      if (list instanceof ChunkList) return list
      throw new Problem('internal', `The list of the chunks of ${sha256} is damaged: ${list}.`)
    },
    read: (sha256, { from, to }) =>
      send(`/objects/${encodeURIComponent(sha256)}`, { headers: { range: `bytes=${from}-${to - 1}` } }),
    async delete(sha256) {
      await send(`/objects/${encodeURIComponent(sha256)}`, { method: 'DELETE' })
    },
  }
}

const missingOf = (reply: z.output<typeof BlobMissing>): MissingChunks => ({
  bits: Buffer.from(reply.missing, 'base64'),
  count: reply.missingChunks,
  bytes: reply.missingBytes,
})

/** A full disk stays full for longer than anybody waits here. */
const isWorthAnother = ({ code, retriable }: Problem): boolean =>
  retriable && code !== 'disk_full' && code !== 'internal'

async function sendOnce(
  { fetch: send, token, signal }: BlobWireParts,
  url: string,
  init: RequestInit,
): Promise<Uint8Array> {
  const headers = new Headers(init.headers)
  headers.set('authorization', `Bearer ${token()}`)
  const response = await send(new Request(url, { ...init, headers, signal }))
  const body = await bodyOf(response)
  if (response.ok) return body
  throw problemOf(url, response.status, parseJson(body))
}

async function bodyOf(response: Response): Promise<Uint8Array> {
  try {
    return new Uint8Array(await response.arrayBuffer())
  } catch (cause) {
    throw new Problem('network_unreachable', 'The connection broke off in the middle of an answer.', {
      cause,
    })
  }
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body))
  } catch {
    // What is no JSON fits no schema.
    return undefined
  }
}

/** The network said so of itself or of what it keeps, and nothing is wrong with this machine. */
export const isOfNetwork = ({ details }: Problem): boolean => details['isOfNetwork'] === true

const RemoteProblem = z.looseObject({ code: z.string(), detail: z.string() })

function problemOf(url: string, status: number, json: unknown): Problem {
  const remote = RemoteProblem.safeParse(json)
  if (remote.success && Object.hasOwn(problemKinds, remote.data.code))
    return new Problem(remote.data.code as ProblemCode, remote.data.detail, {
      details: { isOfNetwork: true },
    })
  return new Problem(
    status >= 500 ? 'unavailable' : 'internal',
    `${url} answered ${status} without a problem document. Check that the address is a Shoal network's.`,
    { details: { isOfNetwork: true } },
  )
}
