/** Puts an agent's electricity together: its meters, its tariff, its record, and the keeper of its ask. */
import { join } from 'node:path'
import type { Agent } from '#agent/agent.ts'
import { createEnergyKeeper } from '#agent/energy/energy-keeper.ts'
import { type MeteredEngine, meterEngine } from '#agent/energy/metered-engine.ts'
import { createMeters } from '#agent/energy/meters.ts'
import { createSmartPlug } from '#agent/energy/smart-plug.ts'
import { openTariffSource } from '#agent/energy/tariff-source.ts'
import { followTaskAsk, type PriceNow } from '#agent/energy/task-ask.ts'
import { assumedTaskWatts, assumedWatts, type Watts } from '#agent/energy/working-power.ts'
import type { Parking } from '#agent/owner/parking.ts'
import type { ParkVerdict } from '#agent/park.ts'
import type { Engine } from '#engines/engine.ts'
import { tokenPrice } from '#fleet/token-price.ts'
import type { ParkEvent } from '#host/energy-store.ts'
import type { Host } from '#host/host.ts'
import type { Machine } from '#host/machine.ts'
import { nodeTimeZones } from '#host/node/node-time-zones.ts'
import { openSqliteEnergyStore } from '#host/node/sqlite-energy-store.ts'
import { readCounters } from '#host/rapl.ts'
import { formatUsd, type NanoUsd } from '#kernel/money.ts'
import type { Capability, ModelCapability } from '#protocol/capability.ts'
import { createClient } from '#protocol/client.ts'
import { Problem } from '#protocol/problem.ts'
import { routes } from '#protocol/routes.ts'
import type { AgentConfig } from './agent-config.ts'
import { ENERGY_FILE } from './energy-config.ts'

export interface AgentEnergy {
  /** The ask in force, and whether the card is parked. */
  verdict(): ParkVerdict
  /** The engine, with account kept of its work. */
  meter(engine: Engine, speedOf: SpeedOf): MeteredEngine
  /** Begins to meter, and to keep the ask; that of tasks as well, where it takes any. */
  start(node: EnergyNode, engine: MeteredEngine): void
  close(): void
}
export interface EnergyNode extends Pick<Agent, 'state' | 'setAsk'> {
  readonly parking: Pick<Parking, 'park' | 'unpark'>
  readonly tasks: MeteredTasks | null
}
/** What the keeper asks of tasks, and tells them. */
export interface MeteredTasks {
  /** Whether one ran since the last call. */
  wasAtWork(): boolean
  /** An hour of this machine has to bring so much, so that it pays its electricity. */
  setAskLeast(perHour: NanoUsd): void
}
export type SpeedOf = (
  modelId: string,
) => Pick<ModelCapability, 'prefillTokensPerSecond' | 'decodeTokensPerSecond'>

const SAMPLE_MS = 10_000
/** rocm-smi is a program that takes half a second of a core to start. */
const SAMPLE_AMD_MS = 30_000

/** Rejects with `Problem('config_invalid')` where the ask cannot be kept for want of a figure. */
export async function openAgentEnergy(
  config: AgentConfig,
  parts: { readonly host: Host; readonly machine: Machine; readonly gpus: Capability['gpus'] },
  onNote: (text: string) => void,
): Promise<AgentEnergy> {
  const { host, machine, gpus } = parts
  const { clock, log } = host
  const { energy } = config
  const fetch = (request: Request): Promise<Response> => host.network.fetch(request)
  const plug = energy.plug === null ? null : createSmartPlug({ ...host, fetch }, energy.plug)
  const store = openSqliteEnergyStore(join(config.folder, ENERGY_FILE))
  try {
    const { usdPerKwh, tariff: place, tariffUsdPerUnit: usdPerUnit, timeZone = null } = energy
    const tariff = await openTariffSource(
      { clock, fetch, machine, store, zones: nodeTimeZones },
      { usdPerKwh, tariff: place, usdPerUnit, timeZone },
    )
    for (const notice of tariff.notices()) onNote(notice)
    // Where it neither has a model of its own nor takes any from the network, nothing is sold by the GPU-hour.
    const servesModels = config.engine.kind !== 'none' || config.hosting !== null
    const isBackstop = pricesOf(config).backstop !== undefined
    let onPrice: (now: PriceNow) => void = () => undefined
    const keeper = createEnergyKeeper(
      { clock, log, store, tariff, meters: createMeters(clock, machine, plug), askFee },
      {
        policy: energy.autoAsk
          ? { kind: 'auto', ...energy.autoAsk }
          : { kind: 'fixed', ask: config.askPerGpuHour },
        servesModels,
        feeBps: energy.feeBps,
        gpuCount: gpus.length,
        givenWatts: energy.watts,
        assumedWatts: assumedWatts(gpus),
        historyDays: energy.historyDays,
        sampleMs: gpus.some(({ vendor }) => vendor === 'amd') ? SAMPLE_AMD_MS : SAMPLE_MS,
      },
      {
        onNote,
        onVerdict: (verdict, kind) => onNote(describeVerdict(verdict, kind)),
        onPrice: (now) => onPrice(now),
      },
    )
    const power = keeper.power()
    const hasPrice = usdPerKwh !== null || place !== null
    if (!power && energy.autoAsk && servesModels) throw powerUnknown()
    if (hasPrice && servesModels) onNote(power ? `reckons with ${power.because}` : POWER_UNKNOWN)
    const isBlind = plug === null && gpus.length === 0 && readCounters(machine).size === 0
    if (hasPrice && isBlind) onNote(NO_METER)
    return {
      verdict: keeper.verdict,
      meter: (engine, speedOf) =>
        meterEngine(clock, engine, (model) => {
          const { ask } = keeper.verdict()
          const price = tokenPrice({ gpus, ...pricesOf(config) }, speedOf(model), ask)
          // What is sold by the token at a price of its own is no part of a GPU-hour.
          return { askPerGpuHour: isBackstop ? 0n : ask, price }
        }),
      start({ state, setAsk, parking, tasks }, engine) {
        const watts = energy.watts ?? (config.tasks && assumedTaskWatts(gpus, config.tasks.device))
        if (tasks && watts) onPrice = followTaskAsk(watts, tellTaskAsk(tasks, { watts, onNote }))
        const wasAtTasks = (): boolean => tasks?.wasAtWork() ?? false
        const isOnline = (): boolean => state() === 'serving'
        // By what models sell for: tasks have a price of their own, and follow electricity by it.
        const park = (reason: string): void => parking.park('energy', reason, 'tasks_go_on')
        keeper.start({ isOnline, setAsk, park, unpark: () => parking.unpark('energy'), wasAtTasks }, engine)
      },
      close() {
        keeper.stop()
        store.close()
      },
    }
  } catch (error) {
    store.close()
    throw error
  }

  async function askFee(): Promise<number | null> {
    try {
      const health = await createClient(routes, { baseUrl: config.apiUrl, fetch }).getHealth()
      return health.feeBps ?? null
    } catch {
      return null // It is asked again; until then the keeper says that it does not know.
    }
  }
}

/** What the network makes its price of, beside the ask. */
const pricesOf = ({
  engine,
  cachedDiscountBps,
}: AgentConfig): Pick<Capability, 'backstop' | 'cachedDiscountBps'> => ({
  ...(engine.kind === 'openai' && engine.backstop && { backstop: engine.backstop }),
  ...(cachedDiscountBps && { cachedDiscountBps }),
})

/** Tells the tasks, and the owner once: with each hour's price it changes. */
function tellTaskAsk(
  tasks: MeteredTasks,
  { watts, onNote }: { watts: Watts; onNote: (text: string) => void },
): (perHour: NanoUsd) => void {
  let isNoted = false
  return (perHour) => {
    tasks.setAskLeast(perHour)
    if (isNoted || perHour === 0n) return
    isNoted = true
    const draws = `${Math.round(watts.loadWatts)} W at work, ${Math.round(watts.idleWatts)} W idle`
    onNote(
      `tasks have to bring $${formatUsd(perHour)} per hour of this machine now, for their electricity (${draws}): jobs that pay less are not taken`,
    )
  }
}

const powerUnknown = (): Problem =>
  new Problem(
    'config_invalid',
    'With --ask auto the ask follows from what work draws, which nothing here tells yet: no GPU names its power limit. Give --watts-load and --watts-idle, as measured at the wall.',
  )

const POWER_UNKNOWN =
  'what work draws is not known here yet, so the card never parks: give --watts-load and --watts-idle, or let it measure for some days'

const NO_METER =
  'nothing here measures power: there is no GPU, this user may not read the counters of the CPU (/sys/class/powercap), and no --plug is given. Energy is not metered'

function describeVerdict({ ask, reason, untilMs }: ParkVerdict, kind: ParkEvent['kind']): string {
  const price = `$${formatUsd(ask)} per GPU-hour`
  if (kind === 'ask_changed') return `asks ${price}: ${reason}`
  if (kind === 'resumed') return `takes work again at ${price}: ${reason}`
  const until =
    untilMs === null ? '' : ` until ${new Date(untilMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
  return `parked${until}: ${reason}`
}
