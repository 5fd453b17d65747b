/** A network on PostgreSQL whose leading coordinator dies, is stopped and wakes up, or hands over in order. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createClient } from '#protocol/client.ts'
import { routes } from '#protocol/routes.ts'
import { proveBooks, settle } from './books.ts'
import { proveBilling } from './crowd-proofs.ts'
import { type Outgrown, outgrownMissing, startOutgrown } from './outgrown.ts'
import { until } from './process-group.ts'
import {
  balanceOf,
  epochsThatFall,
  founderAccount,
  isRunning,
  proveDeposits,
  startCommands,
  startStreams,
} from './takeover-load.ts'

let outgrown: Outgrown
before(async () => {
  if (!outgrownMissing) outgrown = await startOutgrown({ coordinators: 2 })
})
after(() => outgrown?.dispose())

const skip = outgrownMissing

test('a leader that is killed, or stopped and woken up too late, loses no acknowledged command and no stream, and writes nothing more', {
  skip,
}, async () => {
  const { network, coordinators } = outgrown
  const accountId = await founderAccount(network)
  const before = await balanceOf(network, accountId)
  const commands = startCommands(network.operator, accountId, 100)
  const streams = startStreams(network, 4, 1_000)
  const leaders = new Set<string>()
  for (let round = 0; round < 4; round++) {
    await commands.firstAfter(performance.now())
    await until('streams under way', () => streams.live() >= 2)
    const leader = await outgrown.leader()
    leaders.add(leader.name)
    const worker = await leader.worker()
    const isStop = round % 2 === 1
    process.kill(worker, isStop ? 'SIGSTOP' : 'SIGKILL')
    const back = await commands.firstAfter(performance.now())
    assert(back.acknowledgedMs > 0)
    if (!isStop) continue
    assert.notEqual((await outgrown.leader()).name, leader.name, 'the other one leads')
    process.kill(worker, 'SIGCONT')
    await until('the woken leader to step down', () => !isRunning(worker))
  }
  const results = await streams.stop()
  await commands.stop()
  assert.deepEqual([...leaders].sort(), coordinators.map(({ name }) => name).sort(), 'both have led')
  for (const { error } of results) assert.equal(error, null, 'every stream ended well')

  const usage = await settle(network, results.length)
  proveBilling(results, usage)
  await proveBooks(network.operator, usage)
  await proveDeposits(network, { accountId, before, usage, commands })
  assert.equal(epochsThatFall(outgrown.postgres), '0', 'no entry of an older epoch follows one of a newer')
})

test('a standby that is told to takes over from a leader that lives, which then stands by', {
  skip,
}, async () => {
  const { coordinators, network } = outgrown
  const leader = await outgrown.leader()
  const standby = coordinators.find((coordinator) => coordinator !== leader)
  assert(standby)
  const baseUrl = await standby.apiUrl()
  const api = createClient(routes, { baseUrl, apiKey: network.operatorKey, fetch })
  assert.equal((await api.getHealth()).role, 'standby')
  await assert.rejects(api.getStatus(), { code: 'unavailable' })
  const stranger = createClient(routes, { baseUrl, apiKey: network.openai.apiKey ?? '', fetch })
  await assert.rejects(stranger.takeOver(), { code: 'scope_missing' })
  await api.takeOver()
  await until('the standby to lead', async () => (await api.getHealth().catch(() => null))?.role === 'leader')
  await assert.rejects(api.takeOver(), { code: 'conflict' })
  const old = createClient(routes, { baseUrl: await leader.apiUrl(), apiKey: '', fetch })
  await until('the old leader to stand by', async () => {
    const health = await old.getHealth().catch(() => null)
    return health?.role === 'standby'
  })
  await until('the gateway to follow', () => network.operator.checkLedger().catch(() => null))
  const { items } = await network.operator.listAudit({ query: { limit: 100 } })
  const [ordered, ...others] = items.filter(({ act }) => act === 'takeOver')
  assert.deepEqual([ordered?.outcome, ordered?.actor.kind, others.length], ['done', 'key', 0])
  assert.deepEqual(ordered?.actor.scopes, ['operator'])
})

test('a coordinator and a gateway whose secret is another one are told so, and the network goes on', {
  skip,
}, async () => {
  const { rig, nats, postgres, network } = outgrown
  const secrets = rig.path('other-secrets')
  mkdirSync(secrets, { mode: 0o700 })
  copyFileSync(rig.path('shared-secrets/network-key'), join(secrets, 'network-key'))
  writeFileSync(join(secrets, 'key-secret'), 'another-secret', { mode: 0o600 })
  const common = ['--bus', nats.url, '--secrets', secrets, '--port', '0']
  const ends = await Promise.all([
    rig.run(['coordinator', '--data', rig.path('stranger'), '--database', postgres.url, ...common]),
    rig.run(['gateway', '--data', rig.path('strange-gateway'), ...common]),
  ])
  for (const { code, stdout, stderr } of ends) {
    const output = `${stdout}${stderr}`
    assert.notEqual(code, 0, output)
    assert.match(
      output,
      /`key-secret` in the folder of secrets\) is not the one of this network\. Give the folder/,
    )
  }
  assert.equal((await network.operator.checkLedger()).sum, 0n)
})

test('a leader that is ended in order hands over at once', { skip }, async () => {
  const { network } = outgrown
  const leader = await outgrown.leader()
  leader.program.signal('SIGINT')
  assert.equal((await leader.program.end).code, 0)
  const next = outgrown.coordinators.find((coordinator) => coordinator !== leader)
  assert(next)
  const api = createClient(routes, { baseUrl: await next.apiUrl(), apiKey: '', fetch })
  await until('the other to lead', async () => (await api.getHealth().catch(() => null))?.role === 'leader')
  await until('the gateway to follow', () => network.operator.checkLedger().catch(() => null))
})
