/**
 * The agent's housekeeping of electricity: meters it, writes down by the hour what was used, worked and earned, and keeps
 * the ask at or above what work costs at this hour's price, or the card parked.
 *
 * One round every few seconds; a slow meter makes a round late, never two at once. What the meters, the tariff or the disk
 * do wrong is told to the owner and costs the record some of its hours, never the node its work.
 */
import type { EnergyStore, ParkEvent } from '#host/energy-store.ts'
import type { Clock, Log, Timer } from '#host/host.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#kernel/time.ts'
import { type AskPolicy, decidePark, type ParkVerdict } from '../park.ts'
import { createHourBook } from './hour-book.ts'
import { attributeEnergy } from './job-energy.ts'
import { createMachineEnergy } from './machine-energy.ts'
import type { MeteredEngine } from './metered-engine.ts'
import type { Meters } from './meters.ts'
import { type OwnRecord, ownFigures } from './own-figures.ts'
import type { TariffSource } from './tariff-source.ts'
import type { PriceNow } from './task-ask.ts'
import { type Watts, type WorkingPower, workingPower } from './working-power.ts'

/** What the keeper does to the node. */
export interface KeptNode {
  /** Connected to its network. */
  isOnline(): boolean
  setAsk(askPerGpuHour: bigint): void
  park(reason: string): void
  unpark(): void
  /** Whether a task ran since the last call: what was drawn then says nothing of requests. Absent: it takes none. */
  wasAtTasks?(): boolean
}

export interface KeeperOptions {
  readonly policy: AskPolicy
  /** False where it takes tasks alone: then the ask stays as it is and nothing parks by it. */
  readonly servesModels?: boolean
  /** The network's part of what callers pay; `null` until it says. */
  readonly feeBps: number | null
  readonly gpuCount: number
  readonly givenWatts: Watts | null
  readonly assumedWatts: Watts | null
  /** Days of its own record after which the node believes it. */
  readonly historyDays: number
  readonly sampleMs: number
}

export interface KeeperHooks {
  /** The node parked, or takes work again, or asks another price. */
  readonly onVerdict: (verdict: ParkVerdict, kind: ParkEvent['kind']) => void
  /** Something that the owner should know, once each time it begins. */
  readonly onNote: (text: string) => void
  /** What electricity costs now, each round. */
  readonly onPrice?: (now: PriceNow) => void
}

export interface EnergyKeeper {
  verdict(): ParkVerdict
  /** What it reckons that work draws; `null` when nothing tells. */
  power(): WorkingPower | null
  /** Begins the rounds, and puts the verdict into force. */
  start(node: KeptNode, engine: MeteredEngine): void
  /** Writes down what is still open. */
  stop(): void
}

interface KeeperParts {
  readonly clock: Clock
  readonly log: Log
  readonly meters: Meters
  readonly tariff: TariffSource
  readonly store: EnergyStore
  /** Asks the network for its part; resolves to `null` when it does not say. Never rejects. */
  readonly askFee: () => Promise<number | null>
}

const FLUSH_MS = MINUTE_MS
/** The record of two tax years; single requests for one, and no more than fit in some 50 MB. */
const HOURS_KEPT_MS = 800 * DAY_MS
const JOBS_KEPT_MS = 400 * DAY_MS
const JOBS_KEPT_MAX = 200_000
const HISTORY_MS = 30 * DAY_MS
/** How far ahead prices are looked at, to say when a parked card comes back. */
const AHEAD_MS = 36 * HOUR_MS
/** A reading may be late by two rounds; beyond ten minutes the power between two is anybody's guess. */
const MEASURED_ROUNDS = 3
const INTERPOLATED_MS_MAX = 10 * MINUTE_MS

export function createEnergyKeeper(
  parts: KeeperParts,
  options: KeeperOptions,
  hooks: KeeperHooks,
): EnergyKeeper {
  const { clock, log, meters, tariff, store } = parts
  const book = createHourBook(tariff.at)
  let { feeBps } = options
  const jobs = attributeEnergy(() => feeBps ?? 0)
  const limits = {
    measuredMsMax: options.sampleMs * MEASURED_ROUNDS,
    interpolatedMsMax: INTERPOLATED_MS_MAX,
  }
  const machine = createMachineEnergy({ hasPlug: meters.plugHost !== null, limits })
  const noteOnce = createNotes(hooks.onNote)
  const markTasks = once((atMs) => keep(() => store.write(TASKS_TAKEN, String(atMs))))
  let power = lookAtHistory()
  let verdict = decide({ isParked: false, ask: readLastAsk(store) })
  let node: KeptNode | null = null
  let engine: MeteredEngine | null = null
  let timer: Timer | null = null
  let isStopped = false
  let flushedMs = clock.elapsedMs()
  let historyMs = clock.nowMs()
  let feeAskedMs = Number.NEGATIVE_INFINITY
  let forgottenMs = Number.NEGATIVE_INFINITY

  function lookAtHistory(): WorkingPower | null {
    const toMs = clock.nowMs()
    const { givenWatts, assumedWatts, historyDays, gpuCount } = options
    // What the owner says goes before any record, so a long one is not read for it.
    const figures = ownFigures(givenWatts ? NO_RECORD : store, { fromMs: toMs - HISTORY_MS, toMs })
    const hoursMin = (historyDays * DAY_MS) / HOUR_MS
    return workingPower({ given: givenWatts, figures, hoursMin, assumed: assumedWatts, gpuCount })
  }

  function decide(state: { isParked: boolean; ask: bigint | null }): ParkVerdict {
    const nowMs = clock.nowMs()
    const price = power && options.servesModels !== false ? tariff.at(nowMs) : null
    return decidePark(state, {
      policy: options.policy,
      usdPerKwh: price?.usdPerKwh ?? null,
      upcoming: tariff.slots(nowMs, nowMs + AHEAD_MS).filter((slot) => slot.fromMs > nowMs),
      extraKwhPerGpuHour: power?.extraKwhPerGpuHour ?? 0,
      feeBps: feeBps ?? 0,
    })
  }

  function judge(): void {
    hooks.onPrice?.({ usdPerKwh: tariff.at(clock.nowMs())?.usdPerKwh ?? null, feeBps: feeBps ?? 0 })
    const before = verdict
    verdict = decide(before)
    if (verdict.isParked !== before.isParked) tell(verdict.isParked ? 'parked' : 'resumed')
    else if (verdict.ask !== before.ask) tell('ask_changed')
  }

  /** The new ask goes out while the node takes no work, so that nothing is sold at the old one. */
  function apply(): void {
    if (verdict.isParked) node?.park(verdict.reason)
    node?.setAsk(verdict.ask)
    if (!verdict.isParked) node?.unpark()
  }

  function tell(kind: ParkEvent['kind']): void {
    const { ask, reason } = verdict
    const nowMs = clock.nowMs()
    const usdPerKwh = tariff.at(nowMs)?.usdPerKwh ?? null
    apply()
    book.addEvent({ atMs: nowMs, kind, askPerGpuHour: ask, usdPerKwh, reason })
    log.info(`node.${kind}`, { ask, usdPerKwh, reason })
    keep(() => store.write(LAST_ASK, ask.toString()))
    hooks.onVerdict(verdict, kind)
  }

  async function round(): Promise<void> {
    await Promise.all([tariff.refresh(), learnFee()])
    const reading = await meters.read()
    if (isStopped || !node || !engine) return
    for (const [about, problem] of reading.problems) noteOnce(about, problem)
    noteOnce('tariff', tariff.problem())
    const isFeeMissing = feeBps === null && Number.isFinite(feeAskedMs)
    noteOnce(
      'fee',
      isFeeMissing ? 'The network does not say what it keeps of each request: the ask leaves it out.' : null,
    )
    const { pieces, power: drawn } = machine.take(reading)
    for (const piece of pieces) book.addEnergy(piece)
    const work = engine.takeWork()
    const wasThere = work.elapsedMs <= INTERPOLATED_MS_MAX
    const toMs = reading.nowMs
    const state = wasThere && node.isOnline() ? (verdict.isParked ? 'parked' : 'serving') : 'offline'
    const isForTasks = node.wasAtTasks?.() === true
    if (isForTasks) markTasks(toMs)
    // Without a request under way that would be taken for the idle machine, and with one for all of its work.
    const ofModels = isForTasks ? null : drawn
    book.addTime({ fromMs: toMs - work.elapsedMs, toMs }, { state, work, power: ofModels })
    for (const job of jobs.take(work, ofModels)) book.addJob(job)
    if (toMs - historyMs >= HOUR_MS) {
      historyMs = toMs
      power = lookAtHistory()
    }
    judge()
    if (reading.elapsedMs - flushedMs >= FLUSH_MS) flush()
  }

  /** The network may change it, so it is asked again by the hour. */
  async function learnFee(): Promise<void> {
    const nowMs = clock.elapsedMs()
    if (!node?.isOnline() || nowMs - feeAskedMs < HOUR_MS) return
    feeAskedMs = nowMs
    feeBps = (await parts.askFee()) ?? feeBps
  }

  function flush(): void {
    flushedMs = clock.elapsedMs()
    const additions = book.take()
    const nowMs = clock.nowMs()
    keep(() => {
      if (additions) store.add(additions)
      if (nowMs - forgottenMs < DAY_MS) return
      forgottenMs = nowMs
      store.forget({
        hoursBeforeMs: nowMs - HOURS_KEPT_MS,
        jobsBeforeMs: nowMs - JOBS_KEPT_MS,
        jobsMax: JOBS_KEPT_MAX,
      })
    })
  }

  /** A disk that refuses costs the record, not the work. */
  function keep(write: () => void): void {
    try {
      write()
      noteOnce('store', null)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      log.error('energy.not_kept', { message })
      noteOnce('store', `The record of energy and earnings has a gap: ${message}`)
    }
  }

  function schedule(beganMs: number): void {
    const delayMs = Math.max(0, beganMs + options.sampleMs - clock.elapsedMs())
    timer = clock.after(delayMs, run)
  }

  function run(): void {
    const beganMs = clock.elapsedMs()
    round().then(
      () => {
        if (!isStopped) schedule(beganMs)
      },
      (error: unknown) => {
        // A round is made of parts that do not fail; one that does is a bug, and the next round may do better.
        log.error('energy.round_failed', { message: error instanceof Error ? error.message : String(error) })
        if (!isStopped) schedule(beganMs)
      },
    )
  }

  return {
    verdict: () => verdict,
    power: () => power,
    start(keptNode, meteredEngine) {
      node = keptNode
      engine = meteredEngine
      if (verdict.isParked) tell('parked')
      else if (options.policy.kind === 'auto') tell('ask_changed')
      else apply()
      run()
    },
    stop() {
      isStopped = true
      timer?.cancel()
      for (const piece of machine.flush()) book.addEnergy(piece)
      flush()
    },
  }
}

const NO_RECORD: OwnRecord = { hours: () => [], firstHourMs: () => null }
const LAST_ASK = 'last-ask'
/** When the last process that had tasks saw its first, in milliseconds; nothing where none ever ran. */
export const TASKS_TAKEN = 'tasks-taken'

function readLastAsk(store: EnergyStore): bigint | null {
  const text = store.read(LAST_ASK)
  return text === null ? null : BigInt(text)
}

function once(run: (atMs: number) => void): (atMs: number) => void {
  let hasRun = false
  return (atMs) => {
    if (!hasRun) run(atMs)
    hasRun = true
  }
}

/** Tells each thing when it begins, again when it changes, and when it ends. */
function createNotes(tell: (text: string) => void): (about: string, text: string | null) => void {
  const told = new Map<string, string>()
  return (about, text) => {
    if ((told.get(about) ?? null) === text) return
    if (text === null) {
      told.delete(about)
      tell(`${about}: all is well again`)
    } else {
      told.set(about, text)
      tell(text)
    }
  }
}
