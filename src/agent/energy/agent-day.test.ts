/** A day of a real agent at a real gateway, in virtual time, with callers who ask all day long. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDirectory } from '#gateway/directory.ts'
import { createNodeLinks } from '#gateway/node-links.ts'
import { openSqliteEnergyStore } from '#host/node/sqlite-energy-store.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { ReportNode, subjects } from '#protocol/cell.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import { testCapability } from '#sim/scripted-agent.ts'
import { createSimEngine } from '#sim/sim-engine.ts'
import { simCrypto } from '#sim/sim-host.ts'
import { EPOCH_MS } from '#sim/sim-process.ts'
import { createTestWorld } from '#sim/test-world.ts'
import { startAgent } from '../agent.ts'
import type { AskPolicy } from '../park.ts'
import { createEnergyKeeper } from './energy-keeper.ts'
import { meterEngine } from './metered-engine.ts'
import { createMeters } from './meters.ts'
import { openTariffSource } from './tariff-source.ts'
import { createDayMachine, TARIFF, tariffText, usdPerKwhAt } from './test-day.ts'

const EXTRA_KWH = 0.504

test('callers are served in the hours when work pays, and in no other', async () => {
  const { run, servedByHour, store } = await setup({ kind: 'fixed', ask: 100_000_000n })
  await run(DAY_MS)
  const served = servedByHour()
  for (let hour = 0; hour < 24; hour++) {
    const isDear = hour >= 17 && hour < 21
    assert.equal(served[hour] ?? 0, isDear ? 0 : 6, `hour ${hour}`)
  }
  const hours = store.hours({ fromMs: EPOCH_MS, toMs: EPOCH_MS + DAY_MS })
  assert.deepEqual(
    hours.map((hour) => hour.requests),
    Array.from({ length: 24 }, (_, hour) => served[hour] ?? 0),
  )
})

test('the network hears the reserve price of each hour as the ask', async () => {
  const { run, reported } = await setup({ kind: 'auto', floor: 0n, max: null })
  await run(DAY_MS - HOUR_MS)
  const asks = reported()
  assert.deepEqual(
    asks.map(({ hour }) => hour),
    TARIFF.map(([hour]) => hour),
  )
  for (const { hour, ask } of asks) {
    const reserve = ((EXTRA_KWH * usdPerKwhAt(hour * HOUR_MS)) / 0.95) * 1e9
    assert.ok(ask >= reserve && ask <= reserve + 2, `${ask} at ${hour}:00 for ${reserve}`)
  }
})

const model = { id: 'm', tasks: ['chat'], contextTokens: 4_096, slots: 2, fingerprint: 'f' } as const
const speed = { prefillTokensPerSecond: 100, decodeTokensPerSecond: 10, decodeTokensPerSecondSingle: 5 }
const sampling = { temperature: 0, topP: 1, stop: [], frequencyPenalty: 0, presencePenalty: 0 }
const SAMPLE_MS = MINUTE_MS

async function setup(policy: AskPolicy) {
  const world = createTestWorld()
  const keys = simCrypto.keyPair(new Uint8Array(32).fill(1))
  const directory = createDirectory()
  const followed = {
    id: 'node',
    organisationId: 'o',
    publicKey: keys.publicKeyHex,
    session: 0,
    models: ['m'],
  }
  const nodes = [{ ...followed, isDrained: false, isBanned: false }]
  directory.apply({ epoch: 1, version: 1, isComplete: true, wantsPresence: false, nodes, keys: [] })
  const gateway = world.machine('g')
  const links = createNodeLinks(
    { ...gateway.host, directory },
    { gatewayId: 'g', incarnation: 1, onAvailable: () => undefined, onUnknownNode: () => undefined },
  )
  await world.settle(
    gateway.host.network.listen(
      { hostname: 'g', port: 80 },
      { onExchange: () => undefined, onLink: (_path, link) => links.accept(link) },
    ),
  )
  const reports: { hour: number; ask: number }[] = []
  const coordinator = world.machine('coordinator')
  coordinator.host.bus.serve(subjects.presence, (_message, reply) =>
    reply(JSON.stringify({ epoch: 1, refused: [] })),
  )
  coordinator.host.bus.subscribe(subjects.report, (message) => {
    const ask = Number(ReportNode.parse(JSON.parse(message)).askPerGpuHour)
    if (reports.at(-1)?.ask !== ask)
      reports.push({ hour: Math.floor(world.scheduler.nowMs() / HOUR_MS), ask })
  })

  const { host } = world.machine('agent')
  const { clock, log } = host
  const machine = createDayMachine(() => clock.nowMs() - EPOCH_MS, SAMPLE_MS)
  const store = openSqliteEnergyStore(':memory:')
  const tariff = await openTariffSource(
    { clock, fetch: fail, machine: { readFile: () => tariffText(EPOCH_MS) }, store },
    { usdPerKwh: null, tariff: 'prices.json', usdPerUnit: null },
  )
  const keeper = createEnergyKeeper(
    { clock, log, meters: createMeters(clock, machine, null), tariff, store, askFee: async () => 500 },
    {
      policy,
      feeBps: 500,
      gpuCount: 1,
      givenWatts: { loadWatts: 600, idleWatts: 96 },
      assumedWatts: null,
      historyDays: 3,
      sampleMs: SAMPLE_MS,
    },
    { onVerdict: () => undefined, onNote: () => undefined },
  )
  const engine = createSimEngine(clock, { models: [model], msPerToken: 20, prefillMs: 10 })
  const price = { promptPerMillion: 1n, completionPerMillion: 1n }
  const metered = meterEngine(clock, engine, () => ({ askPerGpuHour: keeper.verdict().ask, price }))
  const agent = startAgent(host, metered, {
    nodeId: 'node',
    keys,
    gatewayUrl: 'ws://g:80/agent',
    agentVersion: 'test',
    askPerGpuHour: keeper.verdict().ask,
    capability: testCapability,
    speedOf: () => speed,
    onRefused: (problem) => assert.fail(problem.message),
  })
  const { setAsk, park, unpark } = agent
  keeper.start({ isOnline: () => agent.state() === 'serving', setAsk, park, unpark }, metered)

  const served: number[] = []
  const messages = [{ role: 'user' as const, content: 'Hello' }]
  const request: EngineRequest = {
    kind: 'chat',
    requestId: 'r',
    model: 'm',
    messages,
    maxTokens: 5,
    sampling,
  }
  /** Somebody asks every ten minutes, five past; who finds no node goes away. */
  function ask(): void {
    world.scheduler.after(10 * MINUTE_MS, ask)
    const [connection] = [...links.ready()]
    const hour = Math.floor(world.scheduler.nowMs() / HOUR_MS)
    connection?.open(request, {
      onStarted: () => undefined,
      onData: () => undefined,
      onEmbedding: () => undefined,
      onEnd: () => {
        served[hour] = (served[hour] ?? 0) + 1
      },
      onProblem: (problem) => assert.fail(problem.message),
    })
  }
  world.scheduler.after(5 * MINUTE_MS, ask)
  return { run: world.run, store, servedByHour: () => served, reported: () => reports }
}

const fail = (): Promise<Response> => Promise.reject(new Error('nothing is fetched here'))
