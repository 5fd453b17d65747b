/** Organisations on a real network, and raw calls of its API. */
import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { chunkListOf } from '#blobs/chunk-list.ts'
import { writePack } from '#blobs/pack.ts'
import { createBlobWire } from '#host/blobs/blob-wire.ts'
import { nodeCompression } from '#host/node/node-compression.ts'
import { Problem } from '#protocol/problem.ts'
import { Scope } from '#protocol/scope.ts'
import { until } from './process-group.ts'
import type { Network } from './rig.ts'
import {
  blobMakers,
  enrolBody,
  fileMakers,
  hugeJob,
  jobMakers,
  type RouteInput,
  type Tenant,
} from './route-inputs.ts'

export interface Operation {
  readonly operationId: string
  readonly method: string
  readonly path: string
  readonly scope: string
  readonly status: number
  /** Names of path and query parameters and of the body's members, as `path nodeId`. */
  readonly places: readonly string[]
  readonly hasBody: boolean
}

interface Schema {
  readonly $ref?: string
  readonly properties?: Readonly<Record<string, unknown>>
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}
interface DocumentedOperation {
  readonly operationId: string
  readonly 'x-scope': string
  readonly parameters?: readonly { readonly name: string; readonly in: string }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
  readonly responses: Readonly<Record<string, unknown>>
}

/** What the network says of itself. */
export async function readOperations({ ready }: Network): Promise<Operation[]> {
  const document = (await (await fetch(`${ready.apiUrl}/openapi.json`)).json()) as Document
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const reference = operation.requestBody?.content['application/json']?.schema.$ref?.split('/').at(-1)
      const body = reference === undefined ? undefined : document.components.schemas[reference]
      return {
        operationId: operation.operationId,
        method: method.toUpperCase(),
        path,
        scope: operation['x-scope'],
        status: Number(Object.keys(operation.responses).find((status) => /^2/.test(status)) ?? 200),
        places: [
          ...(operation.parameters ?? []).map((parameter) => `${parameter.in} ${parameter.name}`),
          ...Object.keys(body?.properties ?? {}).map((name) => `body ${name}`),
        ],
        // Bytes have no members that could be asked about.
        hasBody:
          operation.requestBody !== undefined &&
          !('application/octet-stream' in operation.requestBody.content),
      }
    }),
  )
}

export interface Answer {
  readonly status: number
  readonly text: string
  readonly json: Readonly<Record<string, unknown>>
}

/** One call, with any headers, `host` among them. */
export function callRoute(
  { ready }: Network,
  operation: Pick<Operation, 'method' | 'path'>,
  input: RouteInput,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(input.params?.[name] ?? 'missing').replaceAll('%3A', ':'),
  )
  const query = new URLSearchParams(input.query).toString()
  const content = input.body === undefined ? undefined : JSON.stringify(input.body)
  const url = `${ready.apiUrl}${path}${query === '' ? '' : `?${query}`}`
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const sent = request(
    url,
    {
      method: operation.method,
      headers: {
        ...(content !== undefined && {
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(content)),
        }),
        ...headers,
      },
    },
    (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        text += part
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, json: parse(text) }))
      response.on('error', reject)
    },
  )
  sent.on('error', reject)
  sent.end(content)
  return promise
}

function parse(text: string): Answer['json'] {
  try {
    return JSON.parse(text) as Answer['json']
  } catch {
    return {} // Not every answer is JSON.
  }
}

export const bearer = (key: string): { authorization: string } => ({ authorization: `Bearer ${key}` })

/** An organisation with one of everything, and money on both of its accounts. */
export async function openTenant(network: Network, name: string): Promise<Tenant> {
  const { operator } = network
  const { organisationId } = await operator.createOrganisation({ body: { name } })
  const accountId = `provider:${organisationId}`
  for (const account of [accountId, `consumer:${organisationId}`]) {
    const transfer = { transferId: `seed ${account}`, createdAtMs: Date.now(), memo: '', isTest: true }
    await operator.depositToAccount({
      params: { accountId: account },
      body: { ...transfer, amount: 1_000_000_000_000n },
    })
  }
  const entries = await Promise.all(
    Scope.options.map(async (scope) => {
      const { key } = await operator.createKey({ body: { name: scope, scopes: [scope], organisationId } })
      return [scope, key] as const
    }),
  )
  const keys = Object.fromEntries(entries) as Tenant['keys']
  const invited = await operator.inviteMember({
    body: { name: 'm', email: 'm@x', scopes: ['owner'], organisationId },
  })
  await operator.acceptInvitation({ body: { invitation: invited.invitation } })
  const account = await operator.createServiceAccount({
    body: { name: 's', scopes: ['owner'], organisationId },
  })
  const project = await operator.createProject({ body: { name: 'p', organisationId } })
  const key = await operator.createKey({ body: { name: 'k', scopes: ['viewer'], organisationId } })
  const holdbackId = `holdback of ${organisationId}`
  await operator.holdBackPay({ params: { accountId }, body: { holdbackId, amount: 1n, reason: 'r' } })
  const payout = await operator.requestPayout({
    body: {
      requestId: 'first',
      createdAtMs: Date.now(),
      amount: 10_000_000_000n,
      destination: 'd',
      organisationId,
    },
  })
  blobMakers.set(organisationId, () => keepBlob(network, keys.developer))
  jobMakers.set(organisationId, async () =>
    makeJob(network, keys.developer, await askQuote(network, keys.developer)),
  )
  fileMakers.set(organisationId, () => uploadFile(network, keys.developer, 1))
  return {
    organisationId,
    keys,
    memberId: invited.memberId,
    serviceAccountId: account.serviceAccountId,
    projectId: project.projectId,
    keyId: key.keyId,
    nodeId: await enrol(network, keys.provider),
    accountId,
    holdbackId,
    payoutId: payout.payoutId,
    fileId: await uploadFile(network, keys.developer, 1),
    sha256: await keepBlob(network, keys.developer),
    batchId: await cancelledBatch(network, keys.developer),
    quoteId: await askQuote(network, keys.developer),
    jobId: await makeJob(network, keys.developer, await askQuote(network, keys.developer)),
  }
}

async function askQuote(network: Network, key: string): Promise<string> {
  const route = { method: 'POST', path: '/api/quotes' }
  return String((await callRoute(network, route, { body: hugeJob }, bearer(key))).json['quoteId'])
}

async function makeJob(network: Network, key: string, quoteId: string): Promise<string> {
  const route = { method: 'POST', path: '/api/jobs' }
  return String((await callRoute(network, route, { body: { quoteId } }, bearer(key))).json['jobId'])
}

/** An object that nobody else has. A new key may have to be waited for. */
function keepBlob({ ready }: Network, key: string): Promise<string> {
  const bytes = randomBytes(100)
  const hash = createHash('sha256').update(bytes).digest()
  const list = chunkListOf([{ hash, length: bytes.length }])
  const signal = AbortSignal.timeout(60_000)
  const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
  const wire = createBlobWire({ fetch, baseUrl: ready.apiUrl, token: () => key, sleep, signal })
  const sha256 = hash.toString('hex')
  return until('the object to be kept', async () => {
    try {
      await wire.begin(sha256, list)
      await wire.sendPack(await nodeCompression.zstd(writePack(list, [bytes])))
      return (await wire.commit(sha256)) === null ? sha256 : false
    } catch (error) {
      if (error instanceof Problem && error.code === 'invalid_api_key') return false
      throw error
    }
  })
}

/** An input file of so many requests. A new key may have to be waited for. */
export async function uploadFile({ ready }: Network, key: string, requests: number): Promise<string> {
  const body = { model: 'tiny', messages: [{ role: 'user', content: 'hi' }], max_tokens: 50 }
  const lines = Array.from({ length: requests }, (_, index) =>
    JSON.stringify({ custom_id: `${index}`, method: 'POST', url: '/v1/chat/completions', body }),
  )
  return until('the file to be taken', async () => {
    const form = new FormData()
    form.set('purpose', 'batch')
    form.set('file', new Blob([lines.join('\n')]), 'input.jsonl')
    const answer = await fetch(`${ready.openaiBaseUrl}/files`, {
      method: 'POST',
      headers: bearer(key),
      body: form,
    })
    const { id } = (await answer.json()) as { id?: string }
    return id ?? null
  })
}

async function cancelledBatch(network: Network, key: string): Promise<string> {
  const input_file_id = await uploadFile(network, key, 400)
  const body = { input_file_id, endpoint: '/v1/chat/completions', completion_window: '24h' }
  const batches = { method: 'POST', path: '/v1/batches' }
  const id = String((await callRoute(network, batches, { body }, bearer(key))).json['id'])
  await callRoute(network, { ...batches, path: `/v1/batches/${id}/cancel` }, {}, bearer(key))
  return id
}

async function enrol(network: Network, providerKey: string): Promise<string> {
  const tokens = { method: 'POST', path: '/api/enrolment-tokens' }
  const made = await callRoute(network, tokens, { body: {} }, bearer(providerKey))
  const body = await enrolBody(String(made.json['token']))
  const enrolled = await callRoute(network, { method: 'POST', path: '/api/nodes' }, { body })
  return String(enrolled.json['nodeId'])
}
