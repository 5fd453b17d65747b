import assert from 'node:assert/strict'
import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { mountSmallDisk } from '#host/node/small-disk.ts'
import { proveBooks } from './books.ts'
import { until } from './process-group.ts'
import { type Network, openRig, startNetwork } from './rig.ts'

const rig = openRig()
after(() => rig.dispose())

/** Enough for a network's first data; the rest is filled by the test. */
const DISK_KIB = 160 * 1024
const DOLLAR = 1_000_000_000n

test('a full disk is named, nothing acknowledged is lost, and with space again the network serves', {
  skip:
    process.env['SHOAL_TEST_STORE'] === 'postgres' &&
    'the journal is on another disk: postgres-failure.test.ts fills that of the server',
}, async (t) => {
  const disk = mountSmallDisk(DISK_KIB)
  if (typeof disk === 'string') return t.skip(disk)
  t.after(async () => {
    await rig.dispose()
    disk.dispose()
  })
  const folder = join(disk.folder, 'data')
  const network = await startNetwork(rig, folder, ['--no-agent'])
  const accountId = await consumerOf(network)
  await until('the lists to be there', async () => (await network.status()).readModel.lagEntries === 0)

  const ballast = join(disk.folder, 'ballast')
  fill(ballast)
  const acknowledged = await depositUntilRefused(network, accountId)
  await until('the network to say what is wrong', () => /disk is full/i.test(network.program.output()))
  assert.match(
    network.program.output(),
    /^shoal: The disk is full: .* could not be written\. Free some space and start again; nothing acknowledged is lost\. The coordinator is/m,
  )
  assert.doesNotMatch(network.program.output(), /^\s+at /m)

  rmSync(ballast)
  await until('the network to serve again by itself', () => isServing(network))
  await assertKept(network, { accountId, acknowledged })

  network.program.signal('SIGINT')
  assert.equal((await network.program.end).code, 0)
  fill(ballast)
  const refused = await rig.run(['up', '--data', folder, '--port', '0', '--no-agent'])
  assert.equal(refused.code, 8)
  assert.match(
    refused.stderr,
    /^shoal: The disk is full: .*\. Free some space and start again; .* is lost\.$/m,
  )
  rmSync(ballast)
  const next = await startNetwork(rig, folder, ['--no-agent'])
  await assertKept(next, { accountId, acknowledged })
  const { account } = await deposit(next, { accountId, transferId: 'after' })
  assert(account.available > 0n)
  await proveBooks(next.operator, [])
})

async function consumerOf({ operator }: Network): Promise<string> {
  const { items } = await operator.listAccounts()
  const account = items.find(({ kind }) => kind === 'consumer')
  assert(account)
  return account.accountId
}

const deposit = (
  { operator }: Network,
  { accountId, transferId }: { accountId: string; transferId: string },
) =>
  operator.depositToAccount({
    params: { accountId },
    body: { transferId, createdAtMs: Date.now(), amount: DOLLAR, memo: transferId, isTest: true },
  })

/** Writes until nothing more fits. */
function fill(path: string): void {
  const file = openSync(path, 'w')
  try {
    for (const size of [2 ** 20, 4_096, 1]) {
      const chunk = Buffer.alloc(size)
      while (writesWhole(file, chunk));
    }
  } finally {
    closeSync(file)
  }
}

function writesWhole(file: number, chunk: Buffer): boolean {
  try {
    return writeSync(file, chunk) === chunk.length
  } catch {
    return false // ENOSPC, which is what it is for.
  }
}

const DEPOSITS_MAX = 5_000

/** The deposits that were acknowledged before one was not: pages that are on the disk already take some more. */
async function depositUntilRefused(network: Network, accountId: string): Promise<string[]> {
  const acknowledged: string[] = []
  for (let count = 0; count < DEPOSITS_MAX; count++) {
    const transferId = `deposit-${count}`
    const isDone = await deposit(network, { accountId, transferId }).then(
      () => true,
      () => false,
    )
    if (!isDone) return acknowledged
    acknowledged.push(transferId)
  }
  throw new Error(`${DEPOSITS_MAX} deposits fit on a full disk`)
}

const isServing = (network: Network): Promise<boolean> =>
  network.operator.checkLedger().then(
    () => true,
    () => false,
  )

/** Each acknowledged deposit is on the statement once; of the refused one nothing is, or all. */
async function assertKept(
  { operator }: Network,
  { accountId, acknowledged }: { accountId: string; acknowledged: readonly string[] },
): Promise<void> {
  const { lagEntries, items } = await until('the statement to be complete', async () => {
    const statement = await operator.getStatement({ params: { accountId }, query: { limit: 1_000 } })
    return statement.lagEntries === 0 && statement
  })
  assert.equal(lagEntries, 0)
  const transfers = items.map(({ transferId }) => transferId).filter((id) => id.startsWith('deposit-'))
  assert.equal(new Set(transfers).size, transfers.length)
  for (const transferId of acknowledged) assert(transfers.includes(transferId), `${transferId} is there`)
  assert(transfers.length <= acknowledged.length + 1)
}
