/**
 * How many appends a second the journal makes durable: one at a time, and by group commit with many in flight.
 * `node bench/journal.ts [--json] [--folder DIR] [--seconds N]` takes about 12 s on a quiet machine; DIR picks the disk (default: the
 * system's temporary folder). The syncs are counted with `strace`, where there is one, in separate short runs.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createSqliteJournals } from '#host/node/sqlite-journal.ts'
import { print, whole } from './parts/machine.ts'

const IN_FLIGHT = [1, 32, 1_024]
const ROUNDS = 3
/** About what a ledger command weighs as JSON. */
const PAYLOAD_BYTES = 200

export interface Load {
  /** How many operations are under way at any moment. */
  readonly inFlight: number
  /** Begins one operation and calls `done` once it is durable. */
  start(done: () => void): void
}

export interface Rate {
  readonly count: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Processor time of the calling thread for one operation: what is lost to everything else that it does. */
  readonly callerMicroseconds: number
}

/** Keeps `load` up for `durationMs`, lets it end, and counts what has been done. */
export function measureRate(load: Load, durationMs: number): Promise<Rate> {
  const startedAtMs = performance.now()
  const cpuBefore = process.threadCpuUsage()
  const latenciesMs: number[] = []
  return new Promise((resolve) => {
    let underWay = 0
    const startOne = (): void => {
      underWay++
      const beganAtMs = performance.now()
      load.start(() => {
        const nowMs = performance.now()
        latenciesMs.push(nowMs - beganAtMs)
        underWay--
        if (nowMs - startedAtMs < durationMs) startOne()
        else if (underWay === 0)
          resolve(toRate(latenciesMs, nowMs - startedAtMs, process.threadCpuUsage(cpuBefore)))
      })
    }
    for (let index = 0; index < load.inFlight; index++) startOne()
  })
}

function toRate(latenciesMs: number[], elapsedMs: number, cpu: NodeJS.CpuUsage): Rate {
  const count = latenciesMs.length
  latenciesMs.sort((a, b) => a - b)
  const at = (share: number): number => latenciesMs[Math.min(count - 1, Math.floor(count * share))] ?? 0
  return {
    count,
    perSecond: (count * 1_000) / elapsedMs,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    callerMicroseconds: (cpu.user + cpu.system) / count,
  }
}

export interface SyncCount {
  readonly appends: number
  readonly syncs: number
}

/** Runs `command` under `strace` and returns how often it synced a file, or why that cannot be told. */
export function countSyncs(command: readonly string[]): number | string {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-strace-'))
  const summary = join(folder, 'summary')
  try {
    const options = ['-f', '-c', '-e', 'trace=fdatasync,fsync', '-o', summary]
    const { error, status, stderr } = spawnSync('strace', [...options, ...command], { timeout: 20_000 })
    if (error) return `strace: ${error.message}`
    if (status !== 0) return `strace: ${String(stderr).trim().split('\n').at(-1)}`
    // Columns: share of time, seconds, microseconds a call, calls, (errors,) name.
    const rows = readFileSync(summary, 'utf8').matchAll(
      /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s.*\bf(?:data)?sync$/gm,
    )
    return [...rows].reduce((sum, [, calls]) => sum + Number(calls), 0)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

interface Result extends Rate {
  readonly inFlight: number
  readonly perSecondMin: number
  readonly perSecondMax: number
  readonly synced: SyncCount | string
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      folder: { type: 'string', default: tmpdir() },
      seconds: { type: 'string', default: '0.8' },
      append: { type: 'string' },
      'in-flight': { type: 'string', default: '1' },
    },
  })
  if (values.append !== undefined)
    await appendAndEnd(values.folder, Number(values.append), Number(values['in-flight']))
  else await main(values.folder, Number(values.seconds) * 1_000, values.json)
}

async function main(folder: string, durationMs: number, isJson: boolean): Promise<void> {
  const results = await measure(folder, durationMs)
  const [first, last] = [results[0], results.at(-1)]
  const ratio = first && last ? last.perSecond / first.perSecond : 0
  const inputs = { folder, payloadBytes: PAYLOAD_BYTES, rounds: ROUNDS, durationMs }
  print(isJson, { bench: 'journal', ...inputs, ratio, results }, () => [
    `Durable appends of ${PAYLOAD_BYTES}-byte entries in ${folder}: median of ${ROUNDS} rounds of ${durationMs} ms,`,
    'lowest and highest in brackets.',
    '',
    ...results.map(describe),
    '',
    `${last?.inFlight} in flight make ${ratio.toFixed(1)} times as many durable as one at a time.`,
  ])
}

/** The rounds of one load lie apart, so that a slow spell of the disk hits every load alike. */
async function measure(folder: string, durationMs: number): Promise<Result[]> {
  const rates = new Map<number, Rate[]>(IN_FLIGHT.map((inFlight) => [inFlight, []]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [inFlight, rounds] of rates) {
      rounds.push(await inJournal(folder, (append) => measureRate({ inFlight, start: append }, durationMs)))
    }
  }
  const withoutAppends = countSyncsOfRun(folder, 0, 1)
  return [...rates].flatMap(([inFlight, rounds]) => {
    rounds.sort((a, b) => a.perSecond - b.perSecond)
    const [lowest, median, highest] = [rounds[0], rounds[ROUNDS >> 1], rounds.at(-1)]
    if (!lowest || !median || !highest) return []
    const range = { perSecondMin: lowest.perSecond, perSecondMax: highest.perSecond }
    return [{ inFlight, ...median, ...range, synced: countSyncsOfAppends(folder, inFlight, withoutAppends) }]
  })
}

/** Runs `work` on a fresh journal. */
async function inJournal<T>(folder: string, work: (append: Load['start']) => Promise<T>): Promise<T> {
  const own = mkdtempSync(join(folder, 'shoal-bench-'))
  try {
    const journal = await createSqliteJournals(own).open('bench')
    const result = await work((done) => {
      const payload = `{"kind":"capture","number":${journal.lastSequence},"note":"`.padEnd(
        PAYLOAD_BYTES - 2,
        'x',
      )
      journal.append([`${payload}"}`], (problem) => {
        if (problem) throw problem
        done()
      })
    })
    await journal.close()
    return result
  } finally {
    rmSync(own, { recursive: true })
  }
}

/** Syncs of a run that appends so much, opening and closing included. */
function countSyncsOfRun(folder: string, appends: number, inFlight: number): number | string {
  const options = ['--folder', folder, '--append', String(appends), '--in-flight', String(inFlight)]
  return countSyncs([process.execPath, import.meta.filename, ...options])
}

function countSyncsOfAppends(
  folder: string,
  inFlight: number,
  withoutAppends: number | string,
): SyncCount | string {
  if (typeof withoutAppends === 'string') return withoutAppends
  const appends = Math.max(200, inFlight * 20)
  const syncs = countSyncsOfRun(folder, appends, inFlight)
  return typeof syncs === 'string' ? syncs : { appends, syncs: syncs - withoutAppends }
}

function appendAndEnd(folder: string, count: number, inFlight: number): Promise<void> {
  return inJournal(folder, (append) => {
    let [started, ended] = [0, 0]
    return new Promise((resolve) => {
      const next = (): void => {
        if (ended === count) return resolve()
        if (started === count) return
        started++
        append(() => {
          ended++
          next()
        })
      }
      for (let index = 0; index < inFlight; index++) next()
    })
  })
}

function describe({ inFlight, synced, ...rate }: Result): string {
  const syncs =
    typeof synced === 'string'
      ? `syncs not counted (${synced})`
      : `${whole(synced.syncs)} syncs for ${whole(synced.appends)} appends, ${(synced.appends / synced.syncs).toFixed(1)} each`
  return (
    `${whole(inFlight).padStart(6)} in flight: ${whole(rate.perSecond).padStart(8)}/s ` +
    `(${whole(rate.perSecondMin)} to ${whole(rate.perSecondMax)}), ` +
    `p50 ${rate.p50Ms.toFixed(2)} ms, p99 ${rate.p99Ms.toFixed(2)} ms, ` +
    `${rate.callerMicroseconds.toFixed(1)} µs of the caller's thread; ${syncs}`
  )
}
