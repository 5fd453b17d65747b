/** What the price of electricity does to a node, from its options to what the network is told. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { meterEngine } from '#agent/energy/metered-engine.ts'
import type { Engine, EngineSink } from '#engines/engine.ts'
import { idleEngine } from '#engines/idle-engine.ts'
import { openNodeHost } from '#host/node/open-node-host.ts'

import { Gpu } from '#protocol/capability.ts'
import { createRecordedMachine } from '#sim/recorded-machine.ts'
import { AgentConfig } from './agent-config.ts'
import { type EnergyNode, openAgentEnergy } from './agent-energy.ts'

test('a node that only renders does not park by what models sell for: its tasks ask for their electricity', async (t) => {
  const { told, notes } = await started(t, { engine: { kind: 'none' } })
  assert.deepEqual(
    told.filter((word) => word.startsWith('park')),
    [],
  )
  // Of the processor alone: 44 W more, at $0.30 and with 5 % for the network.
  assert.deepEqual(
    told.filter((word) => word.startsWith('tasks')),
    ['tasks ask 0.0140'],
  )
  assert.match(notes.join('\n'), /tasks have to bring \$0\.0140\d* per hour .*111 W at work, 67 W idle/)
})

test('one that serves models as well parks them, and lets tasks ask for theirs', async (t) => {
  const { told } = await started(t, { engine: UPSTREAM })
  assert.ok(
    told.some((word) => /^park energy tasks_go_on: .* sells for at most \$0\.02/.test(word)),
    told.join(),
  )
  assert.ok(told.includes('tasks ask 0.0140'), told.join())
})

test('an ask that follows electricity needs no watts of cards where no models are served', async (t) => {
  const autoAsk = { floor: 20_000_000n, max: null }
  const { told } = await started(t, { engine: { kind: 'none' }, autoAsk, powerLimitWatts: null })
  assert.ok(told.includes('tasks ask 0.0140'), told.join())
})

test('what work brings is reckoned by the discounts and the prices that the network bills by', async (t) => {
  const cost = async (options: Partial<Options>): Promise<readonly bigint[]> => {
    const { energy } = await opened(t, { engine: UPSTREAM, ...options })
    const speed = { prefillTokensPerSecond: 1_000, decodeTokensPerSecond: 100 }
    const metered = energy.meter(stubEngine, () => speed)
    metered.start({ kind: 'embedding', requestId: 'r', model: 'm', inputs: [] }, silent).cancel()
    const [{ job } = assert.fail('it counts no job')] = metered.takeWork().jobs
    const { promptPerMillion, cachedPerMillion = 0n } = job.price
    return [job.askPerGpuHour, promptPerMillion, cachedPerMillion]
  }
  assert.deepEqual(await cost({}), [20_000_000n, 5_555_556n, 0n])
  assert.deepEqual(await cost({ cachedDiscountBps: 9_000 }), [20_000_000n, 5_555_556n, 555_556n])
  const backstop = { promptPerMillion: 150n, completionPerMillion: 600n, cachedPerMillion: 15n }
  // Nothing of it is sold by the GPU-hour.
  assert.deepEqual(await cost({ engine: { ...UPSTREAM, backstop } }), [0n, 150n, 15n])
})

const stubEngine: Engine = {
  models: () => [],
  onChange: () => undefined,
  start: () => ({ cancel() {}, pause() {}, resume() {} }),
  close: async () => {},
}
const silent: EngineSink = {
  onStarted() {},
  onDelta() {},
  onEmbedding() {},
  onEnd() {},
  onProblem() {},
}

const UPSTREAM = {
  kind: 'openai',
  ...{ baseUrl: 'http://127.0.0.1:1', apiKey: null, keepsNoPrompts: true },
  ...{ backstop: null, slots: null },
} as const

interface Options {
  readonly engine: AgentConfig['engine']
  readonly autoAsk?: { readonly floor: bigint; readonly max: bigint | null }
  readonly powerLimitWatts?: number | null
  readonly cachedDiscountBps?: number
}

/** An RTX 4090 at $0.30 per kWh that asks $0.02. */
async function opened(t: TestContext, options: Options) {
  const { engine, autoAsk, powerLimitWatts = 450, cachedDiscountBps } = options
  const folder = mkdtempSync(join(tmpdir(), 'shoal-agent-energy-'))
  const host = openNodeHost({ folder, logName: 'agent', logLevel: 'error' })
  const config = AgentConfig.parse({
    ...{ folder, apiUrl: 'http://127.0.0.1:1', token: null, allowsUnproven: false, name: 'n' },
    ...{ askPerGpuHour: '20000000', region: null, batchDiscountBps: null, hosting: null },
    engine: onWire(engine),
    ...(cachedDiscountBps && { cachedDiscountBps }),
    tasks: {
      ...{ threads: null, device: 'CPU', cacheMib: null, askPerHour: '0' },
      ...{ takesCommands: false, onlyAudits: false },
    },
    energy: {
      autoAsk: autoAsk ? { floor: String(autoAsk.floor), max: null } : null,
      ...{ usdPerKwh: 0.3, tariff: null, tariffUsdPerUnit: null, plug: null, watts: null },
      ...{ historyDays: 3, feeBps: 500 },
    },
    logLevel: 'error',
  })
  const gpus = [
    Gpu.parse({
      ...{ index: 0, uuid: 'GPU-1', vendor: 'nvidia', name: 'NVIDIA GeForce RTX 4090', powerLimitWatts },
      ...{ vramMib: 24_564, vramUsedMib: null, utilisationPercent: null, powerWatts: null },
      ...{ temperatureC: null, driver: '550', pcieGeneration: 4, pcieLanes: 16, mig: null },
      ...{ healthy: true, unhealthyReason: null },
    }),
  ]
  const notes: string[] = []
  const parts = { host, machine: createRecordedMachine({}), gpus }
  const energy = await openAgentEnergy(config, parts, (text) => void notes.push(text))
  t.after(() => {
    energy.close()
    host.log.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { host, energy, notes }
}

/** Amounts as text, as a file has them. */
const onWire = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_key, some: unknown) => (typeof some === 'bigint' ? String(some) : some)))

async function started(t: TestContext, options: Options) {
  const { host, energy, notes } = await opened(t, options)
  const told: string[] = []
  const parking: EnergyNode['parking'] = {
    park: (who, reason, how) => void told.push(`park ${who} ${how}: ${reason}`),
    unpark: () => undefined,
  }
  const price = { promptPerMillion: 0n, completionPerMillion: 0n }
  const metered = meterEngine(host.clock, idleEngine(), () => ({ askPerGpuHour: 0n, price }))
  const first = Promise.withResolvers<void>()
  const tasks: EnergyNode['tasks'] = {
    wasAtWork: () => false,
    setAskLeast(perHour) {
      told.push(`tasks ask ${(Number(perHour) / 1e9).toFixed(4)}`)
      first.resolve()
    },
  }
  energy.start({ state: () => 'connecting', setAsk: () => undefined, parking, tasks }, metered)
  await first.promise
  return { told, notes }
}
