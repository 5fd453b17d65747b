/** The calls of `/v1/files`. */
import { SECOND_MS } from '#kernel/time.ts'
import { FileFields, FilesQuery } from '#protocol/batch-api.ts'
import { parseRequest } from '#protocol/openai-parameters.ts'
import { Problem } from '#protocol/problem.ts'
import {
  ANSWERED,
  askHome,
  type BatchApiParts,
  type BatchCall,
  badValue,
  claimOf,
  cursorOf,
  gather,
  type Handler,
  idempotencyKey,
  readQuery,
} from './batch-call.ts'
import type { BatchHome, HomeAnswers } from './batch-home.ts'
import { sendFile } from './send-file.ts'

const FIELDS_MAX = 16
const FIELD_BYTES_MAX = 4 * 1024
const FILENAME_LENGTH_MAX = 255
const FILES_LIMIT_MAX = 1_000

export async function createFile(parts: BatchApiParts, call: BatchCall): Promise<unknown> {
  const { uploading, limits } = parts
  const { organisationId } = call.caller
  const key = idempotencyKey(call.exchange)
  if (key instanceof Problem) return key
  const count = uploading.get(organisationId) ?? 0
  if (count >= limits.organisationUploadsMax) return uploadsTooMany(count)
  uploading.set(organisationId, count + 1)
  try {
    return await takeFile(parts, call, key)
  } finally {
    const left = (uploading.get(organisationId) ?? 1) - 1
    if (left > 0) uploading.set(organisationId, left)
    else uploading.delete(organisationId)
  }
}

async function takeFile(
  { readForm, store, home, crypto, limits }: BatchApiParts,
  { exchange, caller }: BatchCall,
  key: string | null,
): Promise<unknown> {
  const { organisationId, keyId } = caller
  const { fileBytesMax } = limits
  const formLimits = { fileBytesMax, fieldsMax: FIELDS_MAX, fieldBytesMax: FIELD_BYTES_MAX }
  const form = await readForm(exchange, formLimits, () => store.create())
  const { file } = form
  try {
    const fields = readFields(form.fields)
    const problem = fields instanceof Problem ? fields : fileProblem(file)
    if (problem || fields instanceof Problem || !file) return problem
    const filename = file.filename.slice(-FILENAME_LENGTH_MAX)
    const says = JSON.stringify([filename, fields, file.writer.digest().sha256])
    const claim = key === null ? null : claimOf(crypto, { keyId, path: '/v1/files', key, says })
    const seconds = fields['expires_after[seconds]']
    const keepMs = seconds === undefined ? null : seconds * SECOND_MS
    return await home.keepFile({ organisationId, filename, keepMs, claim, writer: file.writer })
  } finally {
    // Nothing, once it is kept.
    await file?.writer.abort()
  }
}

const uploadsTooMany = (count: number): Problem =>
  new Problem(
    'rate_limited',
    `The organisation uploads ${count} files at this moment, as many as it may. Try again when one of them is there.`,
    { details: { code: 'upload_limit_exceeded' } },
  )

function readFields(fields: readonly (readonly [string, string])[]) {
  const names = fields.map(([name]) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) return badValue(`The form has '${twice}' twice.`, twice)
  const parsed = parseRequest(Object.fromEntries(fields), {
    schema: FileFields,
    unserved: {},
    check: () => null,
  })
  if (parsed instanceof Problem) return parsed
  const { ok } = parsed
  const hasBoth = (ok['expires_after[anchor]'] === undefined) === (ok['expires_after[seconds]'] === undefined)
  return hasBoth ? ok : badValue("'expires_after' needs both anchor and seconds.", 'expires_after')
}

function fileProblem(
  file: { field: string; writer: { digest(): { bytes: number } } } | null,
): Problem | null {
  if (!file) {
    return new Problem('invalid_request', "Missing required parameter: 'file'.", {
      details: { param: 'file', code: 'missing_required_parameter' },
    })
  }
  if (file.field !== 'file')
    return badValue(`'${file.field.slice(0, 100)}' is no field that takes a file.`, file.field.slice(0, 100))
  return file.writer.digest().bytes === 0 ? badValue("'file' is empty.", 'file') : null
}

export async function listFiles({ peers }: BatchApiParts, { exchange, caller }: BatchCall): Promise<unknown> {
  const query = readQuery(exchange, FilesQuery)
  if (query instanceof Problem) return query
  const { limit = FILES_LIMIT_MAX, order = 'desc', purpose = null } = query
  const after = cursorOf(query.after, 'file-')
  if (after instanceof Problem) return after
  const page = { after, limit: Math.min(limit, FILES_LIMIT_MAX), isAscending: order === 'asc' }
  const { organisationId } = caller
  return gather(peers, page, (home, wider) =>
    home.ask({ op: 'list_files', organisationId, purpose, ...wider }),
  )
}

export const getFile: Handler = ({ peers }, { caller }, id) =>
  askHome(peers, { id, kind: 'file-' }, (home) =>
    home.ask({ op: 'get_file', organisationId: caller.organisationId, id }),
  )

export const deleteFile: Handler = ({ peers }, { caller }, id) =>
  askHome(peers, { id, kind: 'file-' }, (home) =>
    home.ask({ op: 'delete_file', organisationId: caller.organisationId, id }),
  )

export async function getContent({ peers }: BatchApiParts, call: BatchCall, id: string): Promise<unknown> {
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
