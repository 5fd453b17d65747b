/** `/v1/files` and `/v1/batches`, as OpenAI's API has them. */
import { batchLimits } from '#batch/batch-limits.ts'
import type { Claim } from '#batch/batch-events.ts'
import type { ReadForm } from '#host/form-upload.ts'
import type { Crypto, Exchange } from '#host/host.ts'
import type { BlobStore } from '#host/blob-store.ts'
import { SECOND_MS } from '#kernel/time.ts'
import { allows } from '#organisations/organisations.ts'
import { BatchesQuery, BatchRequest, FileFields, FilesQuery } from '#protocol/batch-api.ts'
import { parseRequest } from '#protocol/openai-parameters.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import type { Scope } from '#protocol/scope.ts'
import type { Caller } from '../gateway.ts'
import { decodeBody } from '../openai-call.ts'
import { respondProblem } from '../openai-problem.ts'
import type { BatchHome, HomeAnswers, OwnBatchHome } from './batch-home.ts'
import { comesAfter } from './batch-home.ts'
import { homeOf, type IdKind, orderOf } from './batch-ids.ts'
import type { BatchPeers } from './batch-peers.ts'
import { sendFile } from './send-file.ts'

export interface BatchCall {
  readonly exchange: Exchange
  readonly requestId: string
  readonly caller: Caller
  /** Without its query. */
  readonly path: string
  readonly timing: () => Record<string, string>
}

export interface BatchApi {
  /** Answers, if the path is one of its own. */
  serve(call: BatchCall): boolean
}

interface Parts {
  readonly home: OwnBatchHome
  readonly peers: BatchPeers
  readonly store: BlobStore
  readonly readForm: ReadForm
  readonly crypto: Pick<Crypto, 'sha256'>
  readonly limits?: { readonly fileBytesMax: number }
}

const BODY_BYTES_MAX = 64 * 1024
const FIELDS_MAX = 16
const FIELD_BYTES_MAX = 4 * 1024
const FILENAME_LENGTH_MAX = 255
const FILES_LIMIT_MAX = 1_000
const BATCHES_LIMIT = 20
const KEY_LENGTH_MAX = 255

type Handler = (parts: Parts, call: BatchCall, id: string) => Promise<unknown>
interface Endpoint {
  readonly method: string
  readonly path: RegExp
  readonly scope: Scope
  readonly handle: Handler
}

/** Told by `handle` that it has answered itself. */
const ANSWERED = Symbol('answered')

export const createBatchApi = (parts: Parts): BatchApi => ({
  serve(call) {
    const { exchange, path, requestId, timing, caller } = call
    if (!/^\/v1\/(files|batches)(\/|$)/.test(path)) return false
    const refuse = (problem: Problem): void => respondProblem(exchange, requestId, problem, timing())
    const there = endpoints.filter((endpoint) => endpoint.path.test(path))
    const endpoint = there.find(({ method }) => method === exchange.method)
    if (!endpoint) {
      refuse(there.length > 0 ? wrongMethod(exchange, path, there) : noSuchPath(exchange, path))
      return true
    }
    if (!allows(caller.scopes, endpoint.scope)) {
      refuse(scopeMissing(endpoint.scope))
      return true
    }
    const id = endpoint.path.exec(path)?.[1] ?? ''
    let isOpen = true
    exchange.onClose(() => {
      isOpen = false
    })
    endpoint.handle(parts, call, id).then(
      (value) => {
        if (value === ANSWERED || !isOpen) return
        if (value instanceof Problem) return refuse(value)
        const headers = { 'content-type': 'application/json', 'x-request-id': requestId, ...timing() }
        exchange.respond(200, headers, JSON.stringify(value))
      },
      (error: unknown) => {
        if (isOpen) refuse(toProblem(error))
      },
    )
    return true
  },
})

async function createFile(parts: Parts, { exchange, caller }: BatchCall): Promise<unknown> {
  const { readForm, store, home, crypto, limits = batchLimits } = parts
  const key = idempotencyKey(exchange)
  if (key instanceof Problem) return key
  const form = await readForm(
    exchange,
    { fileBytesMax: limits.fileBytesMax, fieldsMax: FIELDS_MAX, fieldBytesMax: FIELD_BYTES_MAX },
    () => store.create(),
  )
  const { file } = form
  try {
    const fields = readFields(form.fields)
    const problem = fields instanceof Problem ? fields : fileProblem(file)
    if (problem || fields instanceof Problem || !file) return problem
    const { organisationId, keyId } = caller
    const filename = file.filename.slice(-FILENAME_LENGTH_MAX)
    const { sha256 } = file.writer.digest()
    const says = JSON.stringify([filename, fields, sha256])
    const claim = key === null ? null : claimOf(crypto, { keyId, path: '/v1/files', key, says })
    const seconds = fields['expires_after[seconds]']
    const keepMs = seconds === undefined ? null : seconds * SECOND_MS
    return await home.keepFile({ organisationId, filename, keepMs, claim, writer: file.writer })
  } finally {
    // Nothing, once it is kept.
    await file?.writer.abort()
  }
}

function readFields(fields: readonly (readonly [string, string])[]) {
  const names = fields.map(([name]) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) return formProblem(`The form has '${twice}' twice.`, twice)
  const parsed = parseRequest(Object.fromEntries(fields), { schema: FileFields, unserved: {}, check: () => null })
  if (parsed instanceof Problem) return parsed
  const { ok } = parsed
  const hasBoth = (ok['expires_after[anchor]'] === undefined) === (ok['expires_after[seconds]'] === undefined)
  return hasBoth ? ok : formProblem("'expires_after' needs both anchor and seconds.", 'expires_after')
}

function fileProblem(file: { field: string; writer: { digest(): { bytes: number } } } | null): Problem | null {
  if (!file) {
    return new Problem('invalid_request', "Missing required parameter: 'file'.", {
      details: { param: 'file', code: 'missing_required_parameter' },
    })
  }
  if (file.field !== 'file') return formProblem(`'${file.field.slice(0, 100)}' is no field that takes a file.`, file.field.slice(0, 100))
  return file.writer.digest().bytes === 0 ? formProblem("'file' is empty.", 'file') : null
}

async function listFiles({ peers }: Parts, { exchange, caller }: BatchCall): Promise<unknown> {
  const query = readQuery(exchange, FilesQuery)
  if (query instanceof Problem) return query
  const { limit = FILES_LIMIT_MAX, order = 'desc', purpose = null } = query
  const after = cursorOf(query.after, 'file-')
  if (after instanceof Problem) return after
  const page = { after, limit: Math.min(limit, FILES_LIMIT_MAX), isAscending: order === 'asc' }
  const { organisationId } = caller
  return gather(peers, page, (home, wider) => home.ask({ op: 'list_files', organisationId, purpose, ...wider }))
}

async function listBatches({ peers }: Parts, { exchange, caller }: BatchCall): Promise<unknown> {
  const query = readQuery(exchange, BatchesQuery)
  if (query instanceof Problem) return query
  const after = cursorOf(query.after, 'batch_')
  if (after instanceof Problem) return after
  const page = { after, limit: query.limit ?? BATCHES_LIMIT, isAscending: false }
  const { organisationId } = caller
  return gather(peers, page, (home, wider) => home.ask({ op: 'list_batches', organisationId, ...wider }))
}

interface PageAsked {
  readonly after: string | null
  readonly limit: number
  readonly isAscending: boolean
}

/** One page out of all homes: a list that leaves one out would look whole. */
async function gather<Item extends { readonly id: string }>(
  peers: BatchPeers,
  page: PageAsked,
  ask: (home: BatchHome, page: PageAsked) => Promise<readonly Item[] | Problem>,
): Promise<unknown> {
  // One more than asked for tells that there are more.
  const answers = await Promise.all(peers.homes().map((home) => ask(home, { ...page, limit: page.limit + 1 })))
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

const getFile: Handler = ({ peers }, { caller }, id) =>
  askHome(peers, { id, kind: 'file-' }, (home) =>
    home.ask({ op: 'get_file', organisationId: caller.organisationId, id }),
  )

const deleteFile: Handler = ({ peers }, { caller }, id) =>
  askHome(peers, { id, kind: 'file-' }, (home) =>
    home.ask({ op: 'delete_file', organisationId: caller.organisationId, id }),
  )

const getBatch: Handler = ({ peers }, { caller }, id) =>
  askHome(peers, { id, kind: 'batch_' }, (home) =>
    home.ask({ op: 'get_batch', organisationId: caller.organisationId, id }),
  )

const cancelBatch: Handler = ({ peers }, { caller }, id) =>
  askHome(peers, { id, kind: 'batch_' }, (home) =>
    home.ask({ op: 'cancel_batch', organisationId: caller.organisationId, id }),
  )

async function getContent({ peers }: Parts, call: BatchCall, id: string): Promise<unknown> {
  const { organisationId } = call.caller
  let home: BatchHome | null = null
  const file = await askHome(peers, { id, kind: 'file-' }, (found) => {
    home = found
    return found.ask({ op: 'get_file', organisationId, id })
  })
  if (file instanceof Problem || home === null) return file
  await sendFile(call, { home, file: file as HomeAnswers['get_file'], organisationId })
  return ANSWERED
}

async function createBatch({ peers, crypto }: Parts, { exchange, caller, path }: BatchCall): Promise<unknown> {
  const key = idempotencyKey(exchange)
  if (key instanceof Problem) return key
  const body = await readBody(exchange)
  if (body instanceof Problem) return body
  const json = decodeBody(body)
  if (json instanceof Problem) return json
  const parsed = parseRequest(json, { schema: BatchRequest, unserved: {}, check: checkMetadata })
  if (parsed instanceof Problem) return parsed
  const { input_file_id: inputFileId, endpoint, metadata = null, output_expires_after: expiry } = parsed.ok
  const { organisationId, keyId } = caller
  const says = JSON.stringify(parsed.ok)
  const found = await askHome(peers, { id: inputFileId, kind: 'file-' }, (home) =>
    home.ask({
      op: 'create_batch',
      organisationId,
      keyId,
      inputFileId,
      endpoint,
      metadata: metadata ?? null,
      outputKeepMs: expiry ? expiry.seconds * SECOND_MS : null,
      claim: key === null ? null : claimOf(crypto, { keyId, path, key, says }),
    }),
  )
  if (!(found instanceof Problem) || found.code !== 'not_found') return found
  return new Problem('not_found', found.message, { details: { param: 'input_file_id' } })
}

const METADATA_MAX = 16
function checkMetadata({ metadata }: { metadata?: Readonly<Record<string, string>> | null | undefined }): Problem | null {
  const count = Object.keys(metadata ?? {}).length
  if (count <= METADATA_MAX) return null
  return new Problem('invalid_request', `'metadata' has ${count} members, and ${METADATA_MAX} at most are kept.`, {
    details: { param: 'metadata', code: 'object_above_max_properties' },
  })
}

const endpoints: readonly Endpoint[] = [
  { method: 'POST', path: /^\/v1\/files$/, scope: 'developer', handle: createFile },
  { method: 'GET', path: /^\/v1\/files$/, scope: 'viewer', handle: listFiles },
  { method: 'GET', path: /^\/v1\/files\/([^/]+)$/, scope: 'viewer', handle: getFile },
  { method: 'DELETE', path: /^\/v1\/files\/([^/]+)$/, scope: 'developer', handle: deleteFile },
  { method: 'GET', path: /^\/v1\/files\/([^/]+)\/content$/, scope: 'viewer', handle: getContent },
  { method: 'POST', path: /^\/v1\/batches$/, scope: 'developer', handle: createBatch },
  { method: 'GET', path: /^\/v1\/batches$/, scope: 'viewer', handle: listBatches },
  { method: 'GET', path: /^\/v1\/batches\/([^/]+)$/, scope: 'viewer', handle: getBatch },
  { method: 'POST', path: /^\/v1\/batches\/([^/]+)\/cancel$/, scope: 'developer', handle: cancelBatch },
]

/** Asks the home that an id names. One that nobody has heard of has nothing, as far as anybody can tell. */
async function askHome<T>(
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

const readBody = (exchange: Exchange): Promise<Uint8Array | Problem> =>
  new Promise((resolve) => exchange.readBody(BODY_BYTES_MAX, (problem, body) => resolve(problem ?? body)))

function readQuery<Schema extends typeof FilesQuery | typeof BatchesQuery>(
  exchange: Exchange,
  schema: Schema,
): ReturnType<Schema['parse']> | Problem {
  const [, text = ''] = exchange.target.split('?', 2)
  const parsed = parseRequest(Object.fromEntries(new URLSearchParams(text)), { schema, unserved: {}, check: () => null })
  return parsed instanceof Problem ? parsed : (parsed.ok as ReturnType<Schema['parse']>)
}

function cursorOf(after: string | undefined, kind: IdKind): string | null | Problem {
  if (after === undefined) return null
  if (homeOf(after, kind) !== null) return orderOf(after)
  return new Problem('invalid_request', "'after' is no id of this list.", {
    details: { param: 'after', code: 'invalid_value' },
  })
}

function idempotencyKey({ headers }: Exchange): string | null | Problem {
  const key = headers['idempotency-key']
  if (key === undefined) return null
  if (key.length > 0 && key.length <= KEY_LENGTH_MAX) return key
  return new Problem('invalid_request', `Idempotency-Key has not 1 to ${KEY_LENGTH_MAX} characters.`)
}

/** Callers never meet each other's keys. */
function claimOf(
  crypto: Pick<Crypto, 'sha256'>,
  { keyId, path, key, says }: { keyId: string; path: string; key: string; says: string },
): Claim {
  const hash = (text: string): string => Buffer.from(crypto.sha256(text)).toString('base64')
  return { key: hash(`${keyId} ${path} ${key}`), digest: hash(says) }
}

const formProblem = (message: string, param: string): Problem =>
  new Problem('invalid_request', message, { details: { param, code: 'invalid_value' } })

const scopeMissing = (scope: string): Problem =>
  new Problem(
    'scope_missing',
    `This API key lacks the scope '${scope}'. Make one that has it with "shoal keys create".`,
  )

const wrongMethod = ({ method }: Exchange, path: string, there: readonly Endpoint[]): Problem =>
  new Problem('method_not_allowed', `${path} takes ${there.map((one) => one.method).join(' or ')}, not ${method}.`)

const noSuchPath = ({ method }: Exchange, path: string): Problem =>
  new Problem('not_found', `There is no ${method} ${path}. See /docs for what there is.`)
