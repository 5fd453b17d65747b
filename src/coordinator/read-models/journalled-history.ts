/** Histories for tests: what the real deciders journal when a list of steps reaches them, and the state that results. */
import {
  consumerAccount,
  EXTERNAL_DEPOSITS,
  EXTERNAL_TEST,
  NETWORK_FEES,
  NETWORK_LOSSES,
  providerAccount,
} from '#ledger/ledger.ts'
import { type CoordinatorEvent, formatRecord, type UsageEvent } from '../coordinator-events.ts'
import { type CoordinatorState, checkState, emptyState } from '../coordinator-state.ts'
import { startTurn, type Turn } from '../turn.ts'

/** Numbers pick one of what there is, by remainder. */
export type Step =
  | { kind: 'transfer'; from: number; to: number; amount: bigint; memo: string; isRepeat: boolean }
  | { kind: 'hold'; account: number; amount: bigint }
  | { kind: 'release'; hold: number }
  | { kind: 'expire'; hold: number }
  | { kind: 'wait'; ms: number }
  | {
      kind: 'capture'
      account: number
      hold: number
      payees: readonly { account: number; amount: bigint }[]
      model: number
      hasUsage: boolean
    }

export interface History {
  /** Payloads of journal entries, in order. */
  readonly payloads: readonly string[]
  /** After the last of them. */
  readonly state: CoordinatorState
  readonly usage: readonly UsageEvent[]
}

const ORGANISATIONS = ['org-a', 'org-b', 'org-c']
export const MODELS = ['guide', 'a model\0with \ud800 odd text 😀', 'm'.repeat(300)]
const STARTED_AT_MS = Date.UTC(2026, 0, 31, 23, 30)
const EXPIRY_MS = 60_000

/** Each turn's steps become one entry, unless all of them are refused or change nothing. */
export function journalledHistory(turns: readonly (readonly Step[])[]): History {
  const state = emptyState()
  const payloads: string[] = []
  const usage: UsageEvent[] = []
  let nowMs = STARTED_AT_MS
  const take = (run: (turn: Turn) => void): void => {
    const events: CoordinatorEvent[] = []
    run(startTurn(state, nowMs, events))
    if (events.length > 0) payloads.push(formatRecord({ version: 1, atMs: nowMs, events }))
    for (const event of events) if (event.type === 'usage.recorded') usage.push(event)
  }

  for (const id of ORGANISATIONS) take((turn) => openAccounts(turn, id))
  for (const [index, steps] of turns.entries()) {
    for (const step of steps) if (step.kind === 'wait') nowMs += step.ms
    take((turn) => {
      for (const [position, step] of steps.entries()) apply(turn, step, `${index}-${position}`)
    })
  }
  checkState(state)
  return { payloads, state, usage }
}

function openAccounts(turn: Turn, organisationId: string): void {
  turn.organisations({ kind: 'create_organisation', organisationId, name: 'O', nowMs: turn.nowMs })
  turn.ledger({ kind: 'open_account', accountId: consumerAccount(organisationId), accountKind: 'consumer' })
  turn.ledger({ kind: 'open_account', accountId: providerAccount(organisationId), accountKind: 'provider' })
}

/** Refusals are part of the game: a refused step leaves no event. */
function apply(turn: Turn, step: Step, id: string): void {
  const { nowMs } = turn
  const accounts = accountIds()
  switch (step.kind) {
    case 'transfer': {
      const [debitAccountId, creditAccountId] = [pick(accounts, step.from), pick(accounts, step.to)]
      const { amount, memo } = step
      const transfer = { debitAccountId, creditAccountId, amount, memo, createdAtMs: nowMs, nowMs }
      turn.ledger({ kind: 'transfer', transferId: `transfer-${id}`, ...transfer })
      if (step.isRepeat) turn.ledger({ kind: 'transfer', transferId: `transfer-${id}`, ...transfer })
      break
    }
    case 'hold': {
      const { amount } = step
      const accountId = pick(payers, step.account)
      const expiresAtMs = nowMs + EXPIRY_MS
      turn.ledger({
        kind: 'open_hold',
        holdId: `hold-${id}`,
        accountId,
        ownerId: 'g',
        amount,
        expiresAtMs,
        nowMs,
      })
      break
    }
    case 'release':
      turn.ledger({ kind: 'release_hold', holdId: pickHold(turn, step.hold), ownerId: 'g' })
      break
    case 'expire':
      turn.ledger({ kind: 'expire_hold', holdId: pickHold(turn, step.hold), nowMs })
      break
    case 'capture':
      capture(turn, step, id)
      break
    case 'wait':
      break
  }
}

function capture(turn: Turn, step: Step & { kind: 'capture' }, id: string): void {
  const accounts = accountIds()
  const holdId = pickHold(turn, step.hold)
  const hold = turn.state.ledger.holds.get(holdId)
  const accountId = hold?.accountId ?? pick(payers, step.account)
  const payouts = step.payees.map((payee) => ({
    accountId: pick(accounts, payee.account),
    amount: payee.amount,
  }))
  const transferId = `usage:request-${id}`
  const { nowMs } = turn
  const memo = pick(MODELS, step.model)
  const refusal = turn.ledger({ kind: 'capture', transferId, accountId, holdId, payouts, memo, nowMs })
  if (!step.hasUsage) return
  const cost = payouts.reduce((sum, payout) => sum + payout.amount, 0n)
  turn.recordUsage({
    type: 'usage.recorded',
    spoolId: 'spool',
    sequence: 1,
    record: {
      requestId: `request-${id}`,
      organisationId: pick(ORGANISATIONS, step.account),
      keyId: 'key',
      holdId,
      model: memo,
      kind: 'chat',
      outcome: 'completed',
      parts: payouts.map(({ amount }) => ({
        nodeId: `node-${amount % 3n}`,
        promptTokens: 7,
        ...(amount % 2n === 0n && { cachedPromptTokens: Number(amount % 7n) }),
        completionTokens: Number(amount % 1_000n),
        promptPerMillion: 1n,
        completionPerMillion: 1n,
      })),
      startedAtMs: nowMs - 1_000,
      firstTokenMs: 10,
      totalMs: 1_000,
    },
    cost: refusal === null ? cost : 0n,
    fee: 0n,
    transferId: refusal === null ? transferId : null,
    atMs: nowMs,
  })
}

/** Who buys: no account that may be negative does. */
const payers = [...ORGANISATIONS.map(consumerAccount), ...ORGANISATIONS.map(providerAccount)]

/** External accounts are twice there: without their money little happens. */
const accountIds = (): string[] => [
  EXTERNAL_DEPOSITS,
  EXTERNAL_TEST,
  ...ORGANISATIONS.map(consumerAccount),
  ...ORGANISATIONS.map(providerAccount),
  NETWORK_FEES,
  NETWORK_LOSSES,
  EXTERNAL_DEPOSITS,
  EXTERNAL_TEST,
]

function pick<Item>(items: readonly Item[], index: number): Item {
  const item = items[index % items.length]
  if (item === undefined) throw new Error('nothing to pick from')
  return item
}

/** One of the open holds, or an id that no hold has. */
function pickHold(turn: Turn, index: number): string {
  const ids = [...turn.state.ledger.holds.keys(), 'hold-unknown']
  return pick(ids, index)
}
