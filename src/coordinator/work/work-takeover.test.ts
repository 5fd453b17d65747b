/** The coordinator that leads stands still, another leads on, and then the first one wakes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRandom, forkRandom } from '#kernel/random.ts'
import { providerAccount } from '#ledger/ledger.ts'
import { subjects } from '#protocol/cell.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { WorkNews, type WorkOrder, WorkOrders, type WorkSay, workOrdersTo } from '#protocol/work-link.ts'
import { SimDisk } from '#sim/sim-disk.ts'
import { sha256Hex } from '#sim/sim-host.ts'
import { SimJournalServer } from '#sim/sim-shared-journals.ts'
import { createTestWorld, foundCell, PROVIDER, type TestMachine } from '#sim/test-world.ts'
import { type CoordinatorService, serveCoordinator } from '../coordinator-service.ts'
import { checkState } from '../coordinator-state.ts'
import { standBy } from '../standby.ts'
import { facts, GATEWAY, grantsIn, planOf } from './test-floor.ts'

test('a task that runs over a takeover is taken once, and the one who woke tells nobody anything', async () => {
  const { world, lead, say, told, present } = setup()
  const first = await lead('first')
  first.service.coordinator.execute((turn) => foundCell(turn, { nodes: { a: 'key a' } }))
  const { nowMs } = first.service.coordinator
  await world.run(100)
  await present(1)
  first.service.coordinator.execute((turn) => {
    const plan = planOf({ frames: 4, referenceMs: 60_000 })
    assert.equal(first.service.desk.carryOut(turn, { kind: 'submit', plan, nowMs: nowMs() }), null)
  })
  const [grant] = grantsIn(await say({ kind: 'hello', facts, cached: [] }))
  assert(grant)

  const second = lead('second')
  first.machine.process.stop()
  const { service } = await second
  assert(service.coordinator.journal.epoch > first.service.coordinator.journal.epoch)
  await present(2)
  // What it runs it goes on with, and says so to whoever leads now.
  assert.deepEqual(await say({ kind: 'beat', held: [{ fence: grant.fence, fraction: 0.5 }], room: 0 }), [
    { kind: 'who' },
  ])
  assert.deepEqual(grantsIn(await say({ kind: 'hello', facts, cached: [] })), [])

  first.machine.process.wake()
  await world.run(50)
  assert.deepEqual(told(), [])
  const outputs = [{ name: '1.png', bytes: 1, sha256: '1'.repeat(64) }]
  const said = await say(
    { kind: 'commit', fence: grant.fence, outputs, wallMs: 60_000 },
    { kind: 'deliver', fence: grant.fence },
  )
  // Both hear what nodes say; the one that leads answers alone, and its fences go on where the others ended.
  const answers = said.filter((order) => order.kind === 'answer')
  assert.deepEqual(
    answers.map(({ to, refusal }) => [to, refusal]),
    [
      ['commit', null],
      ['deliver', null],
    ],
  )
  const fences = grantsIn(said).map(({ fence }) => fence)
  assert.deepEqual(fences, [3])
  const { state } = service.coordinator
  checkState(state)
  const { spent = 0n } = state.work.jobs.get('job_1') ?? {}
  assert.equal(state.ledger.accounts.get(providerAccount(PROVIDER))?.available, spent - spent / 20n)
  assert.equal(first.fatal(), 'lease_lost')
})

interface Leader {
  readonly machine: TestMachine
  readonly service: CoordinatorService
  fatal(): string | null
}

function setup() {
  const random = createRandom(1)
  const world = createTestWorld(1)
  const disk = new SimDisk('server', forkRandom(random), sha256Hex)
  const server = new SimJournalServer({ disk, scheduler: world.scheduler, random: forkRandom(random) })
  const gateway = world.machine(GATEWAY)
  const write = jsonWriter(WorkNews)
  let orders: WorkOrder[] = []
  gateway.host.bus.subscribe(workOrdersTo(GATEWAY), (message) => {
    orders.push(...WorkOrders.parse(JSON.parse(message)).orders.map(({ order }) => order))
  })
  const told = (): WorkOrder[] => {
    const those = orders
    orders = []
    return those
  }
  /** Asks what is new, as every gateway does all the time. */
  const live = (): void => {
    const message = JSON.stringify({ gatewayId: GATEWAY, epoch: 0, version: 0 })
    gateway.host.bus.request({ subject: subjects.follow, message, timeoutMs: 500 }, () => {})
    gateway.host.clock.after(1_000, live)
  }
  live()

  function lead(name: string): Promise<Leader> {
    const machine = world.machine(name)
    let fatal: string | null = null
    const onFatal = (problem: { code: string }): void => {
      fatal = problem.code
      machine.process.kill()
    }
    const opening = new Promise<Leader>((resolve, reject) => {
      machine.process.spawn(async () => {
        const journals = server.journals(machine.process, name)
        const standby = await standBy({ ...machine.host, journals }, { snapshotEvery: 50, onFatal })
        const service = serveCoordinator(machine.host, await standby.led, { feeBps: 500 })
        resolve({ machine, service, fatal: () => fatal })
      }, reject)
    })
    return world.settle(opening)
  }

  return {
    world,
    lead,
    told,
    async say(...says: WorkSay[]): Promise<WorkOrder[]> {
      const said = says.map((say) => ({ nodeId: 'a', say }))
      gateway.host.bus.publish(subjects.work, write({ gatewayId: GATEWAY, said }))
      await world.run(60)
      return told()
    },
    async present(session: number): Promise<void> {
      const nodes = [{ nodeId: 'a', session, status: 'online', reason: null }]
      const report = { gatewayId: GATEWAY, incarnation: session, sequence: 1, isComplete: true, nodes }
      const call = { subject: subjects.presence, message: JSON.stringify(report), timeoutMs: 2_000 }
      await world.settle(new Promise<void>((resolve) => gateway.host.bus.request(call, () => resolve())))
    },
  }
}
