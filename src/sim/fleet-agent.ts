/** The agent of a fleet's machine: the real one, with the real keeper of its electricity, on a simulated engine and plug. */
import { type Agent, startAgent } from '#agent/agent.ts'
import { createEnergyKeeper, type EnergyKeeper } from '#agent/energy/energy-keeper.ts'
import { meterEngine } from '#agent/energy/metered-engine.ts'
import type { Meters } from '#agent/energy/meters.ts'
import { openTariffSource } from '#agent/energy/tariff-source.ts'
import { openReceiptBook } from '#agent/receipts/receipt-book.ts'
import { tokenPrice } from '#fleet/token-price.ts'
import type { EnergyStore } from '#host/energy-store.ts'
import type { Clock, Host } from '#host/host.ts'
import { NANO_PER_USD } from '#kernel/money.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import type { Capability } from '#protocol/capability.ts'
import { createFleetEngine, type FleetEngine, prefillTokensPerSecond } from './fleet-engine.ts'
import { type FleetNode, tariffText } from './fleet-profiles.ts'
import { createSimProver } from './sim-prover.ts'
import type { AgentSlot } from './sim-world.ts'

export interface FleetAgentParts {
  readonly node: FleetNode
  readonly slot: AgentSlot
  /** The machine's own record, which outlives its processes. */
  readonly store: EnergyStore
  readonly feeBps: number
  readonly heartbeatMs: number
  /** Runs what waits for a promise before the next event does. */
  readonly settle: () => void
  readonly onFailure: (error: unknown) => void
}

export interface FleetAgent {
  readonly agent: Agent
  /** Lets what runs end, for `noticeMs` at most, and writes down what is open. */
  leave(noticeMs: number, done: () => void): void
}

/** Coarser than a real agent's ten seconds: each reading is an event, and a month has many. */
const SAMPLE_MS = 3 * MINUTE_MS
const HISTORY_DAYS = 3
const CONTEXT_TOKENS = 32_768
const MICRO_PER_USD = 1e6

export async function startFleetAgent(host: Host, parts: FleetAgentParts): Promise<FleetAgent> {
  const { node, slot, heartbeatMs, onFailure } = parts
  const capability = capabilityOf(node, slot.nodeId)
  const speeds = new Map(capability.models.map((model) => [model.id, model]))
  const speedOf = (model: string) => speeds.get(model) ?? UNKNOWN_SPEED
  const engine = createFleetEngine(host.clock, {
    models: capability.models,
    tokensPerSecondOf: (model) => node.hardware.tokensPerSecond[model] ?? 1,
  })
  const keeper = await openKeeper(host, engine, parts)
  const metered = meterEngine(host.clock, engine, (model) => {
    const { ask } = keeper.verdict()
    return { askPerGpuHour: ask, price: tokenPrice(capability, speedOf(model), ask) }
  })
  const agent = startAgent(host, metered, {
    nodeId: slot.nodeId,
    keys: slot.keys,
    gatewayUrl: `ws://${slot.gateway.address}/agent`,
    agentVersion: capability.agentVersion,
    heartbeatMs,
    askPerGpuHour: keeper.verdict().ask,
    capability,
    speedOf,
    prover: createSimProver(host.clock),
    receipts: openReceiptBook(host),
    onRefused: onFailure,
  })
  const { setAsk, park, unpark } = agent
  keeper.start({ isOnline: () => agent.state() === 'serving', setAsk, park, unpark }, metered)
  return {
    agent,
    leave: (noticeMs, done) =>
      agent.drain(noticeMs, () => {
        keeper.stop()
        done()
      }),
  }
}

async function openKeeper(host: Host, engine: FleetEngine, parts: FleetAgentParts): Promise<EnergyKeeper> {
  const { node, store, feeBps } = parts
  const { hardware } = node
  const clock = settlingClock(host.clock, parts.settle)
  const tariff = await openTariffSource(
    { clock, fetch: fetchNothing, machine: { readFile: () => tariffText(node) }, store },
    { usdPerKwh: null, tariff: 'tariff.json', usdPerUnit: null },
  )
  const ask = BigInt(Math.round(node.askUsd * MICRO_PER_USD)) * (NANO_PER_USD / BigInt(MICRO_PER_USD))
  return createEnergyKeeper(
    { clock, log: host.log, store, tariff, meters: plugOf(clock, node, engine), askFee: async () => feeBps },
    {
      policy: node.ask === 'auto' ? { kind: 'auto', floor: ask, max: null } : { kind: 'fixed', ask },
      feeBps,
      gpuCount: hardware.gpuCount,
      givenWatts: { loadWatts: hardware.watts.load, idleWatts: hardware.watts.idle },
      assumedWatts: null,
      historyDays: HISTORY_DAYS,
      sampleMs: SAMPLE_MS,
    },
    { onVerdict: () => undefined, onNote: () => undefined },
  )
}

/** The keeper waits for promises within its rounds: they must be over before the next event. */
const settlingClock = (clock: Clock, settle: () => void): Clock => ({
  nowMs: clock.nowMs,
  elapsedMs: clock.elapsedMs,
  after: (delayMs, run) =>
    clock.after(delayMs, () => {
      run()
      settle()
    }),
})

/** Measures the whole machine exactly, as the counter of a good plug does. */
function plugOf(clock: Clock, { hardware }: FleetNode, engine: FleetEngine): Meters {
  const { idle, load } = hardware.watts
  const startMs = clock.elapsedMs()
  return {
    plugHost: 'plug',
    async read() {
      const elapsedMs = clock.elapsedMs()
      const wattMs = idle * (elapsedMs - startMs) + (load - idle) * engine.busyMs()
      const watts = engine.isBusy() ? load : idle
      const plug = { atMs: elapsedMs, watts, wattHours: wattMs / MS_PER_HOUR }
      return { elapsedMs, nowMs: clock.nowMs(), gpu: null, cpu: null, plug, problems: [] }
    },
  }
}
const MS_PER_HOUR = 3_600_000

const UNKNOWN_SPEED = { prefillTokensPerSecond: 0, decodeTokensPerSecond: 0, decodeTokensPerSecondSingle: 0 }

function capabilityOf({ hardware, fleet }: FleetNode, nodeId: string): Capability {
  const { gpu, gpuCount, vramMib, slots } = hardware
  return {
    agentVersion: 'sim',
    osName: fleet,
    cpu: { model: 'simulated', cores: 16 },
    memoryMib: 65_536,
    diskFreeMib: 500_000,
    gpus: Array.from({ length: gpuCount }, (_, index) => ({
      index,
      uuid: `GPU-${nodeId}-${index}`,
      vendor: 'nvidia' as const,
      name: gpu,
      vramMib,
      vramUsedMib: null,
      utilisationPercent: null,
      powerWatts: null,
      powerLimitWatts: null,
      temperatureC: null,
      driver: null,
      pcieGeneration: null,
      pcieLanes: null,
      mig: null,
      healthy: true,
      unhealthyReason: null,
    })),
    powerWatts: null,
    engines: ['simulated'],
    models: Object.entries(hardware.tokensPerSecond).map(([id, single]) => ({
      id,
      fingerprint: id,
      tasks: ['chat', 'completion'],
      contextTokens: CONTEXT_TOKENS,
      slots,
      prefillTokensPerSecond: prefillTokensPerSecond(single),
      decodeTokensPerSecond: single * slots,
      decodeTokensPerSecondSingle: single,
    })),
    problems: [],
  }
}

const fetchNothing = (): Promise<Response> => Promise.reject(new Error('a tariff on the disk is not fetched'))
