/**
 * For every operation of `/openapi.json`: a call that must succeed on an organisation's own objects, made fresh where
 * it uses them up, and the same call pointed at objects of somebody else. A new route has to be told of here.
 */
import { createHash } from 'node:crypto'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import type { Client } from '#protocol/client.ts'
import { enrolmentText } from '#protocol/enrolment.ts'
import { secretOf } from '#protocol/join-token.ts'
import type { Scope } from '#protocol/scope.ts'
import { slaRouteMakers } from './route-inputs-sla.ts'

/** One call in wire form. */
export interface RouteInput {
  readonly params?: Readonly<Record<string, string>>
  readonly query?: Readonly<Record<string, string>>
  readonly body?: Readonly<Record<string, unknown>>
  /** Status of a call that was let through; that of the document unless told. */
  readonly status?: number
}

/** An organisation with one of everything. */
export interface Tenant {
  readonly organisationId: string
  /** A key of each scope. */
  readonly keys: Readonly<Record<Scope, string>>
  readonly memberId: string
  readonly serviceAccountId: string
  readonly projectId: string
  readonly keyId: string
  readonly nodeId: string
  readonly accountId: string
  readonly holdbackId: string
  readonly payoutId: string
  readonly fileId: string
  /** Of an object that it keeps. */
  readonly sha256: string
  /** Cancelled, which may be asked for again. */
  readonly batchId: string
  readonly quoteId: string
  /** Of a job that no machine is large enough for. */
  readonly jobId: string
}

/** By organisation, what uploads another file for it. */
export const fileMakers = new Map<string, () => Promise<string>>()
/** Likewise what keeps another object for it. */
export const blobMakers = new Map<string, () => Promise<string>>()

/** Likewise what makes another job for it. */
export const jobMakers = new Map<string, () => Promise<string>>()

/** A job that no machine is large enough for, so that it stays as it is. */
export const hugeJob = {
  name: 'huge',
  steps: [
    {
      name: 'one',
      kind: 'command',
      requirements: { memoryMib: 10_000_000 },
      tasks: [{ part: 1 }],
      estimateMs: 1_000,
    },
  ],
}

export interface RouteMaker {
  /** On the tenant's own objects. */
  readonly own: (tenant: Tenant, operator: Client) => Promise<RouteInput> | RouteInput
  /** By name, what of the input names an object that belongs to somebody: `place` in the input and the tenant's value. */
  readonly pointers?: Readonly<Record<string, (tenant: Tenant) => RouteInput>>
}

let counter = 0
const fresh = (name: string): string => `${name}-${++counter}`

const NAME = { name: 'n', scopes: ['viewer'] }
const onlyQuery = (name: 'organisationId' | 'projectId') => ({
  [`query ${name}`]: (tenant: Tenant) => ({ query: { [name]: tenant[name] } }),
})
/** A route with one id in its path and no body. */
const byPath = (
  name:
    | 'keyId'
    | 'memberId'
    | 'serviceAccountId'
    | 'projectId'
    | 'nodeId'
    | 'accountId'
    | 'payoutId'
    | 'organisationId'
    | 'fileId'
    | 'sha256'
    | 'batchId'
    | 'quoteId'
    | 'jobId',
  more: RouteInput = {},
): RouteMaker => ({
  own: (tenant) => ({ params: { [name]: tenant[name] }, ...more }),
  pointers: { [`path ${name}`]: (tenant) => ({ params: { [name]: tenant[name] }, ...more }) },
})
const plain = (input: RouteInput = {}): RouteMaker => ({ own: () => input })

/** What a call uses up is made first, by the network's operator. */
const used = (
  name: string,
  make: (tenant: Tenant, operator: Client) => Promise<string>,
  more: (tenant: Tenant) => RouteInput = () => ({}),
  value: (tenant: Tenant) => string = (tenant) => tenant[name as 'keyId'],
): RouteMaker => ({
  own: async (tenant, operator) => ({ params: { [name]: await make(tenant, operator) }, ...more(tenant) }),
  pointers: { [`path ${name}`]: (tenant) => ({ params: { [name]: value(tenant) }, ...more(tenant) }) },
})

const newKey = async ({ organisationId }: Tenant, operator: Client): Promise<string> =>
  (await operator.createKey({ body: { name: 'k', scopes: ['viewer'], organisationId } })).keyId

const newPayout = async (tenant: Tenant, operator: Client): Promise<string> =>
  (await operator.requestPayout({ body: { ...payoutBody(tenant), amount: 10_000_000_000n } })).payoutId

/** Models are the network's own: no organisation's. */
const modelSource = { kind: 'url', url: 'https://models.example/small.gguf' } as const
const newModel = async (operator: Client): Promise<string> =>
  (await operator.addModel({ body: { name: fresh('model'), source: modelSource } })).name

const payoutBody = ({ organisationId }: Tenant) => ({
  requestId: fresh('request'),
  createdAtMs: Date.now(),
  destination: 'somewhere',
  organisationId,
})

const newHoldback = async ({ accountId }: Tenant, operator: Client): Promise<string> => {
  const holdbackId = fresh('holdback')
  await operator.holdBackPay({ params: { accountId }, body: { holdbackId, amount: 1n, reason: 'r' } })
  return holdbackId
}

export async function enrolBody(token: string): Promise<Readonly<Record<string, unknown>>> {
  const seed = createHash('sha256').update(fresh('node')).update(token).digest()
  const { publicKeyHex: publicKey, privateKeyHex } = nodeCrypto.keyPair(seed)
  const enrolment = { token: secretOf(token), publicKey, name: fresh('node'), askPerGpuHour: 1n }
  const text = new TextEncoder().encode(enrolmentText(enrolment))
  const signature = Buffer.from(nodeCrypto.sign(privateKeyHex, text)).toString('hex')
  return { ...enrolment, askPerGpuHour: '1', signature }
}

const batchOf = (input_file_id: string) => ({
  input_file_id,
  endpoint: '/v1/chat/completions',
  completion_window: '24h',
})

const chat = { model: 'tiny', messages: [{ role: 'user', content: 'hi' }], max_tokens: 1 }

export const routeMakers: Readonly<Record<string, RouteMaker>> = {
  listModels: plain(),
  getModel: plain({ params: { model: 'tiny' } }),
  createChatCompletion: plain({ body: chat }),
  createResponse: plain({ body: { model: 'tiny', input: 'hi', max_output_tokens: 16 } }),
  createCompletion: plain({ body: { model: 'tiny', prompt: 'hi', max_tokens: 1 } }),
  // Refused for its content, after it was let in: this model makes no vectors.
  createEmbedding: plain({ body: { model: 'tiny', input: [] }, status: 400 }),
  // Refused after it was let in: this is no form.
  createFile: plain({ body: {}, status: 400 }),
  listFiles: plain(),
  getFile: byPath('fileId'),
  getFileContent: byPath('fileId'),
  deleteFile: used('fileId', async ({ organisationId }) => (await fileMakers.get(organisationId)?.()) ?? ''),
  createBatch: {
    own: ({ fileId }) => ({ body: batchOf(fileId) }),
    pointers: { 'body input_file_id': ({ fileId }) => ({ body: batchOf(fileId) }) },
  },
  listBatches: plain(),
  getBatch: byPath('batchId'),
  cancelBatch: byPath('batchId'),

  getBlobUsage: plain(),
  askBlobs: plain({ body: { objects: ['a0'.repeat(32)] } }),
  beginBlob: plain({ body: { sha256: 'a0'.repeat(32), chunks: '' } }),
  // Refused after it was let in: this is no pack.
  sendPack: plain({ body: {}, status: 400 }),
  putBlob: plain({ params: { sha256: 'a0'.repeat(32) }, body: {}, status: 400 }),
  commitBlob: byPath('sha256', { body: {} }),
  getBlob: byPath('sha256'),
  listBlobChunks: byPath('sha256'),
  deleteBlob: used('sha256', async ({ organisationId }) => (await blobMakers.get(organisationId)?.()) ?? ''),

  askQuote: plain({ body: hugeJob }),
  getQuote: byPath('quoteId'),
  // One quote makes one job, however often it is asked for.
  createJob: {
    own: ({ quoteId }) => ({ body: { quoteId } }),
    pointers: { 'body quoteId': ({ quoteId }) => ({ body: { quoteId } }) },
  },
  listJobs: { own: () => ({}), pointers: onlyQuery('organisationId') },
  getJob: byPath('jobId'),
  listJobTasks: byPath('jobId'),
  whyTask: ofTask(),
  followJob: byPath('jobId'),
  pauseJob: byPath('jobId', { body: {} }),
  resumeJob: byPath('jobId', { body: {} }),
  cancelJob: used(
    'jobId',
    async ({ organisationId }) => (await jobMakers.get(organisationId)?.()) ?? '',
    () => ({ body: {} }),
    ({ jobId }) => jobId,
  ),
  requeueTasks: byPath('jobId', { body: {} }),
  setJobCap: byPath('jobId', { body: { cap: '1000000000' } }),
  setJobPriority: byPath('jobId', { body: { priority: 80 } }),
  // Refused after it was let in: nothing of it is done.
  rejectTask: ofTask({ body: { reason: 'r' }, status: 409 }),

  getLive: plain(),
  takeOver: plain({ status: 409 }),
  proveNetwork: plain({ params: { host: '127.0.0.1', publicKey: 'a0'.repeat(32), nonce: 'a0'.repeat(32) } }),

  createOrganisation: plain({ body: { name: 'n' } }),
  getOrganisation: byPath('organisationId'),
  inviteMember: {
    own: () => ({ body: { ...NAME, email: 'a@b' } }),
    pointers: {
      'body organisationId': ({ organisationId }) => ({ body: { ...NAME, email: 'a@b', organisationId } }),
    },
  },
  acceptInvitation: {
    own: async ({ organisationId }, operator) => {
      const body = { name: 'n', email: 'a@b', scopes: ['viewer' as const], organisationId }
      const { invitation } = await operator.inviteMember({ body })
      return { body: { invitation } }
    },
  },
  listMembers: { own: () => ({}), pointers: onlyQuery('organisationId') },
  getMember: byPath('memberId'),
  changeMemberScopes: byPath('memberId', { body: { scopes: ['developer'] } }),
  removeMember: used('memberId', async ({ organisationId }, operator) => {
    const body = { name: 'n', email: 'a@b', scopes: ['viewer' as const], organisationId }
    return (await operator.inviteMember({ body })).memberId
  }),
  createServiceAccount: {
    own: () => ({ body: NAME }),
    pointers: { 'body organisationId': ({ organisationId }) => ({ body: { ...NAME, organisationId } }) },
  },
  listServiceAccounts: { own: () => ({}), pointers: onlyQuery('organisationId') },
  getServiceAccount: byPath('serviceAccountId'),
  removeServiceAccount: used('serviceAccountId', async ({ organisationId }, operator) => {
    const body = { name: 'n', scopes: ['viewer' as const], organisationId }
    return (await operator.createServiceAccount({ body })).serviceAccountId
  }),
  createProject: {
    own: () => ({ body: { name: 'n' } }),
    pointers: { 'body organisationId': ({ organisationId }) => ({ body: { name: 'n', organisationId } }) },
  },
  listProjects: { own: () => ({}), pointers: onlyQuery('organisationId') },
  getProject: byPath('projectId'),
  archiveProject: used('projectId', async ({ organisationId }, operator) => {
    return (await operator.createProject({ body: { name: 'n', organisationId } })).projectId
  }),

  createKey: {
    own: ({ projectId, memberId }) => ({
      body: { ...NAME, projectId, holder: { kind: 'member', id: memberId } },
    }),
    pointers: {
      'body organisationId': ({ organisationId }) => ({ body: { ...NAME, organisationId } }),
      'body projectId': ({ projectId }) => ({ body: { ...NAME, projectId } }),
      'body holder': ({ memberId: id }) => ({ body: { ...NAME, holder: { kind: 'member', id } } }),
      'body holder that is a program': ({ serviceAccountId: id }) => ({
        body: { ...NAME, holder: { kind: 'service_account', id } },
      }),
    },
  },
  getOwnKey: plain(),
  listKeys: { own: () => ({}), pointers: { ...onlyQuery('organisationId'), ...onlyQuery('projectId') } },
  getKey: byPath('keyId'),
  rotateKey: used('keyId', newKey, () => ({ body: { overlapMs: 1_000 } })),
  changeKeyLimits: byPath('keyId', { body: { limits: { tokensPerDay: 1 } } }),
  revokeKey: used('keyId', newKey),
  listAlerts: { own: () => ({}), pointers: onlyQuery('organisationId') },
  ...slaRouteMakers,
  getNodeReceipts: byPath('nodeId'),
  getOrganisationReceipts: byPath('organisationId'),
  readReceipts: {
    own: () => ({ query: { chain: 'c' } }),
    pointers: {
      'query nodeId': ({ nodeId }) => ({ query: { chain: 'c', nodeId } }),
      'query organisationId': ({ organisationId }) => ({ query: { chain: 'c', organisationId } }),
    },
  },

  listAudit: { own: () => ({}), pointers: onlyQuery('organisationId') },
  exportAudit: byPath('organisationId'),

  listAccounts: { own: () => ({}), pointers: onlyQuery('organisationId') },
  getAccount: byPath('accountId'),
  depositToAccount: {
    own: ({ accountId }) => ({ params: { accountId }, body: depositBody() }),
    pointers: { 'path accountId': ({ accountId }) => ({ params: { accountId }, body: depositBody() }) },
  },
  getStatement: byPath('accountId'),
  holdBackPay: {
    own: ({ accountId }) => ({ params: { accountId }, body: holdbackBody() }),
    pointers: { 'path accountId': ({ accountId }) => ({ params: { accountId }, body: holdbackBody() }) },
  },
  listHoldbacks: byPath('accountId'),
  releaseHoldback: used('holdbackId', newHoldback),
  getEarnings: byPath('accountId'),
  requestPayout: {
    own: (tenant) => {
      const { organisationId: _, ...body } = payoutBody(tenant)
      return { body: { ...body, amount: '10000000000' } }
    },
    pointers: {
      'body organisationId': (tenant) => ({ body: { ...payoutBody(tenant), amount: '10000000000' } }),
    },
  },
  listPayouts: { own: () => ({}), pointers: onlyQuery('organisationId') },
  getPayout: byPath('payoutId'),
  payPayout: used('payoutId', newPayout, () => ({ body: { externalReference: 'bank 1' } })),
  refusePayout: used('payoutId', newPayout, () => ({ body: { reason: 'r' } })),

  createEnrolmentToken: plain({ body: {} }),
  enrolNode: {
    own: async (_tenant, operator) => {
      const { token } = await operator.createEnrolmentToken({ body: {} })
      return { body: await enrolBody(token) }
    },
  },
  listNodes: { own: () => ({}), pointers: onlyQuery('organisationId') },
  getNode: byPath('nodeId'),
  drainNode: byPath('nodeId'),
  undrainNode: byPath('nodeId'),
  banNode: byPath('nodeId', { body: { reason: 'r' } }),
  unbanNode: byPath('nodeId'),
  releaseNode: byPath('nodeId'),
  getNodeAudits: byPath('nodeId'),
  liftNodeCases: byPath('nodeId', { body: { reason: 'r' } }),
  classNode: byPath('nodeId', { body: { nodeClass: 'vetted' } }),

  listCatalogue: plain(),
  getCatalogueModel: {
    own: async (_tenant, operator) => ({ params: { model: await newModel(operator) } }),
  },
  addModel: { own: () => ({ body: { name: fresh('model'), source: modelSource } }) },
  changeModel: {
    own: async (_tenant, operator) => ({
      params: { model: await newModel(operator) },
      body: { replicasMin: 0, price: { input: '1', cached: '1', output: '2' } },
    }),
  },
  removeModel: {
    own: async (_tenant, operator) => ({ params: { model: await newModel(operator) } }),
  },

  listUsage: { own: () => ({}), pointers: { ...onlyQuery('organisationId'), ...onlyQuery('projectId') } },
  summariseUsage: {
    own: () => ({}),
    pointers: { ...onlyQuery('organisationId'), ...onlyQuery('projectId') },
  },
}

function ofTask(more: RouteInput = {}): RouteMaker {
  const point = ({ jobId }: Tenant): RouteInput => ({ params: { jobId, step: '0', task: '0' }, ...more })
  return { own: point, pointers: { 'path jobId': point } }
}

function depositBody(): Readonly<Record<string, unknown>> {
  const transferId = fresh('transfer')
  return {
    transferId,
    createdAtMs: Date.now(),
    amount: '1',
    memo: '',
    isTest: false,
    externalReference: transferId,
  }
}

const holdbackBody = () => ({ holdbackId: fresh('holdback'), amount: '1', reason: 'r' })
