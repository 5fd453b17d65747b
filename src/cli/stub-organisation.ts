/** The people, programs, projects, acts and payouts of the network in memory that tests of the commands run against. */
import { hashOf, noHead } from '#audit/audit.ts'
import type { ApiKey } from '#protocol/api-key.ts'
import type { AuditEntry } from '#protocol/audit.ts'
import type { BudgetAlert } from '#protocol/budget-alert.ts'
import type { Member } from '#protocol/member.ts'
import type { moneyRoutes } from '#protocol/money-routes.ts'
import type { organisationRoutes } from '#protocol/organisation-routes.ts'
import { paginate } from '#protocol/page.ts'
import type { Payout } from '#protocol/payout.ts'
import { Problem } from '#protocol/problem.ts'
import type { Project } from '#protocol/project.ts'
import type { Handlers } from '#protocol/route.ts'
import type { ServiceAccount } from '#protocol/service-account.ts'

const fresh = { asOfSequence: 41, lagEntries: 0 }
const DAY_MS = 86_400_000

type Names =
  | Exclude<
      keyof typeof organisationRoutes,
      'createOrganisation' | 'listOrganisations' | 'createKey' | 'listKeys' | 'revokeKey'
    >
  | 'holdBackPay'
  | 'listHoldbacks'
  | 'releaseHoldback'
  | 'getEarnings'
  | 'requestPayout'
  | 'listPayouts'
  | 'getPayout'
  | 'payPayout'
  | 'refusePayout'

/** `keys` is shared with the rest of the network; `nowMs` is its fixed time. */
export function stubOrganisationHandlers(
  keys: Map<string, ApiKey>,
  nowMs: number,
): Pick<Handlers<typeof organisationRoutes & typeof moneyRoutes>, Names> {
  const member: Member = {
    memberId: 'member_1',
    organisationId: 'org_1',
    name: 'Ada \u001b[31mred',
    email: 'ada@example.com',
    scopes: ['developer'],
    status: 'accepted',
    invitedAtMs: nowMs - 3 * DAY_MS,
    acceptedAtMs: nowMs - 2 * DAY_MS,
    removedAtMs: null,
  }
  const account: ServiceAccount = {
    serviceAccountId: 'svc_1',
    organisationId: 'org_1',
    name: 'ci',
    scopes: ['developer'],
    createdAtMs: nowMs - DAY_MS,
    removedAtMs: null,
  }
  const project: Project = {
    projectId: 'default:org_1',
    organisationId: 'org_1',
    name: 'default',
    isDefault: true,
    createdAtMs: nowMs - 9 * DAY_MS,
    archivedAtMs: null,
  }
  const other: Project = { ...project, projectId: 'proj_1', name: 'search', isDefault: false }
  const payout: Payout = {
    payoutId: 'payout_1',
    organisationId: 'org_1',
    accountId: 'provider:org_1',
    amount: 25_000_000_000n,
    method: 'manual',
    destination: 'IBAN XX00',
    state: 'requested',
    requestedAtMs: nowMs - DAY_MS,
    settledAtMs: null,
    externalReference: null,
    reason: null,
  }
  const keyOf = (keyId: string): ApiKey => {
    const key = keys.get(keyId)
    if (key) return key
    throw new Problem('not_found', `There is no API key ${keyId}.`)
  }
  const use = { day: 1, tokens: 1_234, spend: 1_250_000_000n, month: 1, monthSpend: 2_500_000_000n }
  const acts = stubActs(nowMs)
  const alert: BudgetAlert = {
    alertId: 'alert-41-0',
    organisationId: 'org_1',
    keyId: 'key_1',
    budgetId: 'key_1',
    window: 'day',
    sharePercent: 50,
    spent: 2_510_000_000n,
    limit: 5_000_000_000n,
    atMs: nowMs - DAY_MS / 24,
  }
  return {
    getOrganisation: ({ params }) => ({ ...params, name: 'local', createdAtMs: nowMs }),
    inviteMember: ({ body: { name, email, scopes } }) => ({
      ...member,
      name,
      email,
      scopes,
      status: 'invited',
      acceptedAtMs: null,
      invitation: 'invite-c0ffee',
      expiresAtMs: nowMs + 7 * DAY_MS,
    }),
    acceptInvitation: () => ({ member, key: { ...keyOf('key_1'), key: 'sk-shoal-c0ffee' } }),
    listMembers: ({ query }) => paginate([member], query, ({ memberId }) => memberId),
    getMember: () => member,
    changeMemberScopes: ({ body }) => ({ ...member, scopes: body.scopes }),
    removeMember: () => ({ ...member, status: 'removed', removedAtMs: nowMs }),
    createServiceAccount: ({ body: { name, scopes } }) => ({ ...account, name, scopes }),
    listServiceAccounts: ({ query }) =>
      paginate([account], query, ({ serviceAccountId }) => serviceAccountId),
    getServiceAccount: () => account,
    removeServiceAccount: () => ({ ...account, removedAtMs: nowMs }),
    createProject: ({ body: { name } }) => ({ ...other, name }),
    listProjects: ({ query }) => paginate([project, other], query, ({ projectId }) => projectId),
    getProject: () => other,
    archiveProject: () => ({ ...other, archivedAtMs: nowMs }),
    getOwnKey: () => ({ ...keyOf('key_1'), use, lastAlert: alert }),
    getKey: ({ params }) => ({ ...keyOf(params.keyId), use }),
    rotateKey: ({ params }) => ({ ...keyOf(params.keyId), keyId: 'key_4', key: 'sk-shoal-decade' }),
    changeKeyLimits: ({ params, body }) => ({ ...keyOf(params.keyId), limits: body.limits }),
    listAlerts: ({ query }) => ({ ...paginate([alert], query, ({ alertId }) => alertId), ...fresh }),
    listAudit: ({ query }) => ({ ...paginate(acts.toReversed(), query, ({ hash }) => hash), ...fresh }),
    exportAudit: ({ params, query }) => {
      const { sequence, hash } = acts.at(-1) ?? noHead
      return {
        ...params,
        ...paginate(acts, query, (entry) => entry.hash),
        head: { sequence, hash },
        ...fresh,
      }
    },
    holdBackPay: ({ params, body: { holdbackId, amount } }) => ({ ...params, holdbackId, amount }),
    listHoldbacks: () => ({ items: [], next: null }),
    releaseHoldback: () => ({
      accountId: 'provider:org_1',
      organisationId: 'org_1',
      kind: 'provider',
      available: 40n,
      held: 0n,
    }),
    getEarnings: ({ params }) => ({
      organisationId: 'org_1',
      ...params,
      earned: 90_000_000_000n,
      available: 40_000_000_000n,
      heldBack: 5_000_000_000n,
      requested: 25_000_000_000n,
      paid: 20_000_000_000n,
      payoutMin: 10_000_000_000n,
      methods: ['manual'],
    }),
    requestPayout: ({ body: { amount, destination } }) => ({ ...payout, amount, destination }),
    listPayouts: ({ query }) => ({ ...paginate([payout], query, ({ payoutId }) => payoutId), ...fresh }),
    getPayout: () => payout,
    payPayout: ({ body }) => ({ ...payout, ...body, state: 'paid', settledAtMs: nowMs }),
    refusePayout: ({ body }) => ({ ...payout, ...body, state: 'refused', settledAtMs: nowMs }),
  }
}

/** A chain of two. The stub terminal's hash is always the same. */
function stubActs(nowMs: number): AuditEntry[] {
  const note = {
    organisationId: 'org_1',
    actor: {
      kind: 'key' as const,
      keyId: 'key_1',
      organisationId: 'org_1',
      memberId: null,
      serviceAccountId: null,
      scopes: ['owner' as const],
    },
    requestId: 'req_1',
    sourceAddress: '127.0.0.1',
  }
  const done = { outcome: 'done' as const, problem: null }
  const first = {
    ...note,
    ...done,
    atMs: nowMs - 60_000,
    act: 'createKey',
    objectId: 'key_3',
    details: { name: 'ci', scopes: 'developer' },
    sequence: 1,
    previousHash: noHead.hash,
  }
  const second = {
    ...note,
    atMs: nowMs,
    act: 'banNode',
    objectId: 'nod_1',
    details: {},
    outcome: 'refused' as const,
    problem: 'scope_missing',
    sequence: 2,
    previousHash: stubHash(),
  }
  return [first, second].map((entry) => ({ ...entry, hash: hashOf(entry, stubHash) }))
}

const stubHash = (): string => '0'.repeat(64)
