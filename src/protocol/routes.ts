/** Every endpoint of the control API. */
import { z } from 'zod'
import { Account, AccountPage, Deposit, DepositRequest, LedgerCheck, Statement } from './account.ts'
import { ApiKey, ApiKeyPage, CreateApiKey, CreatedApiKey } from './api-key.ts'
import { CreateEnrolmentToken, EnrolmentToken, EnrolNode } from './enrolment.ts'
import { Id } from './field.ts'
import { Health, NetworkStatus, ReadModelRebuild } from './network-status.ts'
import { BanNode, Node, NodePage } from './node.ts'
import { CreateOrganisation, Organisation, OrganisationPage } from './organisation.ts'
import { PageQuery, pageQuery } from './page.ts'
import type { Routes } from './route.ts'
import { UsagePage, UsageSummary } from './usage-page.ts'

const KeyParams = z.strictObject({ keyId: Id })
const AccountParams = z.strictObject({ accountId: Id })
const NodeParams = z.strictObject({ nodeId: Id })

const organisationQuery = {
  organisationId: Id.optional().describe('Only this organisation’s: operators only.'),
}

const network = {
  getHealth: {
    method: 'GET',
    path: '/api/health',
    scope: 'public',
    summary: 'Says that the coordinator serves.',
    reply: Health,
  },
  getStatus: {
    method: 'GET',
    path: '/api/status',
    scope: 'viewer',
    summary: 'Reads the network at a glance: nodes, models with prices and speeds, load and lag.',
    reply: NetworkStatus,
  },
  rebuildReadModels: {
    method: 'POST',
    path: '/api/read-models/rebuild',
    scope: 'operator',
    summary: 'Empties the read models and projects them from the whole journal again.',
    reply: ReadModelRebuild,
  },
} as const satisfies Routes

const organisations = {
  createOrganisation: {
    method: 'POST',
    path: '/api/organisations',
    scope: 'operator',
    summary: 'Creates an organisation, with a consumer and a provider account.',
    body: CreateOrganisation,
    example: { name: 'Ada Render' },
    reply: Organisation,
    status: 201,
  },
  listOrganisations: {
    method: 'GET',
    path: '/api/organisations',
    scope: 'operator',
    summary: 'Lists organisations.',
    query: PageQuery,
    reply: OrganisationPage,
  },
  createKey: {
    method: 'POST',
    path: '/api/keys',
    scope: 'owner',
    summary: 'Creates an API key and shows it, once.',
    description: 'A key may only be given scopes that the calling key includes.',
    body: CreateApiKey,
    example: { name: 'ci', scopes: ['developer'] },
    reply: CreatedApiKey,
    status: 201,
  },
  listKeys: {
    method: 'GET',
    path: '/api/keys',
    scope: 'viewer',
    summary: 'Lists the organisation’s keys, the revoked ones among them.',
    query: PageQuery,
    reply: ApiKeyPage,
  },
  revokeKey: {
    method: 'DELETE',
    path: '/api/keys/:keyId',
    scope: 'owner',
    summary: 'Revokes a key, at once and for good. A repeat changes nothing.',
    params: KeyParams,
    reply: ApiKey,
  },
} as const satisfies Routes

const money = {
  listAccounts: {
    method: 'GET',
    path: '/api/accounts',
    scope: 'viewer',
    summary: 'Lists the organisation’s accounts; for an operator, all accounts.',
    query: z.strictObject({ ...pageQuery, ...organisationQuery }),
    reply: AccountPage,
  },
  getAccount: {
    method: 'GET',
    path: '/api/accounts/:accountId',
    scope: 'viewer',
    summary: 'Reads one account, always as new as the ledger.',
    params: AccountParams,
    reply: Account,
  },
  depositToAccount: {
    method: 'POST',
    path: '/api/accounts/:accountId/deposits',
    scope: 'operator',
    summary: 'Adds money to an account. Idempotent by `transferId`.',
    params: AccountParams,
    body: DepositRequest,
    example: {
      transferId: 'invoice-2026-118',
      createdAtMs: 1_795_348_800_000,
      amount: '25000000000',
      memo: 'invoice 2026-118',
      isTest: false,
    },
    reply: Deposit,
  },
  getStatement: {
    method: 'GET',
    path: '/api/accounts/:accountId/statement',
    scope: 'viewer',
    summary: 'Reads an account’s postings, newest first.',
    params: AccountParams,
    query: PageQuery,
    reply: Statement,
  },
  checkLedger: {
    method: 'GET',
    path: '/api/ledger/check',
    scope: 'operator',
    summary: 'Sums every account: the proof that no money was made or lost.',
    reply: LedgerCheck,
  },
} as const satisfies Routes

const fleet = {
  createEnrolmentToken: {
    method: 'POST',
    path: '/api/enrolment-tokens',
    scope: 'provider',
    summary: 'Makes a single-use token that enrols one node into the organisation.',
    body: CreateEnrolmentToken,
    example: { expiresInMs: 900_000 },
    reply: EnrolmentToken,
    status: 201,
  },
  enrolNode: {
    method: 'POST',
    path: '/api/nodes',
    scope: 'enrolment_token',
    summary: 'Enrols a node by its token.',
    description: [
      '`signature` is the ed25519 signature, by the node’s private key, of these five lines in UTF-8, joined by a',
      'newline and without one at the end: `shoal enrol 1`, the token, the public key in hex, the ask per GPU-hour as',
      'a decimal string, the name.',
    ].join('\n'),
    body: EnrolNode,
    example: {
      token: 'join-…',
      publicKey: 'd7'.repeat(32),
      name: 'workbench',
      askPerGpuHour: '100000000',
      signature: 'a1'.repeat(64),
    },
    reply: Node,
    status: 201,
  },
  listNodes: {
    method: 'GET',
    path: '/api/nodes',
    scope: 'viewer',
    summary: 'Lists the organisation’s nodes; for an operator, all nodes.',
    query: z.strictObject({ ...pageQuery, ...organisationQuery }),
    reply: NodePage,
  },
  getNode: {
    method: 'GET',
    path: '/api/nodes/:nodeId',
    scope: 'viewer',
    summary: 'Reads one node.',
    params: NodeParams,
    reply: Node,
  },
  drainNode: {
    method: 'POST',
    path: '/api/nodes/:nodeId/drain',
    scope: 'provider',
    summary: 'Gives a node no new work; what it has under way ends in peace.',
    params: NodeParams,
    reply: Node,
  },
  undrainNode: {
    method: 'POST',
    path: '/api/nodes/:nodeId/undrain',
    scope: 'provider',
    summary: 'Gives a drained node work again.',
    params: NodeParams,
    reply: Node,
  },
  banNode: {
    method: 'POST',
    path: '/api/nodes/:nodeId/ban',
    scope: 'operator',
    summary: 'Shuts a node out of the network.',
    params: NodeParams,
    body: BanNode,
    example: { reason: 'Returned garbage for 12 requests.' },
    reply: Node,
  },
  unbanNode: {
    method: 'POST',
    path: '/api/nodes/:nodeId/unban',
    scope: 'operator',
    summary: 'Lets a banned node come back.',
    params: NodeParams,
    reply: Node,
  },
} as const satisfies Routes

const usage = {
  listUsage: {
    method: 'GET',
    path: '/api/usage',
    scope: 'viewer',
    summary: 'Lists the organisation’s requests, newest first, with totals.',
    query: z.strictObject({ ...pageQuery, model: z.string().min(1).max(200).optional() }),
    reply: UsagePage,
  },
  summariseUsage: {
    method: 'GET',
    path: '/api/usage/summary',
    scope: 'viewer',
    summary: 'Sums the organisation’s requests per day and model.',
    query: PageQuery,
    reply: UsageSummary,
  },
} as const satisfies Routes

export const routes = { ...network, ...organisations, ...money, ...fleet, ...usage }
export type ControlRoutes = typeof routes
