/** Every endpoint of the control API. */
import { z } from 'zod'
import { economicsRoutes } from './economics-routes.ts'
import { CreateEnrolmentToken, EnrolmentToken, EnrolNode } from './enrolment.ts'
import { Id } from './field.ts'
import { jobRoutes } from './job-routes.ts'
import { LiveNetwork } from './live.ts'
import { modelRoutes } from './model-routes.ts'
import { moneyRoutes } from './money-routes.ts'
import { NetworkProof, NetworkProofParams } from './network-key.ts'
import { Health, NetworkStatus, ReadModelRebuild } from './network-status.ts'
import { BanNode, ClassNode, Node, NodePage } from './node.ts'
import { nodeAuditRoutes } from './node-audits.ts'
import { organisationRoutes } from './organisation-routes.ts'
import { pageQuery } from './page.ts'
import { receiptRoutes } from './receipt-routes.ts'
import type { Routes } from './route.ts'
import { organisationQuery, projectQuery } from './route-queries.ts'
import { slaRoutes } from './sla-routes.ts'
import { UsagePage, UsageSummary } from './usage-page.ts'

const NodeParams = z.strictObject({ nodeId: Id })

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
  getLive: {
    method: 'GET',
    path: '/api/live',
    scope: 'viewer',
    summary: 'Reads what the network does at this moment: load, speeds, nodes, open and newest requests.',
    reply: LiveNetwork,
  },
  takeOver: {
    method: 'POST',
    path: '/api/takeover',
    scope: 'operator',
    summary: 'Makes a coordinator that stands by take over from the one that leads.',
    description:
      'To be sent to the address of the standby itself. It answers at once and leads within a second; the old leader’s next write is refused, and it stops. The one that leads already answers 409.',
    reply: Health,
  },
  rebuildReadModels: {
    method: 'POST',
    path: '/api/read-models/rebuild',
    scope: 'operator',
    summary: 'Empties the read models and projects them from the whole journal again.',
    reply: ReadModelRebuild,
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
  proveNetwork: {
    method: 'GET',
    path: '/api/network-proof/:host/:publicKey/:nonce',
    scope: 'public',
    summary: 'Proves to a machine that is about to enrol that this is the network of its token.',
    description: [
      '`signature` is the ed25519 signature, by the network’s key, of these four lines in UTF-8, joined by a newline and',
      'without one at the end: `shoal network enrol 1`, the host, the nonce, the machine’s public key. The token has the',
      'fingerprint of the network’s key. A host that the network does not go by is refused.',
    ].join('\n'),
    params: NetworkProofParams,
    reply: NetworkProof,
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
  releaseNode: {
    method: 'POST',
    path: '/api/nodes/:nodeId/release',
    scope: 'operator',
    summary: 'Lets a node out of quarantine; it gets work again once it has proven its hardware.',
    params: NodeParams,
    reply: Node,
  },
  classNode: {
    method: 'POST',
    path: '/api/nodes/:nodeId/class',
    scope: 'operator',
    summary: 'Says how far a node is trusted: callers may ask for a class at least.',
    params: NodeParams,
    body: ClassNode,
    example: { nodeClass: 'vetted' },
    reply: Node,
  },
} as const satisfies Routes

const modelQuery = { model: z.string().min(1).max(200).optional() }

const usage = {
  listUsage: {
    method: 'GET',
    path: '/api/usage',
    scope: 'viewer',
    summary: 'Lists the organisation’s requests, newest first, with totals.',
    query: z.strictObject({ ...pageQuery, ...organisationQuery, ...projectQuery, ...modelQuery }),
    reply: UsagePage,
  },
  summariseUsage: {
    method: 'GET',
    path: '/api/usage/summary',
    scope: 'viewer',
    summary: 'Sums the organisation’s requests per day and model.',
    query: z.strictObject({ ...pageQuery, ...organisationQuery, ...projectQuery, ...modelQuery }),
    reply: UsageSummary,
  },
} as const satisfies Routes

export const routes = {
  ...network,
  ...organisationRoutes,
  ...moneyRoutes,
  ...fleet,
  ...modelRoutes,
  ...jobRoutes,
  ...receiptRoutes,
  ...slaRoutes,
  ...nodeAuditRoutes,
  ...usage,
  ...economicsRoutes,
}
export type ControlRoutes = typeof routes
