/** Calls of every route of a network: bodies, headers and forms that no client in order sends. */

import type { Random } from '#kernel/random.ts'
import { type ProblemCode, problemKinds } from '#protocol/problem.ts'
import type { RouteInput } from '../e2e/route-inputs.ts'
import { mutateBytes, mutateJson, pick, randomBytes } from './mutate.ts'
import { type RawAnswer, sendRaw } from './raw-http.ts'
import { complain, filled, type Surface, type Verdict } from './surface.ts'

/** A call in order, with one of the keys' placeholders. */
export interface GoodCall {
  readonly method: string
  readonly path: string
  readonly input: RouteInput
}

export interface HttpTarget {
  readonly port: number
  readonly secrets: Readonly<Record<string, string>>
  readonly calls: readonly GoodCall[]
}

const LIMIT_MS = 15_000
/** A call that was taken may make a model write for as long as it likes. */
const WORK_LIMIT_MS = 1_500

export const jsonSurface = (target: HttpTarget): Surface => {
  const withBody = target.calls.filter(({ input }) => input.body !== undefined)
  return httpSurface('http-json', { ...target, nextGood: goodRequests(withBody) }, (random) => {
    const call = pick(random, random.chance(1, 10) ? target.calls : withBody)
    const body = random.chance(1, 20)
      ? randomBytes(random, random.int(200))
      : mutateJson(random, call.input.body ?? {})
    return request(call, targetOf(random, call), ['content-type: application/json'], body)
  })
}

export const multipartSurface = (target: HttpTarget): Surface => {
  const withBody = target.calls.filter(({ input }) => input.body !== undefined)
  return httpSurface('multipart', { ...target, nextGood: goodRequests(withBody) }, (random) => {
    const upload = target.calls.find(({ method, path }) => method === 'POST' && path === '/v1/files')
    // Forms are refused everywhere else.
    const call = upload && random.chance(1, 2) ? upload : pick(random, withBody)
    const boundary = pick(random, ['x', '----WebKitFormBoundary7MA4', '', '"', 'a'.repeat(300), '--', '\xff'])
    const parts = Object.entries(call.input.body ?? {}).map(
      ([name, value]) =>
        `--${boundary}\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${JSON.stringify(value)}\r\n`,
    )
    if (call === upload) parts.push(...formOf(boundary))
    const whole = Buffer.from(`${parts.join('')}--${boundary}--\r\n`, 'latin1')
    const body = random.chance(1, 3) ? whole : mutateBytes(random, whole)
    const type = pick(random, ['form-data', 'mixed', 'form-data', 'related'])
    return request(
      call,
      targetOf(random, call, 20),
      [`content-type: multipart/${type}; boundary=${boundary}`],
      body,
    )
  })
}

/** What an upload in order has. */
function formOf(boundary: string): string[] {
  const line = '{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"tiny"}}'
  const head = `--${boundary}\r\ncontent-disposition: form-data; name=`
  return [
    `${head}"purpose"\r\n\r\nbatch\r\n`,
    `${head}"file"; filename="input.jsonl"\r\ncontent-type: application/jsonl\r\n\r\n${line}\n${line}\r\n`,
  ]
}

/** The path of the call, and now and then a strange one or a strange query. */
function targetOf(random: Random, { path, input }: GoodCall, oneIn = 8): string {
  const named = path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(
      random.chance(1, oneIn)
        ? mutateBytes(random, Buffer.from(name)).toString('latin1')
        : (input.params?.[name] ?? name),
    ).replaceAll('%40', '@'),
  )
  if (!random.chance(1, oneIn)) return named
  const strange = [
    '?limit=-1',
    '?limit=1e9&limit=2',
    '?before=%00',
    '?organisationId=%ff',
    '/..%2f',
    '/%',
    '?%',
    '//',
    '?x=',
  ]
  return `${named}${pick(random, strange)}`
}

function request({ method }: GoodCall, target: string, headers: readonly string[], body: Uint8Array): Buffer {
  const head = [
    `${method} ${target} HTTP/1.1`,
    'host: 127.0.0.1:@PORT@',
    'authorization: Bearer @KEY@',
    `content-length: ${body.length}`,
    'connection: close',
    ...headers,
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), body])
}

const strangeHeaders: readonly ((random: Random) => string)[] = [
  () => 'content-length: 5\r\ntransfer-encoding: chunked',
  () => 'transfer-encoding: chunked, identity\r\ntransfer-encoding: cow',
  () => 'content-length: 5\r\ncontent-length: 6',
  () => 'content-length: -1',
  () => `content-length: ${'9'.repeat(30)}`,
  () => 'content-length: 5\r\nContent-Length : 5',
  (random) =>
    `host: ${pick(random, ['', 'evil.example', '[::1', '127.0.0.1:99999', '@', 'a b', '\0', 'x'.repeat(3_000)])}`,
  (random) =>
    `origin: ${pick(random, ['null', 'https://evil.example', 'file://', 'http://[', '\xff', 'http://127.0.0.1:1'])}`,
  (random) =>
    `authorization: ${pick(random, ['Bearer', 'Basic Og==', 'Bearer  @KEY@', 'bearer @KEY@x', 'Bearer \0', `Bearer ${'k'.repeat(8_000)}`, 'Digest x', ''])}`,
  (random) =>
    `x-forwarded-for: ${pick(random, ['1.2.3.4', '::1', '999.1.1.1', 'a,'.repeat(200), ''])}\r\nforwarded: for=_x`,
  () => `x-long: ${'x'.repeat(20_000)}`,
  () => 'x: y\r\n'.repeat(2_100).trimEnd(),
  (random) => `${mutateBytes(random, Buffer.from('x-name')).toString('latin1')}: v`,
  (random) => `x-value: ${mutateBytes(random, Buffer.from('value')).toString('latin1')}`,
  () => 'x-split: a\r\n\tb\r\n c',
  () => 'x-inject: a\nset-cookie: b=1\n\nGET /api/health HTTP/1.1',
  () => 'expect: 100-continue',
  () => 'expect: the-unexpected',
  () => 'upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: short\r\nsec-websocket-version: 13',
  () => 'upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABkAAQ',
  (random) =>
    `content-type: ${pick(random, ['text/html', 'application/json; charset=utf-7', '/', ';;;', '\xff', 'x'.repeat(2_000)])}`,
  (random) => `content-encoding: ${pick(random, ['gzip', 'br', 'zip', 'gzip, gzip'])}`,
  (random) => `idempotency-key: ${pick(random, ['', 'x'.repeat(4_000), '\xff', '@KEY@'])}`,
  (random) =>
    `accept: ${pick(random, ['*/*;q=9', 'text/event-stream', ','.repeat(500)])}\r\naccept-encoding: ${','.repeat(100)}`,
  (random) =>
    `range: bytes=${pick(random, ['0-', '-1', '9-1', '0-1,'.repeat(100)])}\r\nif-none-match: ${'"x",'.repeat(50)}`,
]
const methods = [
  'GET',
  'POST',
  'DELETE',
  'PUT',
  'PATCH',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PRI',
  'get',
  'BREW',
  'G ET',
  '',
]
const targets = [
  '/',
  '*',
  'http://evil.example/',
  '//evil.example/',
  '/api/health#x',
  '/%2e%2e/',
  '/api/%00',
  'x',
  '/\xff',
  '/api/nodes?'.repeat(300),
  '/docs',
  '/openapi.json',
  '/v1/models',
  '/agent',
]
const versions = [
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/2.0',
  'HTTP/0.9',
  'HTTP/1.9',
  'http/1.1',
  'HTTP/1.1 x',
  '',
]

export const headerSurface = (target: HttpTarget): Surface =>
  httpSurface('headers', { ...target, nextGood: goodRequests(target.calls) }, (random) => {
    const call = pick(random, target.calls)
    const body = Buffer.from(JSON.stringify(call.input.body ?? {}))
    const lines = ['host: 127.0.0.1:@PORT@', 'authorization: Bearer @KEY@', `content-length: ${body.length}`]
    if (random.chance(1, 3)) lines.splice(random.int(lines.length), 1)
    const strange = Array.from({ length: 1 + random.int(2) }, () => pick(random, strangeHeaders)(random))
    lines.splice(random.int(lines.length + 1), 0, ...strange)
    const method = random.chance(1, 4) ? pick(random, methods) : call.method
    const path = random.chance(1, 4) ? pick(random, targets) : targetOf(random, call)
    const first = `${method} ${path} ${random.chance(1, 6) ? pick(random, versions) : 'HTTP/1.1'}`
    const head = Buffer.from(`${[first, ...lines].join('\r\n')}\r\n\r\n`, 'latin1')
    const whole = Buffer.concat([head, body])
    return random.chance(1, 4) ? mutateBytes(random, whole) : whole
  })

/** Calls that are in order, though what they name may be gone since an earlier one. */
const goodRequests =
  (calls: readonly GoodCall[]) =>
  (random: Random): Buffer => {
    const call = pick(random, calls)
    const { params, body } = call.input
    const path = call.path.replace(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(params?.[name] ?? name).replaceAll('%40', '@'),
    )
    const content = Buffer.from(body === undefined ? '' : JSON.stringify(body))
    return request(call, path, ['content-type: application/json'], content)
  }

type Forms = HttpTarget & Required<Pick<Surface, 'nextGood'>>

function httpSurface(name: string, target: Forms, next: (random: Random) => Buffer): Surface {
  const secrets = { ...target.secrets, PORT: String(target.port) }
  return {
    name,
    next,
    nextGood: target.nextGood,
    async attempt(input) {
      const bytes = filled(input, secrets)
      const isWork = bytes.indexOf('/v1/', 0, 'latin1') !== -1 && bytes.indexOf('/v1/') < 40
      // Whoever half closes is taken for gone, and need not be answered: only what need not be HTTP ends so, lest it be waited for.
      const isHttp = name !== 'headers'
      const limitMs = isWork ? WORK_LIMIT_MS : LIMIT_MS
      const answer = await sendRaw(target.port, bytes, { isEnded: !isHttp, limitMs })
      return judge(answer, { isWork, isHttp })
    },
  }
}

/** A 5xx is right only where the table of problems calls it temporary, and it is no bug. Whoever speaks HTTP, and waits, is answered. */
export function judge(
  { status, body, isClosed }: RawAnswer,
  { isWork, isHttp }: { isWork: boolean; isHttp: boolean },
): Verdict {
  if (status === null && isClosed) return isHttp ? complain('closed without an answer') : 'refused'
  if (status === null) return isWork ? 'held' : complain(`no answer within ${LIMIT_MS} ms`)
  if (status < 400) return 'accepted'
  if (status < 500) return 'refused'
  const code = codeOf(body)
  const kind = code !== null && Object.hasOwn(problemKinds, code) ? problemKinds[code as ProblemCode] : null
  if (code !== 'internal' && kind && (kind.retriable || code === 'not_supported')) return 'unavailable'
  return complain(`${status}: ${body.slice(0, 400)}`)
}

function codeOf(body: string): string | null {
  try {
    const answer = JSON.parse(body) as { code?: unknown; error?: { code?: unknown } }
    const code = answer.code ?? answer.error?.code
    return typeof code === 'string' ? code : null
  } catch {
    return null
  }
}
