/** A network whose PostgreSQL server dies in the middle of its commands: it says so, and goes on by itself when it is back. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { postgresMissing, startPostgres } from '#host/node/test-postgres.ts'
import { proveBooks } from './books.ts'
import { until } from './process-group.ts'
import { openRig, startNetwork } from './rig.ts'
import { balanceOf, founderAccount, proveDeposits, startCommands } from './takeover-load.ts'

const rig = openRig()
after(() => rig.dispose())

test('a database that dies under load is named, nothing acknowledged is lost, and with it the network is back', {
  skip: postgresMissing,
}, async (t) => {
  const postgres = await startPostgres()
  t.after(async () => {
    await rig.dispose()
    await postgres.dispose()
  })
  const folder = rig.path('data')
  const network = await startNetwork(rig, folder, ['--no-agent', '--database', postgres.createDatabase()])
  const accountId = await founderAccount(network)
  const before = await balanceOf(network, accountId)
  const commands = startCommands(network.operator, accountId, 100)
  for (let round = 0; round < 2; round++) {
    await commands.firstAfter(performance.now())
    await postgres.kill('SIGKILL')
    await until('the network to say what is wrong', () => sentences(network.program.output()) > round)
    await postgres.start()
    await commands.firstAfter(performance.now())
  }
  await commands.stop()
  await proveDeposits(network, { accountId, before, usage: [], commands })
  await proveBooks(network.operator, [])
  assert.doesNotMatch(network.program.output(), /^\s+at /m, 'no stack of calls is shown to anybody')
})

const sentences = (output: string): number =>
  output.match(
    /^shoal: PostgreSQL at 127\.0\.0\.1:\d+\/\S+ cannot be reached \(.*\)\. Nothing acknowledged is lost; it goes on when the server is back\. The coordinator is/gm,
  )?.length ?? 0
