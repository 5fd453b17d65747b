/**
 * Durable ledger commands a second, through the real coordinator on the real journal: one at a time, and many in flight.
 * A command counts once its reply has come, which is when it would survive a power cut. Syncs are counted with
 * `strace`, where there is one, in separate short runs; the raw sync rate of the same disk is the physical limit.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Coordinator, openCoordinator } from '#coordinator/coordinator.ts'
import { checkState } from '#coordinator/coordinator-state.ts'
import { openNodeHost } from '#host/node/open-node-host.ts'
import { assert } from '#kernel/assert.ts'
import { countSyncs, type Load, measureRate, type Rate } from './journal.ts'
import { foundLedger, ledgerCommand } from './parts/ledger-load.ts'
import { print, whole } from './parts/machine.ts'

const IN_FLIGHT = [1, 32, 1_024]
const ROUNDS = 3
const PAGE_BYTES = 4_096
const PAGES = 1_024
const SYNCS_MS = 400

interface Result extends Rate {
  readonly inFlight: number
  readonly perSecondMin: number
  readonly perSecondMax: number
  /** Processor time for one command: of the thread that decides, and of all others (journal, memory, compiler). */
  readonly mainMicroseconds: number
  readonly otherMicroseconds: number
  readonly commandsPerSync: number | string
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      folder: { type: 'string', default: tmpdir() },
      seconds: { type: 'string', default: '2' },
      'in-flight': { type: 'string' },
      commands: { type: 'string' },
    },
  })
  const { folder } = values
  if (values.commands !== undefined) {
    await runCommands(folder, Number(values.commands), Number(values['in-flight']))
  } else {
    const { results, syncsPerSecond } = await measure(folder, Number(values.seconds) * 1_000)
    const ratio = (results.at(-1)?.perSecond ?? 0) / (results[0]?.perSecond ?? 1)
    print(values.json, { bench: 'ledger', folder, syncsPerSecond, ratio, results }, () => [
      `Durable ledger commands in ${folder}: median of ${ROUNDS} rounds of ${values.seconds} s, lowest and highest in brackets.`,
      `The disk syncs a page ${whole(syncsPerSecond)} times a second, by itself and one after the other: that bounds one at a time.`,
      '',
      ...results.map(describe),
      '',
      `${whole(results.at(-1)?.inFlight ?? 0)} in flight make ${ratio.toFixed(1)} times as many durable as one at a time.`,
    ])
  }
}

/** The rounds of one load lie apart, so that a slow spell of the disk hits every load alike. */
async function measure(
  folder: string,
  durationMs: number,
): Promise<{ results: Result[]; syncsPerSecond: number }> {
  const rounds = new Map<number, (Rate & { otherMicroseconds: number })[]>(
    IN_FLIGHT.map((inFlight) => [inFlight, []]),
  )
  const syncs: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    syncs.push(measureSyncs(folder, SYNCS_MS))
    for (const [inFlight, rates] of rounds) {
      rates.push(await inCell(folder, (start) => measureCpu({ inFlight, start }, durationMs)))
    }
  }
  const idle = syncsOfRun(folder, 0, 1)
  const results = [...rounds].flatMap(([inFlight, rates]) => {
    rates.sort((a, b) => a.perSecond - b.perSecond)
    const [lowest, median, highest] = [rates[0], rates[ROUNDS >> 1], rates.at(-1)]
    if (!lowest || !median || !highest) return []
    return [
      {
        inFlight,
        ...median,
        perSecondMin: lowest.perSecond,
        perSecondMax: highest.perSecond,
        mainMicroseconds: median.callerMicroseconds,
        commandsPerSync: commandsPerSync(folder, inFlight, idle),
      },
    ]
  })
  return { results, syncsPerSecond: syncs.toSorted((a, b) => a - b)[ROUNDS >> 1] ?? 0 }
}

/** Commands that one sync made durable, or why that cannot be told. `idle`: syncs of a run without commands. */
function commandsPerSync(folder: string, inFlight: number, idle: number | string): number | string {
  const commands = Math.max(200, inFlight * 20)
  const syncs = syncsOfRun(folder, commands, inFlight)
  if (typeof syncs === 'string') return syncs
  return typeof idle === 'string' ? idle : commands / (syncs - idle)
}

async function measureCpu(load: Load, durationMs: number): Promise<Rate & { otherMicroseconds: number }> {
  const before = process.cpuUsage()
  const rate = await measureRate(load, durationMs)
  const { user, system } = process.cpuUsage(before)
  return { ...rate, otherMicroseconds: (user + system) / rate.count - rate.callerMicroseconds }
}

/** Opens a fresh cell, runs `work` on it, and sees that the books are right and the disk has every command. */
async function inCell<T>(folder: string, work: (start: Load['start']) => Promise<T>): Promise<T> {
  const own = mkdtempSync(join(folder, 'shoal-bench-'))
  try {
    const host = openNodeHost({ folder: own, logName: 'bench', logLevel: 'error' })
    const coordinator = await openCoordinator(host, {
      snapshotEvery: Number.POSITIVE_INFINITY,
      onFatal: (problem) => {
        throw problem
      },
    })
    await new Promise<void>((resolve) => coordinator.execute(foundLedger, resolve))
    const result = await work(commandStarter(coordinator))
    checkState(coordinator.state)
    assert(coordinator.sequence() === coordinator.journal.lastSequence, 'all that was decided is written')
    await coordinator.journal.close()
    return result
  } finally {
    rmSync(own, { recursive: true })
  }
}

function commandStarter(coordinator: Coordinator): Load['start'] {
  let number = 0
  return (done) => {
    const mine = number++
    coordinator.execute(
      (turn) => turn.ledger(ledgerCommand(mine, turn.nowMs)),
      (refusal) => {
        assert(refusal === null, `command ${mine} is accepted, not ${refusal}`)
        done()
      },
    )
  }
}

/** Syncs of a run of so many commands, opening and closing included; or why they cannot be counted. */
function syncsOfRun(folder: string, commands: number, inFlight: number): number | string {
  const options = ['--folder', folder, '--commands', String(commands), '--in-flight', String(inFlight)]
  return countSyncs([process.execPath, import.meta.filename, ...options])
}

function runCommands(folder: string, count: number, inFlight: number): Promise<void> {
  return inCell(folder, (start) => {
    let [started, ended] = [0, 0]
    return new Promise((resolve) => {
      const next = (): void => {
        if (ended === count) return resolve()
        if (started === count) return
        started++
        start(() => {
          ended++
          next()
        })
      }
      for (let index = 0; index < inFlight; index++) next()
    })
  })
}

/**
 * How often a second a page can be made durable, one after the other: written over in a file that is long enough, as
 * the log of the journal is between two checkpoints, so that no sync has a file's length to write as well.
 */
function measureSyncs(folder: string, durationMs: number): number {
  const own = mkdtempSync(join(folder, 'shoal-bench-'))
  const file = openSync(join(own, 'syncs'), 'w')
  try {
    writeSync(file, new Uint8Array(PAGE_BYTES * PAGES))
    fdatasyncSync(file)
    const page = new Uint8Array(PAGE_BYTES).fill(1)
    const startedAtMs = performance.now()
    let count = 0
    while (performance.now() - startedAtMs < durationMs) {
      writeSync(file, page, 0, PAGE_BYTES, (count++ % PAGES) * PAGE_BYTES)
      fdatasyncSync(file)
    }
    return (count * 1_000) / (performance.now() - startedAtMs)
  } finally {
    closeSync(file)
    rmSync(own, { recursive: true })
  }
}

function describe(result: Result): string {
  const { inFlight, commandsPerSync, perSecond, perSecondMin, perSecondMax } = result
  const syncs =
    typeof commandsPerSync === 'number'
      ? `${commandsPerSync.toFixed(1)} commands a sync`
      : `syncs not counted (${commandsPerSync})`
  return (
    `${whole(inFlight).padStart(6)} in flight: ${whole(perSecond).padStart(7)}/s ` +
    `(${whole(perSecondMin)} to ${whole(perSecondMax)}), ` +
    `p50 ${result.p50Ms.toFixed(2)} ms, p99 ${result.p99Ms.toFixed(2)} ms, ` +
    `${result.mainMicroseconds.toFixed(1)} µs of the deciding thread and ${result.otherMicroseconds.toFixed(1)} µs of others a command; ${syncs}`
  )
}
