/** `/api/blobs`: the routes of `protocol/blobs.ts` over the vault. */
import { z } from 'zod'
import type { Compression } from '#host/compression.ts'
import type { Exchange, Log } from '#host/host.ts'
import { respondProblem } from '#host/respond-problem.ts'
import { formatId, ID_BYTES } from '#kernel/id.ts'
import { BLOB_JSON_BYTES_MAX, type BlobRoute, type BlobRouteName, blobRoutes } from '#protocol/blobs.ts'
import { describeIssue } from '#protocol/describe-issue.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import { matchesPath } from '#protocol/route.ts'
import { ANSWERED, type BlobHandlerParts, blobHandlers } from './blob-handlers.ts'

export interface BlobApiParts extends BlobHandlerParts {
  readonly compression: Compression
  readonly log: Log
  readonly secrets: { randomBytes(length: number): Uint8Array }
}

export interface BlobApi {
  /** Answers, if the path is one of its own. */
  serve(exchange: Exchange): boolean
}

const table = Object.entries(blobRoutes) as [BlobRouteName, BlobRoute][]

export function createBlobApi(parts: BlobApiParts): BlobApi {
  return {
    serve(exchange) {
      const path = exchange.target.split('?', 1)[0] ?? ''
      if (path !== '/api/blobs' && !path.startsWith('/api/blobs/')) return false
      const requestId = formatId('req', parts.secrets.randomBytes(ID_BYTES))
      let isOpen = true
      exchange.onClose(() => {
        isOpen = false
      })
      answer(parts, exchange, path).then(
        (reply) => {
          if (reply === ANSWERED || !isOpen) return
          exchange.respond(200, headersOf(requestId), JSON.stringify(reply))
        },
        (error: unknown) => {
          const problem = toProblem(error)
          if (problem.code === 'internal')
            parts.log.error('blob.call_failed', { requestId, message: problem.message })
          if (isOpen) respondProblem(exchange, problem)
        },
      )
      return true
    },
  }
}

const headersOf = (requestId: string): Record<string, string> => ({
  'content-type': 'application/json',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-request-id': requestId,
})

async function answer(parts: BlobApiParts, exchange: Exchange, path: string): Promise<unknown> {
  const there = table.filter(([, route]) => matchesPath(route, path))
  const [name, route] = there.find(([, { method }]) => method === exchange.method) ?? []
  if (!name || !route) {
    if (there.length === 0)
      throw new Problem('not_found', `There is nothing at ${path}. See /docs for what there is.`)
    const methods = there.map(([, { method }]) => method).join(', ')
    throw new Problem('method_not_allowed', `${path} takes ${methods}, not ${exchange.method}.`)
  }
  const caller = parts.access.callerOf(exchange, route)
  const sha256 = path.split('/')[4] ?? ''
  const handler = blobHandlers[name]
  if ('bytes' in handler) return handler.bytes(parts, { exchange, caller, sha256 })
  const body = route.body ? decode(route.body, await readJson(exchange)) : {}
  return z.encode(route.reply, await handler.json(parts, { exchange, caller, sha256 }, body as never))
}

function readJson(exchange: Exchange): Promise<unknown> {
  return new Promise((resolve, reject) => {
    exchange.readBody(BLOB_JSON_BYTES_MAX, (problem, body) => {
      if (problem) return reject(problem)
      try {
        const text = new TextDecoder('utf-8', { fatal: true }).decode(body)
        resolve(text.trim() === '' ? {} : JSON.parse(text))
      } catch (cause) {
        reject(new Problem('invalid_json', 'The body is not JSON. Send one JSON object in UTF-8.', { cause }))
      }
    })
  })
}

function decode(schema: z.ZodType, value: unknown): unknown {
  const decoded = z.safeDecode(schema, value as never)
  if (decoded.success) return decoded.data
  const sentence = describeIssue(decoded.error, 'the body')
  throw new Problem('invalid_request', `${sentence} See /docs for what this call takes.`)
}
