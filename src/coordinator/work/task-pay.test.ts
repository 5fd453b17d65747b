import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAY_MS } from '#kernel/time.ts'
import { consumerAccount, NETWORK_FEES, NETWORK_LOSSES, providerAccount } from '#ledger/ledger.ts'
import { PAYER, PROVIDER } from '#sim/test-world.ts'
import { emptyState } from '../coordinator-state.ts'
import { keepHouse } from '../gateways.ts'
import { startTurn } from '../turn.ts'
import { jobHold } from './task-transfer.ts'
import { grantsIn, planOf, TestFloor } from './test-floor.ts'

const payer = consumerAccount(PAYER)
const earner = providerAccount(PROVIDER)

test('the cap is held when a job is submitted, and what is left of it comes back when it ends', async () => {
  const floor = await TestFloor.open({ balance: 10_000n })
  await floor.submit(planOf({ frames: 2, cap: 6_000n }))
  assert.deepEqual(balance(floor), [4_000n, 6_000n])
  await finishAll(floor)
  assert.equal(floor.job().status, 'completed')
  assert.deepEqual(balance(floor), [8_000n, 0n])
  // Five in a hundred are the network's.
  assert.equal(floor.account(earner).available, 1_900n)
  assert.equal(floor.account(NETWORK_FEES).available, 100n)
  assert.equal(floor.state.ledger.earnings.get(earner)?.earned, 1_900n)
})

test('a job whose cap nobody can pay is refused, and nothing is left of it', async () => {
  const floor = await TestFloor.open({ balance: 10_000n })
  const before = floor.text()
  assert.equal(await floor.submit(planOf({ cap: 10_001n })), 'funds_insufficient')
  assert.equal(await floor.submit(planOf({ cap: null })), 'cap_missing')
  assert.equal(await floor.submit(planOf({ organisationId: 'org_nobody' })), 'funds_insufficient')
  assert.equal(floor.text(), before)
})

test('a higher cap holds more, or is refused and changes nothing', async () => {
  const floor = await TestFloor.open({ balance: 10_000n })
  await floor.submit(planOf({ cap: 6_000n }))
  assert.equal(await setCap(floor, 9_000n), null)
  assert.deepEqual(balance(floor), [1_000n, 9_000n])
  const before = floor.text()
  assert.equal(await setCap(floor, 10_001n), 'funds_insufficient')
  assert.equal(await setCap(floor, null), 'cap_missing')
  assert.equal(floor.text(), before)
})

test('a lower cap frees what nothing under way may cost', async () => {
  const floor = await TestFloor.open({ balance: 10_000n })
  await floor.submit(planOf({ cap: 6_000n }))
  const [first] = grantsIn(await floor.hello('a'))
  // Two run, of up to 1,300 each.
  assert.equal(await setCap(floor, 1n), null)
  assert.deepEqual(balance(floor), [7_400n, 2_600n])
  await floor.finish('a', first?.fence ?? 0)
  assert.equal(await setCap(floor, 5_000n), null)
  assert.deepEqual(balance(floor), [5_000n, 4_000n])
  await floor.command({ kind: 'cancel', jobId: 'job_1', nowMs: floor.nowMs() })
  assert.deepEqual(balance(floor), [9_000n, 0n])
})

test('a cap of nothing holds nothing, and a higher one holds again', async () => {
  const floor = await TestFloor.open({ balance: 10_000n })
  await floor.submit(planOf({ cap: 0n }))
  assert.deepEqual(balance(floor), [10_000n, 0n])
  assert.equal(await setCap(floor, 5_000n), null)
  assert.deepEqual(balance(floor), [5_000n, 5_000n])
})

test('what an earlier job made costs nothing, and nothing is held for a job that is all of that', async () => {
  const floor = await TestFloor.open({ balance: 6_000n })
  await floor.submit(planOf({ frames: 2, cap: 6_000n }))
  await finishAll(floor)
  assert.equal(await floor.submit(planOf({ jobId: 'job_2', frames: 2, cap: 50_000n })), null)
  assert.equal(floor.job('job_2').status, 'completed')
  assert.deepEqual(balance(floor), [4_000n, 0n])
})

test('a result that is looked at after it was paid is not paid again', async () => {
  const floor = await TestFloor.open({ balance: 10_000n })
  await floor.submit(planOf({ cap: 6_000n }))
  const [first] = grantsIn(await floor.hello('a'))
  await floor.finish('a', first?.fence ?? 0)
  const place = { jobId: 'job_1', step: 0, task: 0, nowMs: floor.nowMs() }
  assert.equal(await floor.command({ kind: 'judge', ...place, isGood: true, isChecked: true }), null)
  assert.deepEqual(
    [balance(floor), ours(floor)],
    [
      [4_000n, 5_000n],
      [950n, 50n, 0n],
    ],
  )
})

test('what is rejected after it was paid comes back whole, and is held again', async () => {
  const floor = await TestFloor.open({ balance: 10_000n })
  await floor.submit(planOf({ cap: 6_000n }))
  const [first] = grantsIn(await floor.hello('a'))
  await floor.finish('a', first?.fence ?? 0)
  assert.deepEqual(balance(floor), [4_000n, 5_000n])
  const place = { jobId: 'job_1', step: 0, task: 0, nowMs: floor.nowMs() }
  assert.equal(await floor.command({ kind: 'judge', ...place, isGood: false, isChecked: true }), null)
  assert.deepEqual(balance(floor), [4_000n, 6_000n])
  assert.deepEqual(ours(floor), [0n, 0n, 0n])
  assert.equal(floor.state.ledger.earnings.get(earner)?.earned, 0n)
})

test('what the node’s owner has no more of it, the network bears', async () => {
  const floor = await TestFloor.open({ balance: 10_000n })
  await floor.submit(planOf({ cap: 6_000n }))
  const [first] = grantsIn(await floor.hello('a'))
  await floor.finish('a', first?.fence ?? 0)
  floor.service.coordinator.execute((turn) => {
    const payout = {
      payoutId: 'p',
      accountId: earner,
      amount: 950n,
      minimum: 1n,
      method: 'bank',
      destination: 'x',
    }
    const times = { createdAtMs: turn.nowMs, nowMs: turn.nowMs }
    return turn.ledger({ kind: 'request_payout', ...payout, ...times })
  })
  const place = { jobId: 'job_1', step: 0, task: 0, nowMs: floor.nowMs() }
  assert.equal(await floor.command({ kind: 'judge', ...place, isGood: false, isChecked: true }), null)
  assert.deepEqual(balance(floor), [4_000n, 6_000n])
  assert.deepEqual(ours(floor), [0n, 0n, -950n])
})

test('probes and audits hold nothing: the network pays who worked, and what it lacks is its loss', async () => {
  for (const purpose of ['probe', 'audit'] as const) {
    const floor = await TestFloor.open({ balance: 10_000n })
    await floor.submit(planOf({ frames: 1, cap: null, purpose }))
    await finishAll(floor)
    assert.equal(floor.job().status, 'completed')
    assert.deepEqual(balance(floor), [10_000n, 0n])
    assert.deepEqual(ours(floor), [950n, 0n, -950n])
  }
})

test('cancelled, a job pays what was delivered and nothing else', async () => {
  const floor = await TestFloor.open({ balance: 10_000n })
  await floor.submit(planOf({ cap: 6_000n }))
  const [first] = grantsIn(await floor.hello('a'))
  await floor.finish('a', first?.fence ?? 0)
  await floor.command({ kind: 'cancel', jobId: 'job_1', nowMs: floor.nowMs() })
  assert.deepEqual(balance(floor), [9_000n, 0n])
  await floor.world.run(20)
  assert.deepEqual(
    floor.told('a').map(({ kind }) => kind),
    ['cancel', 'cancel'],
  )
})

test('what is held for a job never expires while it lives, however long nobody was there', async () => {
  const floor = await TestFloor.open({ balance: 10_000n })
  await floor.submit(planOf({ cap: 6_000n }))
  const holdId = jobHold('job_1')
  const hold = floor.state.ledger.holds.get(holdId)
  assert(hold)
  for (const days of [1, 20, 300]) {
    const nowMs = floor.nowMs() + days * DAY_MS
    keepHouse(startTurn(floor.state, nowMs, []), { mayExpireHolds: true })
    assert((floor.state.ledger.holds.get(holdId)?.expiresAtMs ?? 0) > nowMs + 28 * DAY_MS)
  }
  assert.equal(emptyState().ledger.holds.size, 0)
})

test('no gateway takes back what is held for a job', async () => {
  const floor = await TestFloor.open({ balance: 10_000n })
  await floor.submit(planOf({ cap: 6_000n }))
  floor.service.coordinator.execute((turn) =>
    assert.equal(
      turn.ledger({ kind: 'release_hold', holdId: jobHold('job_1'), ownerId: 'g' }),
      'hold_not_owned',
    ),
  )
})

test('a bill names job, step, frame and job id', async () => {
  const floor = await TestFloor.open({ balance: 10_000n })
  await floor.submit(planOf({ frames: 1, cap: 6_000n }))
  const memos: string[] = []
  floor.service.coordinator.onEvent((event) => {
    if (event.type === 'ledger.captured') memos.push(event.memo)
  })
  await finishAll(floor)
  assert.deepEqual(memos, ['castle.blend · frames, frame 1 · job_1'])
})

const balance = (floor: TestFloor): [bigint, bigint] => {
  const { available, held } = floor.account(payer)
  return [available, held]
}
/** Of the node's owner, the network's fees and its losses. */
const ours = (floor: TestFloor): bigint[] =>
  [earner, NETWORK_FEES, NETWORK_LOSSES].map((accountId) => floor.account(accountId).available)

const setCap = (floor: TestFloor, cap: bigint | null) =>
  floor.command({ kind: 'set_cap', jobId: 'job_1', cap, nowMs: floor.nowMs() })

/** Node a does what there is. */
async function finishAll(floor: TestFloor): Promise<void> {
  const orders = await floor.hello('a')
  for (const grants = grantsIn(orders); grants.length > 0; ) {
    const grant = grants.shift()
    if (grant) grants.push(...grantsIn(await floor.finish('a', grant.fence)))
  }
}
