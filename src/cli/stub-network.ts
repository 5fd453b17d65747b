/** A small network in memory, for the tests of the commands: fixed ids, times and amounts, so that what they print is golden. */
import { NANO_PER_USD } from '#kernel/money.ts'
import type { Account } from '#protocol/account.ts'
import type { ApiKey, CreatedApiKey } from '#protocol/api-key.ts'
import type { Node } from '#protocol/node.ts'
import { paginate } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller, Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import type { UsageLine } from '#protocol/usage-page.ts'
import { stubAudits } from './stub-audits.ts'
import { createStubJobs } from './stub-jobs.ts'
import { stubLive } from './stub-live.ts'
import { stubModelHandlers } from './stub-models.ts'
import { stubOrganisationHandlers } from './stub-organisation.ts'
import { stubReceiptHandlers } from './stub-receipts.ts'
import { stubSlaHandlers } from './stub-sla.ts'

/** 2026-11-22 12:00:00 UTC. */
export const STUB_NOW_MS = Date.UTC(2026, 10, 22, 12)
const MINUTE_MS = 60_000
const fresh = { asOfSequence: 41, lagEntries: 0 }

export interface StubNetwork {
  readonly handlers: Handlers<ControlRoutes>
  readonly accounts: Map<string, Account>
  readonly keys: Map<string, ApiKey>
  readonly nodes: Map<string, Node>
  /** Deposits that were made, by transfer id. */
  readonly deposits: Map<string, bigint>
}

export function createStubNetwork(): StubNetwork {
  const accounts = byId(stubAccounts(), ({ accountId }) => accountId)
  const keys = byId(stubKeys(), ({ keyId }) => keyId)
  const nodes = byId(stubNodes(), ({ nodeId }) => nodeId)
  const deposits = new Map<string, bigint>()
  const change = (nodeId: string, members: Partial<Node>): Node => {
    const node = { ...found(nodes, nodeId, 'node'), ...members }
    nodes.set(nodeId, node)
    return node
  }
  const isSeen = (caller: Caller, organisationId: string | null): boolean =>
    caller.scopes.includes('operator') || organisationId === caller.organisationId
  const handlers: Handlers<ControlRoutes> = {
    getHealth: () => ({
      status: 'ok',
      version: '0.1.0',
      networkName: 'local',
      epoch: 3,
      uptimeMs: 7_500_000,
    }),
    ...stubSlaHandlers(STUB_NOW_MS),
    ...stubReceiptHandlers(STUB_NOW_MS),
    getStatus: (_input, caller) => stubStatus(caller.scopes.includes('operator')),
    getLive: (_input, caller) => stubLive(caller.scopes.includes('operator')),
    takeOver: () => {
      throw new Problem('conflict', 'This coordinator leads already.')
    },
    rebuildReadModels: () => ({ appliedSequence: 12_345, durationMs: 820 }),
    createOrganisation: ({ body }) => ({
      organisationId: 'org_2',
      name: body.name,
      createdAtMs: STUB_NOW_MS,
    }),
    listOrganisations: () => ({ items: [], next: null }),
    ...stubOrganisationHandlers(keys, STUB_NOW_MS),
    ...stubModelHandlers(),
    ...createStubJobs(STUB_NOW_MS).handlers,
    createKey({ body }, caller): CreatedApiKey {
      const { organisationId = caller.organisationId, name, scopes, limits = {}, expiresInMs } = body
      const key: ApiKey = {
        ...stubKey(organisationId),
        keyId: 'key_3',
        name,
        hint: 'shoal_c',
        scopes,
        limits,
        createdAtMs: STUB_NOW_MS,
        expiresAtMs: expiresInMs === undefined ? null : STUB_NOW_MS + expiresInMs,
      }
      keys.set(key.keyId, key)
      return { ...key, key: 'shoal_c0ffee' }
    },
    listKeys: ({ query }) => paginate([...keys.values()], query, ({ keyId }) => keyId),
    revokeKey({ params }) {
      const key: ApiKey = {
        ...found(keys, params.keyId, 'key'),
        state: 'revoked',
        revokedAtMs: STUB_NOW_MS,
      }
      keys.set(key.keyId, key)
      return key
    },
    listAccounts({ query }, caller) {
      const seen = [...accounts.values()].filter(({ organisationId }) => isSeen(caller, organisationId))
      return paginate(seen, query, ({ accountId }) => accountId)
    },
    getAccount: ({ params }) => found(accounts, params.accountId, 'account'),
    depositToAccount({ params, body }) {
      const account = found(accounts, params.accountId, 'account')
      const { transferId, amount } = body
      const isRepeat = deposits.has(transferId)
      const after = isRepeat ? account : { ...account, available: account.available + amount }
      accounts.set(account.accountId, after)
      deposits.set(transferId, amount)
      return { transferId, amount, account: after }
    },
    getStatement: ({ params }) => ({
      accountId: found(accounts, params.accountId, 'account').accountId,
      items: stubStatement,
      next: null,
      asOfSequence: 41,
      lagEntries: 1,
    }),
    checkLedger: () => ({ sum: 0n, accounts: accounts.size, holds: 1, held: NANO_PER_USD }),
    createEnrolmentToken: ({ body }) => ({
      token: 'enrol_1',
      expiresAtMs: STUB_NOW_MS + (body.expiresInMs ?? 0),
      joinUrl: 'http://127.0.0.1:7420',
    }),
    proveNetwork: () => ({ publicKey: '00'.repeat(32), signature: '00'.repeat(64) }),
    enrolNode: () => found(nodes, 'nod_1', 'node'),
    listNodes({ query }, caller) {
      const seen = [...nodes.values()].filter(({ organisationId }) => isSeen(caller, organisationId))
      return paginate(seen, query, ({ nodeId }) => nodeId)
    },
    getNode: ({ params }) => found(nodes, params.nodeId, 'node'),
    drainNode: ({ params }) => change(params.nodeId, { isDrained: true }),
    undrainNode: ({ params }) => change(params.nodeId, { isDrained: false }),
    banNode: ({ params, body }) => change(params.nodeId, { bannedReason: body.reason }),
    unbanNode: ({ params }) => change(params.nodeId, { bannedReason: null }),
    releaseNode: ({ params }) => change(params.nodeId, { barred: null }),
    getNodeAudits: ({ params: { nodeId } }) => stubAudits(found(nodes, nodeId, 'node').nodeId),
    liftNodeCases: ({ params: { nodeId } }) => ({ ...stubAudits(nodeId), cases: [] }),
    classNode: ({ params, body }) => change(params.nodeId, body),
    listUsage({ query }) {
      const lines = stubUsage.filter(({ model }) => query?.model === undefined || query.model === model)
      return { ...paginate(lines, query, ({ requestId }) => requestId), totals: totalsOf(lines), ...fresh }
    },
    listGpus: () => ({ gpus: [] }),
    listPlaces: () => ({ places: [] }),
    assessGpu: () => {
      throw new Problem('invalid_request', 'Say which GPU.')
    },
    compareNetworks: () => {
      throw new Problem('invalid_request', 'Say which GPU.')
    },
    summariseUsage({ query }) {
      const day = { day: '2026-11-22', model: 'guide', ...totalsOf(stubUsage) }
      return {
        items: query?.model === undefined || query.model === day.model ? [day] : [],
        next: null,
        ...fresh,
      }
    },
  }
  return { handlers, accounts, keys, nodes, deposits }
}

const byId = <Item>(items: readonly Item[], idOf: (item: Item) => string): Map<string, Item> =>
  new Map(items.map((item) => [idOf(item), item]))

function found<Item>(items: ReadonlyMap<string, Item>, id: string, noun: string): Item {
  const item = items.get(id)
  if (item) return item
  throw new Problem('not_found', `There is no ${noun} ${id}.`)
}

const stubAccounts = (): Account[] => [
  {
    accountId: 'consumer:org_1',
    organisationId: 'org_1',
    kind: 'consumer',
    available: 8_999_999_958n,
    held: NANO_PER_USD,
  },
  {
    accountId: 'external:test',
    organisationId: null,
    kind: 'external',
    available: -10_000_000_000n,
    held: 0n,
  },
  { accountId: 'network:fees', organisationId: null, kind: 'network', available: 2n, held: 0n },
  { accountId: 'provider:org_1', organisationId: 'org_1', kind: 'provider', available: 40n, held: 0n },
]

/** What all keys of an organisation have alike here. */
const stubKey = (organisationId: string) => ({
  organisationId,
  projectId: `default:${organisationId}`,
  memberId: null,
  serviceAccountId: null,
  limits: {},
  state: 'live' as const,
  rotatedFromKeyId: null,
  rotatedToKeyId: null,
  expiresAtMs: null,
  revokedAtMs: null,
})

const stubKeys = (): ApiKey[] => [
  {
    ...stubKey('org_1'),
    keyId: 'key_1',
    limits: { requestsPerMinute: 60, spendPerDay: 5_000_000_000n },
    name: 'local',
    hint: 'shoal_a',
    scopes: ['developer', 'viewer'],
    createdAtMs: STUB_NOW_MS - 90 * MINUTE_MS,
  },
  {
    ...stubKey('org_1'),
    keyId: 'key_2',
    state: 'revoked',
    name: 'old \u001b[31mred',
    hint: 'shoal_b',
    scopes: ['viewer'],
    createdAtMs: STUB_NOW_MS - 5 * 24 * 60 * MINUTE_MS,
    revokedAtMs: STUB_NOW_MS - 30_000,
  },
]

const stubNodes = (): Node[] => {
  const node: Node = {
    nodeId: 'nod_1',
    organisationId: 'org_1',
    name: 'workbench',
    publicKey: 'a0'.repeat(32),
    enrolledAtMs: STUB_NOW_MS - 120 * MINUTE_MS,
    presence: 'online',
    presenceSinceMs: STUB_NOW_MS - 119 * MINUTE_MS,
    lossReason: null,
    isDrained: false,
    bannedReason: null,
    nodeClass: 'community',
    reputation: {
      standing: 0.61,
      successLcb: 0.57,
      survival1h: 0.97,
      speedRatio: 0.94,
      availability: 0.99,
      answers: 210,
      failures: 14,
      reasons: [
        {
          code: 'failures',
          message:
            'It failed 14 times beside 210 answers that it gave, of late: other nodes are asked first.',
          wayBack: 'Each answer that it gives counts for it, and what is past counts half after a week.',
        },
      ],
    },
    askPerGpuHour: 100_000_000n,
    models: [
      { model: 'guide', tokensPerSecond: 1550.4, promptPerMillion: 1_000n, completionPerMillion: 17_922n },
    ],
    capability: {
      agentVersion: '0.1.0',
      osName: 'Debian GNU/Linux 12 (bookworm)',
      cpu: { model: 'EPYC', cores: 2 },
      memoryMib: 24_000,
      diskFreeMib: 100_000,
      gpus: [],
      powerWatts: 65.5,
      engines: ['llama-cpp'],
      models: [],
      problems: ['No GPU was found: nvidia-smi is not installed.'],
    },
  }
  return [
    node,
    {
      ...node,
      nodeId: 'nod_2',
      organisationId: 'org_2',
      name: 'attic',
      presence: 'absent',
      presenceSinceMs: STUB_NOW_MS - 3 * 24 * 60 * MINUTE_MS,
      lossReason: 'link_closed',
      models: [],
      capability: null,
    },
  ]
}

const stubUsage: UsageLine[] = [
  {
    requestId: 'req_2',
    projectId: 'default:org_1',
    keyId: 'key_1',
    atMs: STUB_NOW_MS - MINUTE_MS,
    model: 'guide',
    kind: 'chat',
    outcome: 'completed',
    nodeIds: ['nod_1'],
    promptTokens: 1_200,
    cachedPromptTokens: 1_024,
    completionTokens: 42,
    cost: 42n,
    fee: 2n,
    firstTokenMs: 12,
    totalMs: 1_040,
  },
  {
    requestId: 'req_1',
    projectId: 'default:org_1',
    keyId: 'key_1',
    atMs: STUB_NOW_MS - 2 * MINUTE_MS,
    model: 'other',
    kind: 'embedding',
    outcome: 'failed',
    nodeIds: [],
    promptTokens: 0,
    cachedPromptTokens: 0,
    completionTokens: 0,
    cost: 0n,
    fee: 0n,
    firstTokenMs: null,
    totalMs: 30_000,
  },
]

const totalsOf = (lines: readonly UsageLine[]) => ({
  requests: lines.length,
  promptTokens: lines.reduce((sum, line) => sum + line.promptTokens, 0),
  cachedPromptTokens: lines.reduce((sum, line) => sum + line.cachedPromptTokens, 0),
  completionTokens: lines.reduce((sum, line) => sum + line.completionTokens, 0),
  cost: lines.reduce((sum, line) => sum + line.cost, 0n),
  fee: lines.reduce((sum, line) => sum + line.fee, 0n),
})

const stubStatement = [
  {
    sequence: 40,
    atMs: STUB_NOW_MS - MINUTE_MS,
    kind: 'capture' as const,
    memo: 'request',
    amount: -40n,
    counterpartyAccountId: 'provider:org_1',
    transferId: 'req_2',
    requestId: 'req_2',
    externalReference: null,
    balanceAfter: 9_999_999_958n,
  },
  {
    sequence: 2,
    atMs: STUB_NOW_MS - 120 * MINUTE_MS,
    kind: 'deposit' as const,
    memo: 'test balance',
    amount: 10_000_000_000n,
    counterpartyAccountId: 'external:test',
    transferId: 'trf_1',
    requestId: null,
    externalReference: null,
    balanceAfter: 10_000_000_000n,
  },
]

const stubStatus = (isOperator: boolean) => ({
  networkName: 'local',
  version: '0.1.0',
  epoch: 3,
  uptimeMs: 7_500_000,
  nodes: { online: 1, suspect: 0, absent: 1, drained: 1, banned: 0 },
  models: [
    {
      model: 'guide',
      nodes: 1,
      promptPerMillion: { min: 1_000n, max: 1_000n },
      completionPerMillion: { min: 17_922n, max: 20_000n },
      tokensPerSecond: { min: 38.2, max: 1550.4 },
    },
  ],
  requestsInFlight: 3,
  readModel: { appliedSequence: 41, lagEntries: 0 },
  processes: { coordinator: 4711, gateway: 4711 },
  dataFolder: isOperator ? '/home/ada/.shoal' : null,
})
