/** A network whose PostgreSQL server dies in the middle of its commands: it says so, and goes on by itself when it is back. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { postgresMissing, startPostgres } from '#host/node/test-postgres.ts'
import { proveBooks } from './books.ts'
import { until } from './process-group.ts'
import { type Network, openRig, startNetwork } from './rig.ts'
import { balanceOf, founderAccount } from './takeover-load.ts'

const rig = openRig()
after(() => rig.dispose())

const AMOUNT = 1_000n
const CALLERS = 4

test('a database that dies under load is named, nothing acknowledged is lost, and with it the network is back', {
  skip: postgresMissing,
}, async (t) => {
  const postgres = await startPostgres()
  t.after(async () => {
    await rig.dispose()
    await postgres.dispose()
  })
  const args = ['--no-agent', '--database', postgres.createDatabase()]
  const network = await startNetwork(rig, rig.path('data'), args)
  const accountId = await founderAccount(network)
  const before = await balanceOf(network, accountId)
  const load = startDeposits(network, accountId)
  for (let round = 1; round <= 2; round++) {
    await load.another()
    await postgres.kill('SIGKILL')
    await until('the network to say what is wrong', () => sentences(network.program.output()) >= round)
    await postgres.start()
    await load.another()
  }
  const acknowledged = await load.stop()
  assert.equal(await balanceOf(network, accountId), before + BigInt(acknowledged) * AMOUNT)
  await proveBooks(network.operator, [])
  assert.doesNotMatch(network.program.output(), /^\s+at /m, 'nobody is shown a stack of calls')
})

/** Deposits, each again and again under its own id until it is acknowledged. */
function startDeposits({ operator }: Network, accountId: string) {
  let sent = 0
  let acknowledged = 0
  let isStopped = false
  const deposit = async (transferId: string, createdAtMs: number): Promise<void> => {
    const body = { transferId, createdAtMs, amount: AMOUNT, memo: 'load', isTest: true }
    while (
      !(await operator.depositToAccount({ params: { accountId }, body }).then(
        () => true,
        () => false,
      ))
    ) {
      await sleep(50)
    }
    acknowledged++
  }
  const caller = async (): Promise<void> => {
    while (!isStopped) await deposit(`load-${sent++}`, Date.now())
  }
  const callers = Promise.all(Array.from({ length: CALLERS }, caller))
  return {
    /** Of those that are sent from now on. */
    another(): Promise<unknown> {
      const seen = acknowledged + CALLERS
      return until('a deposit to be acknowledged', () => acknowledged > seen)
    },
    async stop(): Promise<number> {
      isStopped = true
      await callers
      return acknowledged
    },
  }
}

const sentences = (output: string): number =>
  output.match(
    /^shoal: PostgreSQL at 127\.0\.0\.1:\d+\/\S+ cannot be reached \(.*\)\. Nothing acknowledged is lost; it goes on when the server is back\. The coordinator is/gm,
  )?.length ?? 0
