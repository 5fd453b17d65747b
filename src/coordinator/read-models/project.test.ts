import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NETWORK_FEES, NETWORK_LOSSES } from '#ledger/ledger.ts'
import type { CoordinatorEvent, UsageEvent } from '../coordinator-events.ts'
import { type AlertRow, type LineRow, projectEntries, type UsageRow } from './project.ts'

test('entries that no read model shows need no statement', () => {
  const { statements } = setup([
    { type: 'ledger.hold_opened', holdId: 'h', accountId: 'a', ownerId: 'g', amount: 5n, expiresAtMs: 9 },
    { type: 'ledger.hold_released', holdId: 'h', amount: 5n },
    { type: 'ledger.spool_advanced', spoolId: 's', nextSequence: 2 },
    { type: 'organisation.created', organisationId: 'o', name: 'O', atMs: 1 },
  ])
  assert.deepEqual(statements, [])
})

test('a transfer is a line of both accounts, and a deposit when it comes from outside', () => {
  const { lines } = setup([
    transfer({ transferId: 't1', debitAccountId: 'external:deposits', creditAccountId: 'a' }),
    transfer({ transferId: 't2', debitAccountId: 'a', creditAccountId: 'external:deposits' }),
  ])
  assert.deepEqual(
    lines.map((line) => [
      line.account_id,
      line.kind,
      line.amount,
      line.counterparty_account_id,
      line.transfer_id,
    ]),
    [
      ['external:deposits', 'deposit', '-7', 'a', 't1'],
      ['a', 'deposit', '7', 'external:deposits', 't1'],
      ['a', 'transfer', '-7', 'external:deposits', 't2'],
      ['external:deposits', 'transfer', '7', 'a', 't2'],
    ],
  )
})

test('a capture costs the payer one line, whatever it was paid from, and gives each payee its own', () => {
  const { lines } = setup([
    capture({ fromHold: 60n, fromAvailable: 30n, fromLosses: 10n }, [
      { accountId: 'provider:1', amount: 40n },
      { accountId: 'provider:2', amount: 50n },
      { accountId: NETWORK_FEES, amount: 10n },
    ]),
    usage({ transferId: 'usage:r', requestId: 'r' }),
  ])
  assert.deepEqual(
    lines.map((line) => [
      line.account_id,
      line.kind,
      line.amount,
      line.counterparty_account_id,
      line.request_id,
    ]),
    [
      ['consumer:1', 'capture', '-90', 'provider:2', 'r'],
      [NETWORK_LOSSES, 'loss', '-10', 'consumer:1', 'r'],
      ['provider:1', 'capture', '40', 'consumer:1', 'r'],
      ['provider:2', 'capture', '50', 'consumer:1', 'r'],
      [NETWORK_FEES, 'fee', '10', 'consumer:1', 'r'],
    ],
  )
  assert.equal(
    lines.reduce((sum, line) => sum + BigInt(line.amount), 0n),
    0n,
  )
  assert.deepEqual(
    lines.map((line) => line.line),
    [0, 1, 2, 3, 4],
  )
})

test('a payer who paid nothing has no line: the network paid', () => {
  const { lines } = setup([
    capture({ fromHold: 0n, fromAvailable: 0n, fromLosses: 9n }, [{ accountId: 'provider:1', amount: 9n }]),
  ])
  assert.deepEqual(
    lines.map((line) => [line.account_id, line.amount, line.counterparty_account_id]),
    [
      [NETWORK_LOSSES, '-9', 'consumer:1'],
      ['provider:1', '9', NETWORK_LOSSES],
    ],
  )
})

test('usage sums its parts exactly, names each node once, and belongs to the UTC day of its entry', () => {
  const part = { promptPerMillion: 1n, completionPerMillion: 1n }
  const { usageRows } = setup(
    [
      usage({}, [
        { ...part, nodeId: 'n1', promptTokens: Number.MAX_SAFE_INTEGER, completionTokens: 1 },
        { ...part, nodeId: 'n2', promptTokens: 2, completionTokens: 3, cachedPromptTokens: 2 },
        { ...part, nodeId: 'n1', promptTokens: 0, completionTokens: 4, cachedPromptTokens: 0 },
      ]),
    ],
    Date.UTC(2026, 1, 28, 23, 59, 59, 999),
  )
  const [row] = usageRows
  assert.equal(row?.prompt_tokens, '9007199254740993')
  assert.equal(row?.cached_prompt_tokens, '2')
  assert.equal(row?.completion_tokens, '8')
  assert.deepEqual(JSON.parse(row?.node_ids ?? ''), ['n1', 'n2'])
  assert.equal(row?.day, '2026-02-28')
})

test('text that PostgreSQL cannot hold is made storable, and ids fit an index', () => {
  const { lines } = setup([
    transfer({
      memo: 'a\0b\ud800',
      transferId: `${'x'.repeat(199)}😀`,
      debitAccountId: 'a',
      creditAccountId: 'b',
    }),
  ])
  assert.equal(lines[0]?.memo, 'a\uFFFDb\uFFFD')
  assert.equal(lines[0]?.transfer_id, `${'x'.repeat(199)}\uFFFD`)
})

test('each alert is a row, counted within its entry', () => {
  const reached = {
    type: 'organisation.budget_reached' as const,
    ...{ organisationId: 'o', keyId: 'k2', budgetId: 'k1', window: 'month' as const },
    ...{ spent: 10n ** 29n, limit: 10n ** 29n, atMs: 5 },
  }
  const { alertRows } = setup([
    usage({}),
    { ...reached, sharePercent: 80 },
    { ...reached, sharePercent: 100 },
  ])
  assert.deepEqual(
    alertRows.map(({ line, share_percent, spent }) => [line, share_percent, spent]),
    [
      [0, 80, `1${'0'.repeat(29)}`],
      [1, 100, `1${'0'.repeat(29)}`],
    ],
  )
})

test('the number of statements does not grow with the number of entries', () => {
  const events = [transfer({}), usage({})]
  const entries = Array.from({ length: 500 }, (_, index) => ({
    sequence: index + 1,
    record: { version: 1 as const, atMs: 1, events },
  }))
  const statements = projectEntries(entries)
  assert.equal(statements.length, 2)
  assert.equal(JSON.parse(String(statements[0]?.parameters[0])).length, 1_000)
})

const transfer = (fields: Partial<CoordinatorEvent & { type: 'ledger.transferred' }>): CoordinatorEvent => ({
  type: 'ledger.transferred',
  transferId: 't',
  debitAccountId: 'a',
  creditAccountId: 'b',
  amount: 7n,
  memo: '',
  atMs: 1,
  ...fields,
})

const capture = (
  from: { fromHold: bigint; fromAvailable: bigint; fromLosses: bigint },
  payouts: { accountId: string; amount: bigint }[],
): CoordinatorEvent => ({
  type: 'ledger.captured',
  transferId: 'usage:r',
  accountId: 'consumer:1',
  holdId: 'h',
  ...from,
  payouts,
  memo: '',
  atMs: 1,
})

const usage = (
  { transferId = null, requestId = 'r' }: { transferId?: string | null; requestId?: string },
  parts: UsageEvent['record']['parts'] = [],
): UsageEvent => ({
  type: 'usage.recorded',
  spoolId: 's',
  sequence: 1,
  cost: 1n,
  fee: 0n,
  transferId,
  record: {
    requestId,
    organisationId: 'o',
    keyId: 'k',
    holdId: 'h',
    model: 'm',
    kind: 'chat',
    outcome: 'completed',
    parts,
    startedAtMs: 1,
    firstTokenMs: null,
    totalMs: 2,
  },
})

/** Projects one entry; the rows are those of its JSON parameters. */
function setup(events: CoordinatorEvent[], atMs = 1) {
  const statements = projectEntries([{ sequence: 1, record: { version: 1, atMs, events } }])
  const rowsFor = (table: string) => {
    const found = statements.find(({ sql }) => sql.includes(`insert into read_models.${table}`))
    return found ? JSON.parse(String(found.parameters[0])) : []
  }
  const lines: LineRow[] = rowsFor('statement_lines')
  const usageRows: UsageRow[] = rowsFor('usage_lines')
  const alertRows: AlertRow[] = rowsFor('alerts')
  return { statements, lines, usageRows, alertRows }
}
