/** The calls of `/v1/batches`. */
import type { Exchange } from '#host/host.ts'
import { SECOND_MS } from '#kernel/time.ts'
import { BatchesQuery, BatchRequest } from '#protocol/batch-api.ts'
import { parseRequest } from '#protocol/openai-parameters.ts'
import { Problem } from '#protocol/problem.ts'
import { decodeBody } from '../openai-call.ts'
import {
  askHome,
  type BatchApiParts,
  type BatchCall,
  claimOf,
  cursorOf,
  gather,
  type Handler,
  idempotencyKey,
  readQuery,
} from './batch-call.ts'

const BODY_BYTES_MAX = 64 * 1024
const BATCHES_LIMIT = 20

export async function listBatches(
  { peers }: BatchApiParts,
  { exchange, caller }: BatchCall,
): Promise<unknown> {
  const query = readQuery(exchange, BatchesQuery)
  if (query instanceof Problem) return query
  const after = cursorOf(query.after, 'batch_')
  if (after instanceof Problem) return after
  const page = { after, limit: query.limit ?? BATCHES_LIMIT, isAscending: false }
  const { organisationId } = caller
  return gather(peers, page, (home, wider) => home.ask({ op: 'list_batches', organisationId, ...wider }))
}

export const getBatch: Handler = ({ peers }, { caller }, id) =>
  askHome(peers, { id, kind: 'batch_' }, (home) =>
    home.ask({ op: 'get_batch', organisationId: caller.organisationId, id }),
  )

export const cancelBatch: Handler = ({ peers }, { caller }, id) =>
  askHome(peers, { id, kind: 'batch_' }, (home) =>
    home.ask({ op: 'cancel_batch', organisationId: caller.organisationId, id }),
  )

export async function createBatch(
  { peers, crypto }: BatchApiParts,
  { exchange, caller, path }: BatchCall,
): Promise<unknown> {
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
function checkMetadata({
  metadata,
}: {
  metadata?: Readonly<Record<string, string>> | null | undefined
}): Problem | null {
  const count = Object.keys(metadata ?? {}).length
  if (count <= METADATA_MAX) return null
  return new Problem(
    'invalid_request',
    `'metadata' has ${count} members, and ${METADATA_MAX} at most are kept.`,
    {
      details: { param: 'metadata', code: 'object_above_max_properties' },
    },
  )
}

const readBody = (exchange: Exchange): Promise<Uint8Array | Problem> =>
  new Promise((resolve) => exchange.readBody(BODY_BYTES_MAX, (problem, body) => resolve(problem ?? body)))
