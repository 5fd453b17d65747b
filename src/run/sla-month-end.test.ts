/** The month's end as its customers see it: a coordinator on a simulated clock, and the commands that they have. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStubTerminal } from '#cli/stub-context.ts'
import { createControlApi } from '#coordinator/control-api.ts'
import { readRecord } from '#coordinator/coordinator-events.ts'
import { type CoordinatorService, openCoordinatorService } from '#coordinator/coordinator-service.ts'
import type { HandlerParts } from '#coordinator/handlers/handler-parts.ts'
import { mintKey } from '#coordinator/mint-key.ts'
import { openOrganisation } from '#coordinator/open-organisation.ts'
import { openProjector } from '#coordinator/read-models/projector.ts'
import { createQueries } from '#coordinator/read-models/queries.ts'
import { slaIn } from '#coordinator/sla/step-sla.ts'
import type { Turn } from '#coordinator/turn.ts'
import type { Host } from '#host/host.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { openPgliteStore } from '#host/node/pglite-store.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { checkLedger, consumerAccount } from '#ledger/ledger.ts'
import { subjects, UsageBatch } from '#protocol/cell.ts'
import type { Problem } from '#protocol/problem.ts'
import type { UsageRecord } from '#protocol/usage.ts'
import { simCrypto } from '#sim/sim-host.ts'
import { EPOCH_MS } from '#sim/sim-process.ts'
import { createTestWorld, foundCell, PAYER, type TestMachine, type TestWorld } from '#sim/test-world.ts'
import { spanOfMonth } from '#sla/bins.ts'
import { openPublicPages } from './public-pages.ts'

const MONTH = '2027-11'
const { toMs: DECEMBER } = spanOfMonth(MONTH)
const KEY_SECRET = 'a secret of this test'
const NETWORK = simCrypto.keyPair(new Uint8Array(32).fill(7))
/** More than one entry of the journal takes. */
const CUSTOMERS = 110
/** A tenth of an answer at 10,000: 60 of 8,640 bins lost are more than 0.5 %. */
const CREDIT = 1_000n

test('a coordinator that runs over the turn of the month posts the credits half a day later, once, unasked', async () => {
  const { start, run, outage, credits, posted, kill } = setup()
  await start(DECEMBER - 40 * MINUTE_MS)
  await outage()
  await run(42 * MINUTE_MS)
  assert.deepEqual(credits(), [], 'nothing before readings have had their time')
  await kill()
  await start(DECEMBER + 12 * HOUR_MS - 90 * SECOND_MS)
  await run(30 * SECOND_MS)
  assert.deepEqual(credits(), [])
  await run(10 * MINUTE_MS)
  assert.equal(credits().length, CUSTOMERS)
  assert.ok(credits().every(({ atMs }) => atMs < DECEMBER + DAY_MS))
  assert.deepEqual(new Set(posted()), new Set([CREDIT]))
  await run(10 * MINUTE_MS)
  assert.equal(credits().length, CUSTOMERS, 'no statement is made twice')
})

test('one that was down at the turn of the month, and all its first day, posts them as soon as it is back', async () => {
  const { start, run, outage, credits, posted, kill } = setup()
  await start(DECEMBER - 2 * DAY_MS)
  await outage()
  await kill()
  const backMs = DECEMBER + 3 * DAY_MS
  await start(backMs)
  await run(3 * MINUTE_MS)
  assert.equal(credits().length, CUSTOMERS)
  assert.ok(credits().every(({ atMs }) => atMs < backMs + 3 * MINUTE_MS))
  assert.deepEqual(new Set(posted()), new Set([CREDIT]))
})

test('restarts and takeovers in the middle of the month’s end post nothing twice and leave nobody out', async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const { start, run, outage, credits, posted, kill, random } = setup({ seed })
    await start(DECEMBER - 2 * DAY_MS)
    await outage()
    await kill()
    let nowMs = DECEMBER + 12 * HOUR_MS - 20 * SECOND_MS
    for (let life = 0; life < 6; life++) {
      await start(nowMs)
      // The first month's end that it sees is at its first tick: most lives end around there, some with another at it too.
      const lifeMs = 1 + random(life % 2 === 0 ? 1_100 : 62_000)
      await run(lifeMs)
      nowMs += lifeMs + 1_000
      if (random(3) > 0) await kill()
    }
    await start(nowMs)
    await run(3 * MINUTE_MS)
    const told = credits().map(({ organisationId }) => organisationId)
    assert.equal(new Set(told).size, CUSTOMERS, `seed ${seed}`)
    assert.equal(told.length, CUSTOMERS, `seed ${seed}`)
    assert.deepEqual(new Set(posted()), new Set([CREDIT]), `seed ${seed}`)
  }
})

test('the customer’s own commands compute from the evidence what was posted, without the network', async () => {
  const { start, run, outage, kill, commands } = setup()
  await start(DECEMBER - 40 * MINUTE_MS)
  await outage()
  await kill()
  await start(DECEMBER + 13 * HOUR_MS)
  await run(3 * MINUTE_MS)
  const customer = await commands()
  try {
    const shown = await customer.run('sla', '--json')
    const { statements } = JSON.parse(shown.out) as { statements: { month: string; posted: string }[] }
    assert.deepEqual(
      statements.map(({ month, posted }) => [month, posted]),
      [[MONTH, `${CREDIT}`]],
    )
    const of = ['--month', MONTH, '--class', 'business']
    const wrote = await customer.run('sla', 'bundle', ...of, '--out', 'november.jsonl')
    assert.equal(wrote.exitCode, 0, wrote.err)
  } finally {
    await customer.close()
  }
  const recompute = (text: string) =>
    createStubTerminal({
      fetch: () => Promise.reject(new Error('there is no network')),
      files: { 'november.jsonl': text },
      parts: { crypto: simCrypto },
    }).run('sla', 'recompute', 'november.jsonl', '--network-key', NETWORK.publicKeyHex, '--json')
  const bundle = String(customer.files.get('november.jsonl'))
  const told = await recompute(bundle)
  const { isWhole, recomputed, posted } = JSON.parse(told.out)
  assert.deepEqual([told.exitCode, isWhole, recomputed.posted, posted], [0, true, `${CREDIT}`, `${CREDIT}`])
  // A failure that is made a success by whoever keeps the file.
  const touched = bundle.replace('"outcome":"failed"', '"outcome":"completed"')
  assert.notEqual(touched, bundle)
  const found = await recompute(touched)
  assert.deepEqual([found.exitCode, JSON.parse(found.out).isWhole], [1, false])
})

function setup({ seed = 1 } = {}) {
  const world = createTestWorld(seed)
  let machine: TestMachine | null = null
  let service: CoordinatorService | null = null
  let lives = 0
  let drawn = seed
  const coordinator = () => {
    assert.ok(service, 'a coordinator runs')
    return service.coordinator
  }

  async function start(nowMs: number): Promise<void> {
    machine = world.machine(`coordinator-${++lives}`, machine?.disk)
    machine.process.skewMs = nowMs - EPOCH_MS - world.scheduler.nowMs()
    const { host } = machine
    const onFatal = (_problem: Problem): void => undefined
    service = await world.settle(openCoordinatorService(host, { feeBps: 500, snapshotEvery: 20, onFatal }))
    if (lives === 1) await execute(world, service, found)
  }
  const balances = new Map<string, bigint>()
  const balanceOf = (customer: string): bigint => {
    const account = coordinator().state.ledger.accounts.get(consumerAccount(customer))
    return (account?.available ?? 0n) + (account?.held ?? 0n)
  }
  const customers = Array.from({ length: CUSTOMERS - 1 }, (_, index) => `org_${1_000 + index}`)
  customers.push(PAYER)
  function found(turn: Turn): void {
    foundCell(turn, { balance: 1_000_000_000n, nodes: { node_1: 'key 1' } })
    for (const organisationId of customers) {
      if (organisationId !== PAYER) openOrganisation(turn, { organisationId, name: organisationId })
      const { nowMs } = turn
      slaIn(turn, { kind: 'set_class', organisationId, slaClass: 'business', nowMs })
    }
  }

  return {
    start,
    run: world.run,
    random: (below: number): number => {
      drawn = (drawn * 1_103_515_245 + 12_345) % 2 ** 31
      return drawn % below
    },
    /** As by kill -9: what was not durable is lost. */
    async kill(): Promise<void> {
      machine?.process.kill()
      if (machine) machine.disk.crash(machine.process)
      service = null
    },
    /** An answer for each customer, one that failed, and before that five hours in which nobody could be served. */
    async outage(): Promise<void> {
      const startedAtMs = coordinator().nowMs()
      const records = customers.flatMap((customer) => [
        reading(`${customer}_1`, { customer, startedAtMs, isFailed: false }),
        reading(`${customer}_2`, { customer, startedAtMs, isFailed: true }),
      ])
      assert.ok(service)
      await execute(world, service, (turn) => {
        const { nowMs } = turn
        const incidentId = 'inc_1'
        const began = { title: 'Away', isOutage: true, startedAtMs: nowMs - 5 * HOUR_MS }
        assert.equal(slaIn(turn, { kind: 'open_incident', incidentId, ...began, nowMs }), null)
        assert.equal(slaIn(turn, { kind: 'close_incident', incidentId, nowMs }), null)
      })
      const { bus } = world.machine('gateway').host
      for (let first = 0; first < records.length; first += 100) {
        const batch = {
          spoolId: 'spool',
          firstSequence: first + 1,
          records: records.slice(first, first + 100),
        }
        await world.settle(bill(bus, batch))
      }
      for (const customer of customers) balances.set(customer, balanceOf(customer))
    },
    credits: () =>
      (machine?.disk.durable('journal') ?? [])
        .flatMap(({ payload }) => readRecord(payload).events)
        .flatMap((event) => (event.type === 'sla.statement_made' ? [event] : [])),
    /** What came to each customer's account since the readings. */
    posted(): bigint[] {
      checkLedger(coordinator().state.ledger)
      return customers.map((customer) => balanceOf(customer) - (balances.get(customer) ?? 0n))
    },
    commands: () => openCommands(world, { host: machine?.host, service }),
  }
}

const execute = (
  world: TestWorld,
  { coordinator }: CoordinatorService,
  useCase: (turn: Turn) => void,
): Promise<void> => world.settle(new Promise((resolve) => coordinator.execute(useCase, resolve)))

const bill = (bus: Host['bus'], batch: UsageBatch): Promise<void> =>
  new Promise((resolve, reject) => {
    const message = JSON.stringify(UsageBatch.encode(batch))
    bus.request({ subject: subjects.usage, message, timeoutMs: 10_000 }, (problem) =>
      problem ? reject(problem) : resolve(),
    )
  })

/** A terminal of a customer whose network is the control API over this coordinator, with read models of its own. */
async function openCommands(
  world: TestWorld,
  { host, service }: { host: Host | undefined; service: CoordinatorService | null },
) {
  assert.ok(host && service)
  const { coordinator } = service
  const log = host.log
  const store = openPgliteStore({ folder: null, owner: 'test', log })
  const projector = openProjector({ journal: coordinator.journal, store, clock: host.clock, log })
  coordinator.onDurable((sequence) => projector.notify(sequence))
  const parts: HandlerParts = {
    ...{ coordinator, clock: host.clock, crypto: host.crypto, secrets: host.secrets, log },
    ...{ projector, queries: createQueries(store), networkName: 'test', feeBps: 500, keySecret: KEY_SECRET },
    ...{ apiUrl: 'http://127.0.0.1:7420', network: { keys: NETWORK, goesBy: () => true } },
    ...{ certificate: () => null, dataFolder: '', processId: 0, live: null },
  }
  const api = createControlApi(parts, {
    ...{
      openAiBaseUrl: 'http://127.0.0.1:7420/v1',
      hostnames: [],
      origins: [],
      ...openPublicPages(host.clock),
    },
    onBug: (error) => assert.fail(String(error)),
  })
  let apiKey = ''
  await execute(world, service, (turn) => {
    apiKey = mintKey(turn, parts, { organisationId: PAYER, name: 'key', scopes: ['developer'] }).key
  })
  const terminal = createStubTerminal({
    fetch: async (request) => api.fetch(request),
    env: { SHOAL_URL: 'http://127.0.0.1:7420', SHOAL_API_KEY: apiKey },
    parts: { crypto: nodeCrypto },
  })
  const pass = async (): Promise<void> => {
    await world.run(10)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  while (projector.lag() > 0) await pass()
  return {
    files: terminal.files,
    /** Virtual time passes while the real database answers. */
    async run(...commandLine: readonly string[]) {
      let isDone = false
      const done = terminal.run(...commandLine).finally(() => {
        isDone = true
      })
      while (!isDone) await pass()
      return done
    },
    async close() {
      projector.close()
      await store.close()
    },
  }
}

function reading(
  requestId: string,
  { customer, startedAtMs, isFailed }: { customer: string; startedAtMs: number; isFailed: boolean },
): UsageRecord {
  const part = {
    nodeId: 'node_1',
    promptTokens: 0,
    completionTokens: 10_000,
    promptPerMillion: 0n,
    completionPerMillion: 1_000_000n,
  }
  return {
    requestId,
    organisationId: customer,
    keyId: 'key',
    holdId: '',
    model: 'tiny',
    kind: 'chat',
    outcome: isFailed ? 'failed' : 'completed',
    parts: isFailed ? [] : [part],
    startedAtMs,
    firstTokenMs: isFailed ? null : 10,
    totalMs: 1_000,
    slaClass: 'business',
    ...(isFailed && { problem: 'node_failed' }),
  }
}
