/** Organisations and who is in them: people, programs, projects, keys, and what was done to any of these. */
import { z } from 'zod'
import {
  ApiKey,
  ApiKeyDetail,
  ApiKeyPage,
  ChangeKeyLimits,
  CreateApiKey,
  CreatedApiKey,
  RotateApiKey,
} from './api-key.ts'
import { AuditExport, AuditPage } from './audit.ts'
import { AlertPage } from './budget-alert.ts'
import { Id } from './field.ts'
import {
  AcceptedInvitation,
  AcceptInvitation,
  ChangeMemberScopes,
  InvitedMember,
  InviteMember,
  Member,
  MemberPage,
} from './member.ts'
import { CreateOrganisation, Organisation, OrganisationPage } from './organisation.ts'
import { PageQuery, pageQuery } from './page.ts'
import { CreateProject, Project, ProjectPage } from './project.ts'
import type { Routes } from './route.ts'
import { organisationQuery, projectQuery } from './route-queries.ts'
import { CreateServiceAccount, ServiceAccount, ServiceAccountPage } from './service-account.ts'

const OrganisationParams = z.strictObject({ organisationId: Id })
const MemberParams = z.strictObject({ memberId: Id })
const ServiceAccountParams = z.strictObject({ serviceAccountId: Id })
const ProjectParams = z.strictObject({ projectId: Id })
const KeyParams = z.strictObject({ keyId: Id })

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
  getOrganisation: {
    method: 'GET',
    path: '/api/organisations/:organisationId',
    scope: 'viewer',
    summary: 'Reads one organisation.',
    params: OrganisationParams,
    reply: Organisation,
  },
} as const satisfies Routes

const people = {
  inviteMember: {
    method: 'POST',
    path: '/api/members',
    scope: 'owner',
    summary: 'Invites a person, and shows the invitation, once.',
    description: 'A member may only be given scopes that the calling key includes.',
    body: InviteMember,
    example: { name: 'Ada', email: 'ada@example.com', scopes: ['developer'] },
    reply: InvitedMember,
    status: 201,
  },
  acceptInvitation: {
    method: 'POST',
    path: '/api/invitations/accept',
    scope: 'invitation_token',
    summary: 'Accepts an invitation and shows the member’s first key, once.',
    body: AcceptInvitation,
    example: { invitation: 'invite-…' },
    reply: AcceptedInvitation,
    status: 201,
  },
  listMembers: {
    method: 'GET',
    path: '/api/members',
    scope: 'viewer',
    summary: 'Lists the organisation’s members, those who left among them.',
    query: z.strictObject({ ...pageQuery, ...organisationQuery }),
    reply: MemberPage,
  },
  getMember: {
    method: 'GET',
    path: '/api/members/:memberId',
    scope: 'viewer',
    summary: 'Reads one member.',
    params: MemberParams,
    reply: Member,
  },
  changeMemberScopes: {
    method: 'POST',
    path: '/api/members/:memberId/scopes',
    scope: 'owner',
    summary: 'Gives a member other scopes. Their keys that may do more are revoked.',
    params: MemberParams,
    body: ChangeMemberScopes,
    example: { scopes: ['developer', 'billing'] },
    reply: Member,
  },
  removeMember: {
    method: 'DELETE',
    path: '/api/members/:memberId',
    scope: 'owner',
    summary: 'Removes a member and revokes their keys, at once. A repeat changes nothing.',
    params: MemberParams,
    reply: Member,
  },
  createServiceAccount: {
    method: 'POST',
    path: '/api/service-accounts',
    scope: 'owner',
    summary: 'Creates a service account: a program that holds keys.',
    body: CreateServiceAccount,
    example: { name: 'ci', scopes: ['developer'] },
    reply: ServiceAccount,
    status: 201,
  },
  listServiceAccounts: {
    method: 'GET',
    path: '/api/service-accounts',
    scope: 'viewer',
    summary: 'Lists the organisation’s service accounts, the removed ones among them.',
    query: z.strictObject({ ...pageQuery, ...organisationQuery }),
    reply: ServiceAccountPage,
  },
  getServiceAccount: {
    method: 'GET',
    path: '/api/service-accounts/:serviceAccountId',
    scope: 'viewer',
    summary: 'Reads one service account.',
    params: ServiceAccountParams,
    reply: ServiceAccount,
  },
  removeServiceAccount: {
    method: 'DELETE',
    path: '/api/service-accounts/:serviceAccountId',
    scope: 'owner',
    summary: 'Removes a service account and revokes its keys, at once. A repeat changes nothing.',
    params: ServiceAccountParams,
    reply: ServiceAccount,
  },
  createProject: {
    method: 'POST',
    path: '/api/projects',
    scope: 'owner',
    summary: 'Creates a project.',
    body: CreateProject,
    example: { name: 'search' },
    reply: Project,
    status: 201,
  },
  listProjects: {
    method: 'GET',
    path: '/api/projects',
    scope: 'viewer',
    summary: 'Lists the organisation’s projects, the archived ones among them.',
    query: z.strictObject({ ...pageQuery, ...organisationQuery }),
    reply: ProjectPage,
  },
  getProject: {
    method: 'GET',
    path: '/api/projects/:projectId',
    scope: 'viewer',
    summary: 'Reads one project.',
    params: ProjectParams,
    reply: Project,
  },
  archiveProject: {
    method: 'DELETE',
    path: '/api/projects/:projectId',
    scope: 'owner',
    summary: 'Archives a project that no live key belongs to; its usage stays. A repeat changes nothing.',
    params: ProjectParams,
    reply: Project,
  },
} as const satisfies Routes

const keys = {
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
  getOwnKey: {
    method: 'GET',
    path: '/api/key',
    scope: 'viewer',
    summary: 'Reads the calling key: whose it is, what it may do, and what was used of its limits.',
    reply: ApiKeyDetail,
  },
  listKeys: {
    method: 'GET',
    path: '/api/keys',
    scope: 'viewer',
    summary: 'Lists the organisation’s keys, the revoked ones among them.',
    query: z.strictObject({ ...pageQuery, ...organisationQuery, ...projectQuery }),
    reply: ApiKeyPage,
  },
  getKey: {
    method: 'GET',
    path: '/api/keys/:keyId',
    scope: 'viewer',
    summary: 'Reads one key, with what was used of its limits.',
    params: KeyParams,
    reply: ApiKeyDetail,
  },
  rotateKey: {
    method: 'POST',
    path: '/api/keys/:keyId/rotate',
    scope: 'owner',
    summary: 'Makes a key that takes another’s place, and shows it, once.',
    description:
      'The new key has the old one’s name, scopes, project, holder and limits, and both count against the same limits. The old one ends after the overlap.',
    params: KeyParams,
    body: RotateApiKey,
    example: { overlapMs: 3_600_000 },
    reply: CreatedApiKey,
    status: 201,
  },
  changeKeyLimits: {
    method: 'POST',
    path: '/api/keys/:keyId/limits',
    scope: 'owner',
    summary: 'Gives a key other limits.',
    params: KeyParams,
    body: ChangeKeyLimits,
    example: { limits: { requestsPerMinute: 60, spendPerDay: '5000000000' } },
    reply: ApiKey,
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

const alerts = {
  listAlerts: {
    method: 'GET',
    path: '/api/alerts',
    scope: 'viewer',
    summary:
      'Lists when keys reached 50, 80 and 100 % of their limits of money, newest first; for an operator, of all.',
    query: z.strictObject({ ...pageQuery, ...organisationQuery }),
    reply: AlertPage,
  },
} as const satisfies Routes

const audit = {
  listAudit: {
    method: 'GET',
    path: '/api/audit',
    scope: 'owner',
    summary: 'Lists administrative acts on the organisation, newest first; for an operator, on all.',
    description: 'Acts that were refused for want of a scope, or in conflict with what is, are among them.',
    query: z.strictObject({
      ...pageQuery,
      ...organisationQuery,
      act: z.string().min(1).max(100).optional().describe('Only this operation.'),
    }),
    reply: AuditPage,
  },
  exportAudit: {
    method: 'GET',
    path: '/api/organisations/:organisationId/audit',
    scope: 'owner',
    summary: 'Reads an organisation’s whole audit log, oldest first, to keep and to verify.',
    params: OrganisationParams,
    query: PageQuery,
    reply: AuditExport,
  },
} as const satisfies Routes

export const organisationRoutes = { ...organisations, ...people, ...keys, ...alerts, ...audit }
