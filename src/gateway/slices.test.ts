/** The real coordinator lends over a simulated bus; what is lost or late is said in each test. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { openCoordinatorService } from '#coordinator/coordinator-service.ts'
import { SLICE_TTL_MS } from '#coordinator/take-slice.ts'
import type { Turn } from '#coordinator/turn.ts'
import type { BusCall } from '#host/host.ts'
import { createRandom } from '#kernel/random.ts'
import { consumerAccount, EXTERNAL_TEST } from '#ledger/ledger.ts'
import { subjects, TakeSlice } from '#protocol/cell.ts'
import type { Problem } from '#protocol/problem.ts'
import { createTestWorld, foundCell, PAYER } from '#sim/test-world.ts'
import { CELL_TIMEOUT_MS } from './cell-calls.ts'
import { createSlices, type Reservation, type ReserveResult } from './slices.ts'

/** Lent at least, when it is there: two US cents. */
const LOAN_MIN = 20_000_000n
const IDLE_MS = 30_000
const TICK_MS = 5_000

test('the first reservation waits for a slice, the next is there at once', async () => {
  const { reserve, run, takes } = await setup()
  const first = reserve(100n)
  assert.equal(first.result(), 'open')
  await run(100)
  assert.equal(first.reservation().amount, 100n)
  assert.equal(reserve(100n).reservation().holdId, first.reservation().holdId)
  assert.equal(takes().length, 1)
})

test('one call per account is under way, whoever waits', async () => {
  const { reserve, run, takes, calls } = await setup()
  const waiting = Array.from({ length: 50 }, () => reserve(1_000n))
  assert.equal(calls.length, 1)
  await run(100)
  assert.ok(waiting.every((one) => one.result() === 'reserved'))
  assert.equal(takes().length, 1)
})

test('who waits is served in order, and a newcomer does not overtake', async () => {
  const { reserve, run } = await setup()
  const order: string[] = []
  reserve(LOAN_MIN, () => order.push('large'))
  await run(100)
  reserve(10n * LOAN_MIN, () => order.push('larger'))
  reserve(1n, () => order.push('small'))
  assert.deepEqual(order, ['large'])
  await run(100)
  assert.deepEqual(order, ['large', 'larger', 'small'])
})

test('reserved and spent never exceed what is lent, and all of it comes back in the end', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('reserve' as const), amount: fc.bigInt({ min: 1n, max: 30_000_000n }) }),
    fc.record({ kind: fc.constant('settle' as const), percent: fc.nat(100) }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), fc.nat(1_000), async (steps, seed) => {
      const { reserve, slices, run, lent, open } = await setup({ balance: 100_000_000n, seed })
      const random = createRandom(seed)
      const held: Reservation[] = []
      for (const next of steps) {
        if (next.kind === 'wait') await run(next.ms)
        else if (next.kind === 'reserve')
          reserve(next.amount, (result) => void (typeof result !== 'string' && held.push(result)))
        else if (held.length > 0) {
          const [reservation] = held.splice(random.int(held.length), 1)
          assert.ok(reservation)
          const cost = (reservation.amount * BigInt(next.percent)) / 100n
          slices.settle(reservation, cost, 0)
        }
        const reserved = held.reduce((sum, { amount }) => sum + amount, 0n)
        assert.ok(reserved <= lent(), `${reserved} is reserved, ${lent()} is lent`)
      }
      await run(2 * CELL_TIMEOUT_MS)
      for (const reservation of held.splice(0)) slices.settle(reservation, 0n, 0)
      await run(IDLE_MS + 3 * TICK_MS)
      assert.deepEqual([lent(), open()], [0n, 0])
    }),
    { numRuns: 15 },
  )
})

test('what was settled below its reservation can be reserved again', async () => {
  const { reserve, slices, run, takes } = await setup({ balance: 1_000n })
  const first = reserve(1_000n)
  await run(100)
  slices.settle(first.reservation(), 400n, 0)
  assert.equal(reserve(600n).result(), 'reserved')
  assert.equal(takes().length, 1)
})

test('what another settles while a loan is refused is reserved after all', async () => {
  const { reserve, slices, run } = await setup({ balance: 1_000n })
  const first = reserve(1_000n)
  await run(100)
  const second = reserve(500n)
  slices.settle(first.reservation(), 0n, 0)
  await run(100)
  assert.equal(second.result(), 'reserved')
})

test('a balance that does not cover the need is told so, and a smaller need is still served', async () => {
  const { reserve, run } = await setup({ balance: 1_000n })
  const large = reserve(1_001n)
  const small = reserve(1_000n)
  await run(100)
  assert.deepEqual([large.result(), small.result()], ['funds_insufficient', 'reserved'])
})

test('a reservation that takes the place of another may use its money, and lends only what that lacks', async () => {
  for (const balance of [1_000n, 600n]) {
    const { reserve, slices, run, lent, service } = await setup({ balance })
    const old = reserve(600n)
    await run(100)
    if (balance === 600n)
      service.coordinator.execute(
        (turn) => turn.ledger(depositOf(400n, turn)),
        () => {},
      )
    const settleOld = (result: ReserveResult): void => {
      if (typeof result !== 'string') slices.settle(old.reservation(), 0n, 0)
    }
    const tooMuch = reserve(1_001n, settleOld, old.reservation())
    await run(100)
    const fresh = reserve(1_000n, settleOld, old.reservation())
    await run(100)
    assert.deepEqual([tooMuch.result(), fresh.result(), lent()], ['funds_insufficient', 'reserved', 1_000n])
    const another = reserve(1n)
    await run(100)
    assert.equal(another.result(), 'funds_insufficient')
  }
})

test('a balance that cannot raise a slice leaves the slice as it was', async () => {
  const { reserve, run } = await setup({ balance: 1_000n })
  reserve(600n)
  await run(100)
  const tooMuch = reserve(401n)
  const rest = reserve(400n)
  await run(100)
  assert.deepEqual([tooMuch.result(), rest.result()], ['funds_insufficient', 'reserved'])
})

test('the next loan is twice what the last minute spent', async () => {
  const { reserve, slices, run, lent } = await setup({ balance: 10n ** 12n })
  for (let request = 0; request < 10; request++) {
    const one = reserve(LOAN_MIN)
    await run(1_000)
    slices.settle(one.reservation(), LOAN_MIN, 0)
  }
  const before = lent()
  reserve(before - 10n * LOAN_MIN + 1n)
  await run(100)
  assert.equal(lent(), 10n * LOAN_MIN + 20n * LOAN_MIN)
})

test('the next loan covers the request four times over', async () => {
  const { reserve, slices, run, lent } = await setup({ balance: 10n ** 12n })
  const first = reserve(LOAN_MIN)
  await run(100)
  assert.equal(lent(), 4n * LOAN_MIN)
  slices.settle(first.reservation(), LOAN_MIN, 0)
  reserve(10n * LOAN_MIN)
  await run(100)
  assert.equal(lent(), LOAN_MIN + 40n * LOAN_MIN)
})

test('a call without an answer is told as unavailable, and repeated for the same hold it lends once', async () => {
  const { reserve, run, takes, faults, lent } = await setup()
  faults.cutOff.add('coordinator')
  const first = reserve(100n)
  await run(CELL_TIMEOUT_MS + 10)
  assert.equal(first.result(), 'unavailable')
  faults.cutOff.clear()
  const second = reserve(100n)
  await run(100)
  assert.equal(second.result(), 'reserved')
  assert.deepEqual(new Set(takes().map(({ holdId }) => holdId)).size, 1)
  assert.equal(lent(), LOAN_MIN)
})

test('a loan whose answer was lost is found again by its name', async () => {
  const { reserve, run, faults, service, lent, open } = await setup()
  service.coordinator.onEvent((event) => {
    if (event.type === 'ledger.hold_opened') faults.lossPer10k = 10_000
  })
  const first = reserve(100n)
  await run(CELL_TIMEOUT_MS + 10)
  assert.deepEqual([first.result(), open()], ['unavailable', 1])
  faults.lossPer10k = 0
  const second = reserve(100n)
  await run(100)
  assert.deepEqual([second.result(), open(), lent()], ['reserved', 1, LOAN_MIN])
})

test('slices in use are renewed', async () => {
  const { reserve, run, lent, calls } = await setup()
  const first = reserve(100n)
  for (let minute = 0; minute < 10; minute++) await run(60_000)
  assert.equal(first.result(), 'reserved')
  assert.equal(lent(), LOAN_MIN)
  // Each renewal is an entry in the journal: six in the life of a slice, not one with every tick.
  const renewals = calls.filter(({ subject }) => subject === subjects.renewSlices).length
  assert.ok(renewals >= 15 && renewals <= 20, `${renewals} renewals in ten minutes`)
  assert.equal(reserve(100n).result(), 'reserved')
})

test('an idle slice goes back, once its usage is in the ledger', async () => {
  const { reserve, slices, run, lent, acknowledge } = await setup()
  const first = reserve(100n)
  await run(100)
  slices.settle(first.reservation(), 50n, 7)
  await run(IDLE_MS + 2 * TICK_MS)
  assert.equal(lent(), LOAN_MIN, 'reading 7 is still on its way')
  acknowledge(7)
  await run(2 * TICK_MS)
  assert.equal(lent(), 0n)
})

test('a slice with work under way is not idle, however long that takes', async () => {
  const { reserve, slices, run, lent } = await setup()
  const first = reserve(100n)
  await run(20 * IDLE_MS)
  assert.equal(lent(), LOAN_MIN)
  slices.settle(first.reservation(), 100n, 0)
  await run(IDLE_MS + 3 * TICK_MS)
  assert.equal(lent(), 0n)
})

test('a gateway that is cut off stops admitting half a minute before its slice expires, by its own clock', async () => {
  const { reserve, run, faults, gateway } = await setup()
  reserve(100n)
  await run(100)
  faults.cutOff.add('coordinator')
  // Its wall clock says nothing about how long it was cut off.
  gateway.process.skewMs = -3_600_000
  await run(149_000)
  assert.equal(reserve(100n).result(), 'reserved')
  await run(2_000)
  const late = reserve(100n)
  await run(CELL_TIMEOUT_MS + 10)
  assert.equal(late.result(), 'unavailable')
})

test('a cut-off gateway has stopped before the coordinator lends the same money again', async () => {
  const { reserve, run, faults, open } = await setup()
  reserve(100n)
  await run(100)
  faults.cutOff.add('g')
  while (open() > 0) {
    const canReserve = reserve(1n)
    await run(TICK_MS)
    if (open() === 0) assert.notEqual(canReserve.result(), 'reserved')
  }
})

test('after a long cut the gateway takes a new slice and settles old work on the old one', async () => {
  const { reserve, slices, run, faults } = await setup()
  const old = reserve(100n)
  await run(100)
  faults.cutOff.add('coordinator')
  await run(300_000)
  faults.cutOff.clear()
  const fresh = reserve(100n)
  await run(CELL_TIMEOUT_MS + 100)
  assert.equal(fresh.result(), 'reserved')
  assert.notEqual(fresh.reservation().holdId, old.reservation().holdId)
  slices.settle(old.reservation(), 100n, 0)
})

test('a slice that admits no more is kept alive for the work under way on it', async () => {
  const { reserve, slices, run, faults, lent } = await setup()
  const old = reserve(100n)
  await run(100)
  faults.cutOff.add('coordinator')
  await run(155_000)
  faults.cutOff.clear()
  await run(600_000)
  assert.equal(lent(), LOAN_MIN)
  slices.settle(old.reservation(), 100n, 0)
  await run(3 * TICK_MS)
  assert.equal(lent(), 0n)
})

test('a slice that the coordinator no longer has is given up', async () => {
  const { reserve, run, service } = await setup()
  const first = reserve(100n)
  await run(100)
  const { holdId } = first.reservation()
  service.coordinator.execute(
    (turn) => turn.ledger({ kind: 'release_hold', holdId, ownerId: 'g' }),
    () => {},
  )
  // It hears so when it next asks to keep it.
  await run(SLICE_TTL_MS / 6 + 2 * TICK_MS)
  const second = reserve(100n)
  await run(100)
  assert.notEqual(second.reservation().holdId, holdId)
})

test('once closed it asks for nothing more', async () => {
  const { reserve, slices, run, calls } = await setup()
  slices.close()
  reserve(100n)
  await run(60_000)
  assert.equal(calls.length, 0)
})

test('a request that costs more than it reserved is a bug', async () => {
  const { reserve, slices, run } = await setup()
  const first = reserve(100n)
  await run(100)
  assert.throws(() => slices.settle(first.reservation(), 101n, 1), { name: 'AssertionError' })
})

const depositOf = (amount: bigint, { nowMs }: Turn) => ({
  kind: 'transfer' as const,
  transferId: 'more',
  debitAccountId: EXTERNAL_TEST,
  creditAccountId: consumerAccount(PAYER),
  amount,
  memo: 'deposit',
  createdAtMs: nowMs,
  nowMs,
})

/** The slices of gateway `g`, and the cell that lends them. */
async function setup({ balance = 10n ** 9n, seed = 1 } = {}) {
  const world = createTestWorld(seed)
  const { faults, run } = world
  const onFatal = (problem: Problem) => assert.fail(problem)
  const { host } = world.machine('coordinator')
  const service = await world.settle(
    openCoordinatorService(host, { feeBps: 0, snapshotEvery: 1_000, onFatal }),
  )
  service.coordinator.execute(
    (turn) => foundCell(turn, { balance }),
    () => {},
  )
  await run(100)

  const gateway = world.machine('g')
  const calls: BusCall[] = []
  const bus: typeof gateway.host.bus = {
    ...gateway.host.bus,
    request(call, done) {
      calls.push(call)
      gateway.host.bus.request(call, done)
    },
  }
  let acknowledged = 0
  const options = { gatewayId: 'g', acknowledgedSequence: () => acknowledged }
  const slices = createSlices({ ...gateway.host, bus }, options)
  const { ledger } = service.coordinator.state
  const takes = () =>
    calls
      .filter(({ subject }) => subject === subjects.takeSlice)
      .map(({ message }) => TakeSlice.parse(JSON.parse(message)))
  return {
    world,
    faults,
    run,
    service,
    gateway,
    slices,
    calls,
    takes,
    acknowledge(sequence: number) {
      acknowledged = sequence
    },
    /** What the ledger holds of the payer's money, and in how many holds. */
    lent: () => ledger.accounts.get(consumerAccount(PAYER))?.held ?? 0n,
    open: () => ledger.holds.size,
    reserve(
      amount: bigint,
      onDone: (result: ReserveResult) => void = () => {},
      instead: Reservation | null = null,
    ) {
      let result: ReserveResult | 'open' = 'open'
      const done = (found: ReserveResult): void => {
        assert.equal(result, 'open', 'a reservation is answered once')
        result = found
        onDone(found)
      }
      slices.reserve(PAYER, amount, done, instead)
      return {
        result: () => (typeof result === 'string' ? result : 'reserved'),
        reservation(): Reservation {
          assert.ok(typeof result !== 'string', `a reservation, not ${result}`)
          return result
        },
      }
    },
  }
}
