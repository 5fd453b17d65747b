/** Reads what a caller of the control API gave, against the route's own schemas. */
import { z } from 'zod'
import { describeIssue } from '#protocol/describe-issue.ts'
import { Problem } from '#protocol/problem.ts'
import type { Route } from '#protocol/route.ts'

export const BODY_BYTES_MAX = 1024 * 1024

export interface RouteInput {
  readonly params?: unknown
  readonly query?: unknown
  readonly body?: unknown
}

/** Throws `invalid_request`, `invalid_json` or `body_too_large`. Only what the route declares is read. */
export async function readInput(
  route: Route,
  request: Request,
  params: Readonly<Record<string, string>>,
): Promise<RouteInput> {
  const query = Object.fromEntries(new URL(request.url).searchParams)
  const body = route.method === 'GET' ? undefined : route.body
  return {
    ...(route.params && { params: decode(route.params, params, 'the path') }),
    // A route without a query schema ignores one, as most servers do: caches and proxies may add to it.
    ...(route.query && { query: decode(route.query, query, 'the query') }),
    ...(body && { body: decode(body, parseJson(await readText(request, bytesMaxOf(route))), 'the body') }),
  }
}

function decode(schema: z.ZodType, value: unknown, where: string): unknown {
  if (hasNul(value)) {
    // No database takes it in a text, and a journal that had one could never be projected.
    throw new Problem('invalid_request', `A text in ${where} has the character U+0000. Leave it out.`, {
      details: { where },
    })
  }
  const decoded = z.safeDecode(schema, value as never)
  if (decoded.success) return decoded.data
  const sentence = describeIssue(decoded.error, where)
  throw new Problem('invalid_request', `${sentence} See /docs for what this call takes.`, {
    details: { where },
  })
}

function hasNul(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\0')
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([name, part]) => name.includes('\0') || hasNul(part))
}

/** An absent body is an empty object: what is missing in it is then named. */
function parseJson(text: string): unknown {
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Problem('invalid_json', `The body is not JSON (${reason}). Send one JSON object.`, {
      cause: error,
    })
  }
}

const bytesMaxOf = (route: Route): number =>
  (route.method === 'GET' ? undefined : route.bodyBytesMax) ?? BODY_BYTES_MAX

async function readText(request: Request, bytesMax: number): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > bytesMax) throw bodyTooLarge(bytesMax)
  if (!request.body) return ''
  const reader = request.body.getReader()
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let text = ''
  let bytes = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + utf8(() => decoder.decode())
    bytes += value.byteLength
    if (bytes > bytesMax) {
      // The client learns it from the answer; what it still sends is not waited for.
      reader.cancel().catch(() => {})
      throw bodyTooLarge(bytesMax)
    }
    text += utf8(() => decoder.decode(value, { stream: true }))
  }
}

/** Bytes that are no text must not become some other text. */
function utf8(decode: () => string): string {
  try {
    return decode()
  } catch (cause) {
    throw new Problem('invalid_json', 'The body is not UTF-8. Send one JSON object in UTF-8.', { cause })
  }
}

const bodyTooLarge = (bytesMax: number): Problem =>
  new Problem('body_too_large', `The body is larger than ${bytesMax} bytes. Send less in one call.`)
