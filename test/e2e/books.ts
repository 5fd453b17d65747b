/** Proves that a network's books explain every nano-USD. */
import assert from 'node:assert/strict'
import { costOf, networkFee } from '#ledger/price.ts'
import type { Account, StatementLine } from '#protocol/account.ts'
import type { Client } from '#protocol/client.ts'
import { PAGE_LIMIT_MAX } from '#protocol/page.ts'
import type { UsageLine } from '#protocol/usage-page.ts'
import { until } from './process-group.ts'
import type { Network } from './rig.ts'

interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | null
}

/** All items of a list, page after page. */
async function readAll<T>(
  read: (query: { limit: number; before?: string }) => Promise<Page<T>>,
): Promise<T[]> {
  const all: T[] = []
  for (let before: string | null | undefined; before !== null; ) {
    const page = await read({ limit: PAGE_LIMIT_MAX, ...(before === undefined ? {} : { before }) })
    all.push(...page.items)
    before = page.next
  }
  return all
}

export const readUsage = (client: Client): Promise<UsageLine[]> =>
  readAll((query) => client.listUsage({ query }))

const readStatement = (client: Client, accountId: string): Promise<StatementLine[]> =>
  readAll((query) => client.getStatement({ params: { accountId }, query }))

export const readAccounts = (client: Client): Promise<Account[]> =>
  readAll((query) => client.listAccounts({ query }))

/** Waits until nothing is under way: no request, no reading on its way to the ledger, no lag of the lists. */
export async function settle({ operator, status }: Network, requests: number): Promise<UsageLine[]> {
  await until(`${requests} requests to be billed`, async () => {
    const { requestsInFlight, requestsUnbilled = 0, readModel } = await status()
    if (requestsInFlight > 0 || requestsUnbilled > 0 || readModel.lagEntries > 0) return false
    const { totals, lagEntries } = await operator.listUsage({ query: { limit: 1 } })
    return lagEntries === 0 && totals.requests >= requests
  })
  return readUsage(operator)
}

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n)
const balanceOf = ({ available, held }: Account): bigint => available + held

export interface Books {
  readonly accounts: ReadonlyMap<string, Account>
  readonly statements: ReadonlyMap<string, readonly StatementLine[]>
  /** What consumers paid for work, and of that for tasks of jobs, less what came back. */
  readonly spent: bigint
  readonly spentOnJobs: bigint
}

/**
 * Reads all accounts with their statements and `usage`, and asserts: the accounts sum to zero; each balance is the sum
 * of its statement, line by line; each request is billed by one capture, of its cost, and each result of a task by one; and
 * what consumers spent is what providers earned and the network took, less what it lost. Nothing may be under way.
 */
export async function proveBooks(client: Client, usage: readonly UsageLine[]): Promise<Books> {
  const accounts = await readAccounts(client)
  const statements = new Map<string, StatementLine[]>()
  for (const account of accounts) {
    const lines = await readStatement(client, account.accountId)
    statements.set(account.accountId, lines)
    proveStatement(account, lines)
  }
  const { sum: ledgerSum, accounts: count } = await client.checkLedger()
  assert.equal(ledgerSum, 0n, 'the ledger sums to zero')
  assert.equal(count, accounts.length)
  assert.equal(sum(accounts.map(balanceOf)), 0n, 'the accounts sum to zero')

  const linesOf = (kind: Account['kind']): StatementLine[] =>
    accounts
      .filter((account) => account.kind === kind)
      .flatMap((account) => statements.get(account.accountId) ?? [])
  const work = (line: StatementLine): boolean => ['capture', 'fee', 'loss'].includes(line.kind)
  const all = (): boolean => true
  const gained = (kind: Account['kind'], of: (line: StatementLine) => boolean = all): bigint =>
    sum(
      linesOf(kind)
        .filter((line) => work(line) && of(line))
        .map(({ amount }) => amount),
    )
  const spent = -gained('consumer')
  const spentOnJobs = -gained('consumer', isOfTask)
  const ofRequest = (line: StatementLine): boolean => !isOfTask(line)
  assert.equal(gained('provider') + gained('network'), spent, 'what is spent is earned')
  assert.equal(gained('provider', isOfTask) + gained('network', isOfTask), spentOnJobs, 'on jobs, too')
  assert.equal(sum(usage.map(({ cost }) => cost)), spent - spentOnJobs, 'usage explains what was spent')
  assert.equal(sum(usage.map(({ fee }) => fee)), gained('network', ofRequest), 'usage explains the fees')
  assert.equal(
    new Set(usage.map(({ requestId }) => requestId)).size,
    usage.length,
    'one line for each request',
  )
  proveCaptures(
    linesOf('consumer').filter((line) => work(line) && ofRequest(line)),
    usage,
  )
  proveTasks(linesOf('consumer').filter((line) => work(line) && isOfTask(line)))
  const byId = new Map(accounts.map((account) => [account.accountId, account]))
  return { accounts: byId, statements, spent, spentOnJobs }
}

/** `lines` are newest first, as the API gives them. */
function proveStatement(account: Account, lines: readonly StatementLine[]): void {
  let balance = 0n
  for (const line of lines.toReversed()) {
    balance += line.amount
    assert.equal(
      line.balanceAfter,
      balance,
      `${account.accountId}, entry ${line.sequence}: the balance follows`,
    )
  }
  assert.equal(balanceOf(account), balance, `${account.accountId}: the statement explains the balance`)
}

/** Pays a task of a job, or gives its price back. */
const isOfTask = ({ transferId }: StatementLine): boolean => /^(task|refund|forfeit):/.test(transferId)

/** Each result is paid once, and what came back was paid before, and no more than that. */
function proveTasks(lines: readonly StatementLine[]): void {
  const paid = new Map<string, bigint>()
  const given = new Map<string, bigint>()
  for (const { transferId, amount } of lines) {
    const [, kind = '', result = ''] = /^(task|refund):(.*?)(:fee)?$/.exec(transferId) ?? []
    if (kind === 'task') assert(!paid.has(result) && amount < 0n, `${transferId} is paid once`)
    if (kind === '') continue
    const sums = kind === 'task' ? paid : given
    sums.set(result, (sums.get(result) ?? 0n) + amount)
  }
  for (const [result, amount] of given)
    assert.equal(amount, -(paid.get(result) ?? 0n), `what was paid for ${result} came back whole`)
}

/** A request may be paid to several accounts, each with its line; together they are its cost. */
function proveCaptures(lines: readonly StatementLine[], usage: readonly UsageLine[]): void {
  const paid = new Map<string, bigint>()
  for (const { requestId, amount } of lines) {
    assert(requestId, 'a capture names its request')
    paid.set(requestId, (paid.get(requestId) ?? 0n) - amount)
  }
  const charged = usage.filter(({ cost }) => cost > 0n)
  assert.deepEqual(paid, new Map(charged.map(({ requestId, cost }) => [requestId, cost])))
}

/** Asserts that each line costs what its tokens cost at the one price that the network's node asks. */
export async function provePrices({ status }: Network, usage: readonly UsageLine[], feeBps: number) {
  const [offer] = (await status()).models
  assert(offer)
  const price = {
    promptPerMillion: offer.promptPerMillion.min,
    completionPerMillion: offer.completionPerMillion.min,
  }
  for (const line of usage.filter(({ outcome }) => outcome !== 'failed')) {
    assert.equal(line.cost, costOf(line, price), `${line.requestId} costs what its tokens cost`)
    assert.equal(line.fee, networkFee(line.cost, feeBps))
  }
}
