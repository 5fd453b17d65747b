/** What of requests that fail is the network's fault, over a real gateway: which of them count for a promise. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { consumerAccount, EXTERNAL_TEST } from '#ledger/ledger.ts'
import { createTestNetwork } from '#sim/test-network.ts'
import { PROVIDER } from '#sim/test-world.ts'
import { QUEUE_WAIT_MS } from './admission.ts'
import { OFFERED_MS } from './offered-lately.ts'

test('a model whose only node went fails by the network’s fault for an hour, and is offered no more then', async () => {
  const { ask, connect, outcomes, run } = await createTestNetwork()
  const agent = await connect('a')
  // Where nobody offered anything the network itself would be out, for however long.
  await connect('b', [{ id: 'another' }])
  await run(2 * OFFERED_MS)
  agent.close()
  const exemptOf = async () => {
    ask({ slaClass: 'business' })
    await run(QUEUE_WAIT_MS + 1_000)
    const { outcome, problem, exempt } = outcomes.at(-1) ?? {}
    assert.deepEqual([outcome, problem], ['failed', 'no_node_available'])
    return exempt
  }
  assert.equal(await exemptOf(), undefined)
  await run(OFFERED_MS / 2)
  assert.equal(await exemptOf(), undefined)
  await run(OFFERED_MS / 2)
  assert.equal(await exemptOf(), 'unoffered')
  const again = await connect('a')
  const call = ask({ slaClass: 'business' })
  await run(100)
  again.close()
  await run(QUEUE_WAIT_MS + 1_000)
  assert.equal(call.problem().code, 'no_node_available')
  assert.equal(outcomes.at(-1)?.exempt, undefined, 'it was here just now')
})

test('what is refused is free where all nodes of the model ask for nothing', async () => {
  const { ask, connect, run, service } = await createTestNetwork()
  const told: unknown[] = []
  service.coordinator.onEvent((event) => {
    if (event.type !== 'sla.tallied') return
    for (const { problem, exempt } of event.tally.refused) told.push([problem, exempt])
  })
  const agent = await connect('a', [{ slots: 1 }])
  for (const askPerGpuHour of [360_000_000n, 0n]) {
    agent.report([{ slots: 1 }], askPerGpuHour)
    await run(1_000)
    // It has the slot, and all others wait behind it.
    ask({ slaClass: 'business' })
    await run(1_000)
    let heard: readonly string[] = []
    for (let count = 0; count < 1_100 && !heard.includes('refused queue_full'); count++)
      heard = ask({ slaClass: 'business' }).heard
    await run(2 * QUEUE_WAIT_MS)
  }
  assert.deepEqual(told, [
    ['queue_full', undefined],
    ['queue_full', 'free'],
  ])
})

test('a reading of a caller that left before anything came names the node that it waited for', async () => {
  const { ask, connect, outcomes, run, take } = await createTestNetwork()
  await connect('a')
  take((turn) =>
    turn.ledger({
      ...{ kind: 'transfer', transferId: 'more', memo: '', amount: 1_000_000_000n },
      ...{ debitAccountId: EXTERNAL_TEST, creditAccountId: consumerAccount(PROVIDER) },
      ...{ createdAtMs: turn.nowMs, nowMs: turn.nowMs },
    }),
  )
  for (const organisationId of [PROVIDER, undefined]) {
    const call = ask({ slaClass: 'business', ...(organisationId && { organisationId }) })
    await run(50_000)
    call.run().cancel()
    await run(100)
  }
  assert.deepEqual(
    outcomes.map(({ outcome, exempt, parts }) => [outcome, exempt, parts.map(({ nodeId }) => nodeId)]),
    [
      ['cancelled', 'own_node', ['a']],
      ['cancelled', undefined, ['a']],
    ],
  )
})
