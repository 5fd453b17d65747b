/**
 * A small cell's life with every type of event in it, decided by the real deciders. A new type of event needs a step
 * here; `node test/golden/write-golden-journal.ts` then writes the journal of this release anew. Those of earlier
 * releases stay as they are.
 */
import { createHash } from 'node:crypto'
import { type CoordinatorEvent, formatRecord, type UsageEvent } from '#coordinator/coordinator-events.ts'
import { emptyState } from '#coordinator/coordinator-state.ts'
import { startTurn, type Turn } from '#coordinator/turn.ts'
import { assert } from '#kernel/assert.ts'
import { DAY_MS, MINUTE_MS } from '#kernel/time.ts'
import { consumerAccount, EXTERNAL_DEPOSITS, NETWORK_FEES, providerAccount } from '#ledger/ledger.ts'
import { auditAnswers, forgiveAnswers } from './golden-answers.ts'
import { check, forgetChecks } from './golden-checks.ts'
import { endGrace, prove, shareCard } from './golden-hardware.ts'
import { forgetJobs, meddle, render } from './golden-jobs.ts'
import { forgetReceipts, makeReceipt, signReceipts } from './golden-receipts.ts'
import { fallSick, getWell } from './golden-reputation.ts'
import { breakPromise, promise, settleMonth } from './golden-sla.ts'

const FOUNDED_AT_MS = Date.UTC(2026, 10, 22, 12)
const [buyer, seller] = ['org_buyer', 'org_seller']
const [payer, earner] = [consumerAccount(buyer), providerAccount(seller)]
const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

type Step = (turn: Turn, nowMs: number) => void

/** The payloads of the journal's entries, in order: one for each step. */
export function goldenPayloads(): string[] {
  const state = emptyState()
  let nowMs = FOUNDED_AT_MS
  return steps.map(([waitMs, step]) => {
    nowMs += waitMs
    const events: CoordinatorEvent[] = []
    step(startTurn(state, nowMs, events), nowMs)
    assert(events.length > 0, 'each step of the golden history changes something')
    return formatRecord({ version: 1, atMs: nowMs, events })
  })
}

const done = (refusal: string | null): void => assert(refusal === null, `the golden history: ${refusal}`)

const found: Step = (turn, nowMs) => {
  for (const organisationId of [buyer, seller]) {
    done(turn.organisations({ kind: 'create_organisation', organisationId, name: organisationId, nowMs }))
    const [consumer, provider] = [consumerAccount(organisationId), providerAccount(organisationId)]
    done(turn.ledger({ kind: 'open_account', accountId: consumer, accountKind: 'consumer' }))
    done(turn.ledger({ kind: 'open_account', accountId: provider, accountKind: 'provider' }))
  }
}

const deposit: Step = (turn, nowMs) => {
  const transfer = { kind: 'transfer', debitAccountId: EXTERNAL_DEPOSITS, creditAccountId: payer } as const
  const times = { createdAtMs: nowMs, nowMs }
  done(turn.ledger({ ...transfer, transferId: 'trf_old', amount: 40_000_000_000n, memo: 'first', ...times }))
  const known = { transferId: 'trf_new', externalReference: 'bank 77', amount: 2_000_000_000n, memo: 'ä😀' }
  done(turn.ledger({ ...transfer, ...known, ...times }))
}

const keys: Step = (turn, nowMs) => {
  const key = (keyId: string) => ({ keyId, name: keyId, hash: hashOf(keyId), hint: keyId.slice(0, 6) })
  const create = { kind: 'create_key', organisationId: buyer, nowMs } as const
  done(
    turn.organisations({ kind: 'note_key_secret', check: hashOf('check').slice(0, 32), isNew: false, nowMs }),
  )
  done(turn.organisations({ ...create, ...key('key_owner'), scopes: ['owner'] }))
  done(turn.organisations({ ...create, ...key('key_plain'), scopes: ['developer'] }))
  const limits = {
    requestsPerMinute: 60,
    tokensPerDay: 1_000_000,
    spendPerDay: 600_000n,
    models: ['guide'],
  }
  const expiresAtMs = nowMs + DAY_MS
  done(turn.organisations({ ...create, ...key('key_limited'), scopes: ['developer'], limits, expiresAtMs }))
}

const nodes: Step = (turn, nowMs) => {
  for (const [tokenHash, ttlMs] of [
    [hashOf('token'), DAY_MS],
    [hashOf('unused'), MINUTE_MS],
  ] as const) {
    const expiresAtMs = nowMs + ttlMs
    done(turn.fleet({ kind: 'issue_token', tokenHash, organisationId: seller, expiresAtMs, nowMs }))
  }
  const identity = { nodeId: 'node_1', publicKey: 'ab'.repeat(32), name: 'workstation' }
  done(
    turn.fleet({
      kind: 'enrol',
      ...identity,
      tokenHash: hashOf('token'),
      askPerGpuHour: 400_000_000n,
      nowMs,
    }),
  )
}

const serve: Step = (turn, nowMs) => {
  const at = { nodeId: 'node_1', nowMs }
  done(turn.fleet({ kind: 'report', ...at, capability, askPerGpuHour: 350_000_000n }))
  done(turn.fleet({ kind: 'come_online', ...at, gatewayId: 'gateway_1', session: 1 }))
}

const lend: Step = (turn, nowMs) => {
  const hold = (holdId: string) => ({ holdId, accountId: payer, ownerId: 'gateway_1' })
  const expiresAtMs = nowMs + 3 * MINUTE_MS
  for (const holdId of ['hold_1', 'hold_2', 'hold_3']) {
    done(turn.ledger({ kind: 'open_hold', ...hold(holdId), amount: 1_000_000_000n, expiresAtMs, nowMs }))
  }
  done(turn.ledger({ kind: 'raise_hold', ...hold('hold_1'), lent: 2_000_000_000n }))
  done(turn.ledger({ kind: 'extend_hold', ...hold('hold_1'), expiresAtMs: expiresAtMs + DAY_MS }))
  done(turn.ledger({ kind: 'release_hold', ...hold('hold_2') }))
}

/** As the first release billed: without saying when, nor for which project. */
const billAsBefore: Step = (turn, nowMs) => bill(turn, { requestId: 'req_1', sequence: 1, nowMs })
const billNow: Step = (turn, nowMs) =>
  bill(turn, { requestId: 'req_2', sequence: 2, nowMs, more: { atMs: nowMs, projectId: 'prj_batch' } })

interface Billing {
  readonly requestId: string
  readonly sequence: number
  readonly nowMs: number
  readonly more?: Pick<UsageEvent, 'atMs' | 'projectId'>
}

function bill(turn: Turn, { requestId, sequence, nowMs, more }: Billing): void {
  const [cost, fee] = [300_000n, 15_000n]
  const transferId = `usage:${requestId}`
  const payouts = [
    { accountId: earner, amount: cost - fee },
    { accountId: NETWORK_FEES, amount: fee },
  ]
  const charge = { transferId, accountId: payer, holdId: 'hold_1', payouts, memo: 'guide', nowMs }
  done(turn.ledger({ kind: 'capture', ...charge }))
  const part = { nodeId: 'node_1', promptTokens: 12, completionTokens: 34 }
  const record = { requestId, organisationId: buyer, keyId: 'key_limited', holdId: 'hold_1', model: 'guide' }
  const times = { startedAtMs: nowMs - 900, firstTokenMs: 80, totalMs: 900 }
  const prices = { promptPerMillion: 1_000_000_000n, completionPerMillion: 8_000_000_000n }
  const cached = { cachedPromptTokens: 5, cachedPerMillion: 250_000_000n }
  const whole: UsageEvent['record'] = {
    ...record,
    kind: 'chat',
    outcome: 'completed',
    parts: [{ ...part, ...prices, ...(more && cached) }],
    ...(more && { losers: [{ ...part, ...prices, ...cached, completionTokens: 0 }] }),
    ...times,
  }
  turn.recordUsage({
    type: 'usage.recorded',
    spoolId: 'spool_1',
    sequence,
    record: whole,
    cost,
    fee,
    transferId,
    ...more,
  })
  done(turn.ledger({ kind: 'advance_spool', spoolId: 'spool_1', firstSequence: sequence, count: 1 }))
}

/** With the readings so far the key has spent more than half of what it may. */
const reach: Step = (turn, nowMs) =>
  done(turn.organisations({ kind: 'reach_budget', keyId: 'key_limited', added: 300_000n, nowMs }))

const organise: Step = (turn, nowMs) => {
  const at = { organisationId: buyer, nowMs }
  done(turn.organisations({ kind: 'create_project', ...at, projectId: 'prj_batch', name: 'batch' }))
  done(turn.organisations({ kind: 'create_project', ...at, projectId: 'prj_over', name: 'over' }))
  done(turn.organisations({ kind: 'archive_project', ...at, projectId: 'prj_over' }))
  const account = { serviceAccountId: 'sva_ci', name: 'ci', scopes: ['developer'] } as const
  done(turn.organisations({ kind: 'create_service_account', ...at, ...account }))
  const holder = { kind: 'service_account', id: 'sva_ci' } as const
  const key = { keyId: 'key_ci', name: 'ci', hash: hashOf('key_ci'), hint: 'key_ci', projectId: 'prj_batch' }
  done(turn.organisations({ kind: 'create_key', ...at, ...key, scopes: ['developer'], holder }))
}

const invite: Step = (turn, nowMs) => {
  const at = { organisationId: buyer, nowMs }
  for (const memberId of ['mem_ann', 'mem_bob']) {
    const person = {
      memberId,
      name: memberId,
      email: `${memberId}@example.com`,
      invitationHash: hashOf(memberId),
    }
    const scopes = ['developer', 'billing'] as const
    done(turn.organisations({ kind: 'invite_member', ...at, ...person, scopes, expiresAtMs: nowMs + DAY_MS }))
  }
  const key = { keyId: 'key_ann', hash: hashOf('key_ann'), hint: 'key_an' }
  done(turn.organisations({ kind: 'accept_invitation', invitationHash: hashOf('mem_ann'), ...key, nowMs }))
  done(turn.organisations({ kind: 'scope_member', ...at, memberId: 'mem_ann', scopes: ['developer'] }))
  done(turn.organisations({ kind: 'remove_member', ...at, memberId: 'mem_bob' }))
}

const turnKeys: Step = (turn, nowMs) => {
  const at = { organisationId: buyer, nowMs }
  const rotated = { newKeyId: 'key_next', hash: hashOf('key_next'), hint: 'key_ne', overlapMs: DAY_MS }
  done(turn.organisations({ kind: 'limit_key', ...at, keyId: 'key_plain', limits: { requestsPerMinute: 5 } }))
  done(turn.organisations({ kind: 'rotate_key', ...at, keyId: 'key_plain', ...rotated }))
  done(turn.organisations({ kind: 'revoke_key', ...at, keyId: 'key_plain' }))
  done(turn.organisations({ kind: 'remove_service_account', ...at, serviceAccountId: 'sva_ci' }))
}

const note: Step = (turn, nowMs) => {
  const actor = {
    kind: 'key',
    keyId: 'key_owner',
    organisationId: buyer,
    memberId: null,
    serviceAccountId: null,
  } as const
  const act = {
    act: 'createKey',
    objectId: 'key_ci',
    details: { name: 'ci' },
    problem: null,
    sourceAddress: '10.0.0.7',
  }
  for (const requestId of ['req_a', 'req_b']) {
    const who = {
      organisationId: buyer,
      atMs: nowMs,
      actor: { ...actor, scopes: ['owner' as const] },
      requestId,
    }
    turn.audit({ kind: 'record', note: { ...who, ...act, outcome: 'done' }, sha256: hashOf })
  }
}

const payOut: Step = (turn, nowMs) => {
  const payout = { accountId: earner, amount: 100_000n, minimum: 1n, method: 'bank', destination: 'DE00' }
  const times = { createdAtMs: nowMs, nowMs }
  done(turn.ledger({ kind: 'request_payout', payoutId: 'pay_1', ...payout, ...times }))
  done(turn.ledger({ kind: 'request_payout', payoutId: 'pay_2', ...payout, ...times }))
  done(turn.ledger({ kind: 'pay_payout', payoutId: 'pay_1', externalReference: 'wire 9', nowMs }))
  done(turn.ledger({ kind: 'refuse_payout', payoutId: 'pay_2', reason: 'closed account', nowMs }))
}

const trouble: Step = (turn, nowMs) => {
  const at = { nodeId: 'node_1', nowMs }
  done(turn.fleet({ kind: 'drain', ...at }))
  done(turn.fleet({ kind: 'undrain', ...at }))
  done(turn.fleet({ kind: 'ban', ...at, reason: 'wrong answers' }))
  done(turn.fleet({ kind: 'unban', ...at }))
  done(turn.fleet({ kind: 'class', ...at, nodeClass: 'vetted' }))
  done(turn.fleet({ kind: 'suspect', ...at, session: 1, reason: 'silent' }))
}

const lose: Step = (turn, nowMs) =>
  done(turn.fleet({ kind: 'lose', nodeId: 'node_1', session: 1, reason: 'silent', nowMs }))

const expire: Step = (turn, nowMs) => {
  done(turn.ledger({ kind: 'expire_hold', holdId: 'hold_3', nowMs }))
  done(turn.fleet({ kind: 'expire_token', tokenHash: hashOf('unused'), nowMs }))
  done(turn.organisations({ kind: 'expire_key', keyId: 'key_limited', nowMs }))
}

const forget: Step = (turn, nowMs) => {
  done(turn.ledger({ kind: 'forget_transfers', nowMs }))
  done(turn.ledger({ kind: 'forget_payouts', nowMs }))
  done(turn.organisations({ kind: 'forget_keys', nowMs }))
}

const catalogue: Step = (turn, nowMs) => {
  const settings = {
    price: { input: 20_000_000n, cached: 10_000_000n, output: 40_000_000n },
    priceMax: null,
    replicasMin: 1,
    replicasMax: 4,
    minClass: 'community',
    contextTokens: 8_192,
    slots: 4,
  } as const
  const file = { kind: 'url', url: 'https://models.example/small.gguf' } as const
  const add = { kind: 'add', facts: null, settings, nowMs } as const
  done(turn.models({ ...add, model: 'small', source: file, key: hashOf('small').slice(0, 40) }))
  const upstream = { kind: 'upstream', baseUrl: 'https://api.example/v1', model: 'theirs' } as const
  done(turn.models({ ...add, model: 'resold', source: upstream, key: hashOf('resold').slice(0, 40) }))
  const at = { model: 'small', nodeId: 'node_1', nowMs }
  done(turn.models({ kind: 'place', ...at, memoryMib: 16_384 }))
  const facts = { sizeBytes: 400_000_000, kvBytesPerToken: 12_288, contextTokens: 32_768 }
  done(turn.models({ kind: 'measure', model: 'small', facts, nowMs }))
  done(turn.models({ kind: 'change', model: 'small', settings: { ...settings, replicasMin: 0 }, nowMs }))
  done(turn.models({ kind: 'evict', ...at, reason: 'failed' }))
  done(turn.models({ kind: 'remove', model: 'resold', nowMs }))
}

const capability = {
  agentVersion: '0.1.0',
  osName: 'Debian 12',
  cpu: { model: 'EPYC', cores: 8 },
  memoryMib: 32_768,
  diskFreeMib: 100_000,
  gpus: [],
  powerWatts: 61.5,
  engines: ['llama-cpp'],
  models: [
    {
      id: 'guide',
      fingerprint: 'f1',
      tasks: ['chat' as const],
      contextTokens: 4_096,
      slots: 2,
      prefillTokensPerSecond: 900,
      decodeTokensPerSecond: 120.5,
      decodeTokensPerSecondSingle: 70,
    },
  ],
  problems: [],
}

const steps: readonly (readonly [waitMs: number, step: Step])[] = [
  [0, found],
  [10, deposit],
  [10, keys],
  [10, nodes],
  [10, serve],
  [1_000, lend],
  [1_000, billAsBefore],
  [MINUTE_MS, organise],
  [1_000, billNow],
  [0, reach],
  [1_000, invite],
  [1_000, turnKeys],
  [1_000, note],
  [1_000, payOut],
  [1_000, trouble],
  [1_000, catalogue],
  [1_000, render],
  [1_000, meddle],
  [1_000, check],
  [1_000, fallSick],
  [MINUTE_MS, getWell],
  [1_000, prove],
  [1_000, shareCard],
  [1_000, auditAnswers],
  [2 * 60 * MINUTE_MS, forgiveAnswers],
  [MINUTE_MS, lose],
  [2 * DAY_MS, expire],
  [1_000, forgetJobs],
  [1_000, forgetChecks],
  [100 * DAY_MS, forget],
  [1_000, promise],
  [6 * MINUTE_MS, breakPromise],
  [40 * DAY_MS, settleMonth],
  [1_000, signReceipts],
  [1_000, makeReceipt],
  [4 * DAY_MS, forgetReceipts],
  [1_000, endGrace],
]
