/** A node's day: a machine with a card, its recorded nvidia-smi, a plug on the network, a tariff by the hour. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Engine, EngineSink } from '#engines/engine.ts'
import type { Log } from '#host/host.ts'
import { fetchNetwork } from '#host/node/fetch-client.ts'
import { nodeCrypto } from '#host/node/node-crypto.ts'
import { openSqliteEnergyStore } from '#host/node/sqlite-energy-store.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import type { AskPolicy } from '../park.ts'
import { createEnergyKeeper, type KeptNode, TASKS_TAKEN } from './energy-keeper.ts'
import { machineHour } from './machine-hour.ts'
import { meterEngine } from './metered-engine.ts'
import { createMeters } from './meters.ts'
import { ownFigures } from './own-figures.ts'
import { createSmartPlug } from './smart-plug.ts'
import { openTariffSource } from './tariff-source.ts'
import { followTaskAsk, type PriceNow } from './task-ask.ts'
import { createTestClock, type TestClock } from './test-clock.ts'
import {
  BUSY_MS,
  createDayMachine,
  joulesUntil,
  type Part,
  REQUESTS,
  servePlug,
  TARIFF,
  tariffText,
  usdPerKwhAt,
  WATTS,
} from './test-day.ts'

const START_MS = Date.parse('2026-11-22T00:00:00Z')
const SAMPLE_MS = MINUTE_MS

/** Of the wall: 504 W more for an hour of work. */
const EXTRA_KWH = 0.504

test('a day at a plug: metered within a hundredth, parked in the dear hours, costed and earned', async (t) => {
  const { run, node, store, verdicts, truth } = await setup(t, {
    policy: { kind: 'fixed', ask: 100_000_000n },
  })
  await run(DAY_MS)
  const hours = store.hours(DAY)
  assert.equal(hours.length, 24)
  for (const [index, hour] of hours.entries()) {
    const metered = machineHour(hour)
    near(metered.joules, truth.joules('wall', index), 0.01)
    assert.deepEqual([metered.basis, metered.missingMs], ['plug', 0])
    // The processor is kept beside it, as a detail.
    near(sumOf(hour.energy, 'cpu'), truth.joules('cpu', index), 0.01)
  }
  near(total(hours.map((hour) => machineHour(hour).joules)), truth.dayJoules('wall'), 0.001)

  // At $0.10 and 5 % for the network, work pays up to $0.188 a kWh: not between 17:00 and 21:00.
  assert.deepEqual(node.parks, ['17:00 parked', '21:00 resumed'])
  const [parked] = verdicts
  assert.equal(parked?.untilMs, START_MS + 21 * HOUR_MS)
  assert.match(parked?.reason ?? '', /\$0\.1857 .* \$0\.35 per kWh, and sells for at most \$0\.10/)
  assert.deepEqual(
    hours.map((hour) => Math.round(hour.parkedMs / HOUR_MS)),
    hours.map((_, index) => (index >= 17 && index < 21 ? 1 : 0)),
  )
  // Parked hours draw what an idle machine draws, and no more.
  for (const hour of hours.slice(17, 21)) near(machineHour(hour).joules, WATTS.wall[0] * 3_600, 0.001)
  assert.deepEqual(
    store.events(DAY).map(({ kind, atMs, usdPerKwh }) => [kind, clockOf(atMs), usdPerKwh]),
    [
      ['parked', '17:00', 0.35],
      ['resumed', '21:00', 0.15],
    ],
  )

  const costs = hours.map((_, index) => (truth.joules('wall', index) / 3.6e6) * usdPerKwhAt(index * HOUR_MS))
  near(Number(hours.reduce((sum, hour) => sum + hour.electricityCost, 0n)) / 1e9, total(costs), 0.01)
  const jobs = store.jobs(DAY, 10_000)
  assert.equal(jobs.length, REQUESTS.length)
  const amountOf = (of: 'expectedGross' | 'expectedFee') => hours.reduce((sum, hour) => sum + hour[of], 0n)
  assert.deepEqual(
    [amountOf('expectedGross'), amountOf('expectedFee')],
    [BigInt(jobs.length) * 30n, BigInt(jobs.length)],
  )
  // No request has more of the energy than the time that it ran at full load.
  const most = 60 * WATTS.wall[1] * 1.01
  assert.ok(jobs.every(({ joules }) => joules !== null && joules > 0 && joules <= most))
})

test('a day without a plug is metered within a hundredth of what the card and the processor drew', async (t) => {
  const { run, store, truth } = await setup(t, { plug: 'none', sampleMs: 10_000 })
  await run(DAY_MS)
  const hours = store.hours(DAY).map(machineHour)
  near(total(hours.map(({ joules }) => joules)), truth.dayJoules('gpu') + truth.dayJoules('cpu'), 0.01)
  assert.ok(hours.every(({ basis }) => basis === 'parts'))

  // After the day the node knows itself.
  const figures = ownFigures(store, DAY)
  near(figures.idleWatts.value, WATTS.gpu[0] + WATTS.cpu[0], 0.01)
  near(figures.loadWatts.value, WATTS.gpu[1] + WATTS.cpu[1], 0.01)
  near(figures.utilisation.value, BUSY_MS / DAY_MS, 0.01)
  near(figures.kwhPerDay.hours, 24, 0.01)
})

test('a floating ask tracks the reserve price by the hour', async (t) => {
  const policy = { kind: 'auto', floor: 10_000_000n, max: null } as const
  const { run, node } = await setup(t, { policy, plug: 'none' })
  await run(DAY_MS - SAMPLE_MS)
  assert.deepEqual(node.parks, [])
  assert.deepEqual(
    node.asks.map(([at]) => at),
    TARIFF.map(([hour]) => `${String(hour).padStart(2, '0')}:00`),
  )
  for (const [index, [, ask]] of node.asks.entries()) {
    const reserve = (EXTRA_KWH * (TARIFF[index]?.[1] ?? Number.NaN)) / 0.95
    assert.ok(Number(ask) >= reserve * 1e9 && Number(ask) <= reserve * 1e9 + 2, `${ask} for ${reserve}`)
  }
})

test('a plug that dies is told, bridged for ten minutes, and replaced by a lower bound after', async (t) => {
  const { run, store, notes, killPlug } = await setup(t)
  await run(2 * HOUR_MS)
  assert.deepEqual(notes, [])
  await killPlug()
  await run(HOUR_MS)
  assert.equal(notes.length, 1)
  assert.match(notes[0] ?? '', /The plug is silent, .* a lower bound\..* 127\.0\.0\.1:\d+/)
  const [, second, third] = store.hours(DAY).map(machineHour)
  assert.equal(second?.basis, 'plug')
  assert.equal(third?.basis, 'parts')
  assert.equal(third?.missingMs, 0)
  assert.ok((third?.joules ?? 0) < (second?.joules ?? 0))
})

test('an hour without a price keeps the ask and says so; its energy has no cost', async (t) => {
  const policy = { kind: 'auto', floor: 0n, max: null } as const
  const { run, node, store, notes } = await setup(t, { policy, gapHour: 4, plug: 'none' })
  await run(6 * HOUR_MS - SAMPLE_MS)
  // 04:00 would have asked less.
  assert.deepEqual(
    node.asks.map(([at]) => at),
    ['00:00', '05:00'],
  )
  assert.match(
    notes[0] ?? '',
    /No price for 2026-11-22 04:00 UTC to 2026-11-22 05:00 UTC\. There the node keeps its ask/,
  )
  const [before, gap] = store.hours({ fromMs: START_MS + 3 * HOUR_MS, toMs: START_MS + 5 * HOUR_MS })
  assert.deepEqual([gap?.pricedMs, gap?.electricityCost, gap?.costedJoules], [0, 0n, 0])
  assert.ok((before?.costedJoules ?? 0) > 0)
})

test('a disk that refuses is told, and the node works on', async (t) => {
  const { run, node, store, notes } = await setup(t, { plug: 'none' })
  store.close()
  await run(HOUR_MS)
  assert.equal(notes.length, 1)
  assert.match(notes[0] ?? '', /record of energy and earnings has a gap/)
  assert.deepEqual(node.parks, [])
})

test('a node that takes tasks alone never parks by its ask for models, and hears what electricity costs', async (t) => {
  const asks: bigint[] = []
  const onPrice = followTaskAsk({ loadWatts: 504, idleWatts: 0 }, (ask) => void asks.push(ask))
  const policy = { kind: 'fixed', ask: 100_000_000n } as const
  const { run, node } = await setup(t, { policy, servesModels: false, onPrice, plug: 'none' })
  await run(DAY_MS - SAMPLE_MS)
  assert.deepEqual(node.parks, [])
  assert.deepEqual(
    asks.map((ask) => Math.round(Number(ask) / 1e5) / 1e4),
    TARIFF.map(([, usdPerKwh]) => Math.round(((EXTRA_KWH * usdPerKwh) / 0.95) * 1e4) / 1e4),
  )
})

test('what is drawn while a task runs is no idle power, nor that of requests', async (t) => {
  const hours = { isTaskUnderWay: (atMs: number) => atMs < START_MS + 12 * HOUR_MS }
  const { run, store } = await setup(t, { ...hours, plug: 'none', sampleMs: 10_000 })
  assert.equal(store.read(TASKS_TAKEN), null)
  await run(DAY_MS)
  const timed = store.hours(DAY).map(({ fits }) => total(fits.map(({ timeMs }) => timeMs)) / HOUR_MS)
  assert.deepEqual(
    timed.map((share) => Math.round(share)),
    timed.map((_, hour) => (hour < 12 ? 0 : 1)),
  )
  const early = store.jobs({ fromMs: START_MS, toMs: START_MS + 11 * HOUR_MS }, 10_000)
  assert.ok(early.length > 0 && early.every(({ joules }) => joules === null))
  // The energy itself is metered all the same.
  assert.ok(store.hours(DAY).every((hour) => machineHour(hour).missingMs === 0))
  assert.ok(Number(store.read(TASKS_TAKEN)) >= START_MS)
})

const DAY = { fromMs: START_MS, toMs: START_MS + DAY_MS }

/** An engine that gets the day's requests at their times. */
function createDayEngine(clock: TestClock) {
  const engine: Engine = {
    models: () => [],
    onChange: () => undefined,
    start: () => ({ cancel() {}, pause() {}, resume() {} }),
    close: async () => {},
  }
  const sinks: EngineSink[] = []
  const recorded: Engine = {
    ...engine,
    start(request, sink) {
      sinks.push(sink)
      return engine.start(request, sink)
    },
  }
  const nobody: EngineSink = {
    onStarted() {},
    onDelta() {},
    onEmbedding() {},
    onEnd() {},
    onProblem() {},
  }
  const price = { promptPerMillion: 1_000_000n, completionPerMillion: 1_000_000n }
  const metered = meterEngine(clock, recorded, () => ({ askPerGpuHour: 100n, price }))
  for (const [index, { startMs, endMs }] of REQUESTS.entries()) {
    clock.after(startMs, () => {
      metered.start({ kind: 'embedding', requestId: `req_${index}`, model: 'm', inputs: [] }, nobody)
    })
    clock.after(endMs, () =>
      sinks[index]?.onEnd({ finishReason: 'stop', promptTokens: 10, completionTokens: 20 }),
    )
  }
  return metered
}

function createKeptNode(nowMs: () => number) {
  const parks: string[] = []
  const asks: [at: string, ask: bigint][] = []
  let isParked = false
  const node: KeptNode = {
    isOnline: () => true,
    setAsk(ask) {
      if (asks.at(-1)?.[1] !== ask) asks.push([clockOf(nowMs()), ask])
    },
    park() {
      if (!isParked) parks.push(`${clockOf(nowMs())} parked`)
      isParked = true
    },
    unpark() {
      if (isParked) parks.push(`${clockOf(nowMs())} resumed`)
      isParked = false
    },
  }
  return { ...node, parks, asks }
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)
const sumOf = (energy: readonly { source: string; joules: number }[], source: string): number =>
  total(energy.filter((sum) => sum.source === source).map((sum) => sum.joules))
const clockOf = (atMs: number): string => new Date(atMs).toISOString().slice(11, 16)

function near(value: number | null | undefined, expected: number, share: number): void {
  const distance = Math.abs((value ?? Number.NaN) - expected)
  assert.ok(
    distance <= share * Math.abs(expected),
    `${value} is farther than ${share * 100} % from ${expected}`,
  )
}

interface SetupOptions {
  readonly plug?: 'shelly' | 'none'
  readonly sampleMs?: number
  readonly policy?: AskPolicy
  readonly gapHour?: number
  readonly servesModels?: boolean
  readonly onPrice?: (now: PriceNow) => void
  readonly isTaskUnderWay?: (atMs: number) => boolean
}

/** The plug of these tests has no password. */
const noSecrets = { randomBytes: (length: number) => new Uint8Array(length) }

async function setup(t: TestContext, options: SetupOptions = {}) {
  const { plug = 'shelly', sampleMs = SAMPLE_MS, gapHour, servesModels, onPrice, isTaskUnderWay } = options
  const policy = options.policy ?? ({ kind: 'fixed', ask: 1_000_000_000n } as const)
  const clock = createTestClock(START_MS)
  const store = openSqliteEnergyStore(':memory:')
  const machine = createDayMachine(() => clock.elapsedMs(), sampleMs)
  const server = plug === 'shelly' ? await servePlug(t, () => clock.elapsedMs()) : null
  const smartPlug =
    server &&
    createSmartPlug(
      { fetch: clock.watch(fetchNetwork), clock, crypto: nodeCrypto, secrets: noSecrets },
      server.url,
    )
  const tariff = await openTariffSource(
    {
      clock,
      fetch: clock.watch(fetchNetwork),
      machine: { readFile: () => tariffText(START_MS, gapHour) },
      store,
    },
    { usdPerKwh: null, tariff: 'prices.json', usdPerUnit: null },
  )
  const notes: string[] = []
  const verdicts: { reason: string; untilMs: number | null }[] = []
  const log: Log = { info() {}, warn() {}, error() {} }
  const keeper = createEnergyKeeper(
    { clock, log, meters: createMeters(clock, machine, smartPlug), tariff, store, askFee: async () => 500 },
    {
      policy,
      ...(servesModels !== undefined && { servesModels }),
      feeBps: 500,
      gpuCount: 1,
      givenWatts: { loadWatts: WATTS.wall[1], idleWatts: WATTS.wall[0] },
      assumedWatts: null,
      historyDays: 3,
      sampleMs,
    },
    {
      onVerdict: (verdict) => void verdicts.push(verdict),
      onNote: (text) => void notes.push(text),
      ...(onPrice && { onPrice }),
    },
  )
  const node = createKeptNode(() => clock.nowMs())
  const wasAtTasks = (): boolean => isTaskUnderWay?.(clock.nowMs()) ?? false
  keeper.start({ ...node, wasAtTasks }, createDayEngine(clock))
  t.after(() => keeper.stop())
  return {
    run: clock.run,
    store,
    node,
    notes,
    verdicts,
    killPlug: () => server?.close(),
    truth: {
      joules: (part: Part, hour: number) =>
        joulesUntil(part, (hour + 1) * HOUR_MS) - joulesUntil(part, hour * HOUR_MS),
      dayJoules: (part: Part) => joulesUntil(part, DAY_MS),
    },
  }
}
