/**
 * How soon a network on PostgreSQL serves again when its leading coordinator is killed, or stopped and woken too late,
 * under commands and streams: from the kill to the first command that is sent after it and acknowledged. That nothing
 * acknowledged is lost, that no stream breaks and that no old leader writes is asserted; the rest is measured.
 *
 *     node bench/takeover.ts [--json] [--rounds 50] [--commands 200] [--streams 50] [--pause-ms 1000]
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { proveBooks, settle } from '../test/e2e/books.ts'
import { proveBilling } from '../test/e2e/crowd-proofs.ts'
import { type Outgrown, outgrownMissing, startOutgrown } from '../test/e2e/outgrown.ts'
import { until } from '../test/e2e/process-group.ts'
import {
  balanceOf,
  type CommandLoad,
  epochsThatFall,
  founderAccount,
  isRunning,
  proveDeposits,
  startCommands,
  startStreams,
} from '../test/e2e/takeover-load.ts'
import { print } from './parts/machine.ts'

interface Options {
  readonly rounds: number
  readonly commands: number
  readonly streams: number
  readonly pauseMs: number
}

/** What happens to the leader: its process dies, its whole machine does, or it is stopped and wakes up too late. */
const kinds = ['process', 'machine', 'stop'] as const
type Kind = (typeof kinds)[number]
interface Round {
  readonly kind: Kind
  readonly backMs: number
  readonly streamsUnderWay: number
}

const names: Record<Kind, string> = {
  process: 'kill -9 of its process',
  machine: 'kill -9 of all it runs, spare too',
  stop: 'SIGSTOP, woken after the takeover',
}

/** Long enough that every kill meets each stream in its middle. */
const STREAM_TOKENS = 1_500

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '50' },
      commands: { type: 'string', default: '200' },
      streams: { type: 'string', default: '50' },
      'pause-ms': { type: 'string', default: '1000' },
    },
  })
  if (outgrownMissing) {
    console.error(outgrownMissing)
    process.exit(1)
  }
  const options = {
    rounds: Number(values.rounds),
    commands: Number(values.commands),
    streams: Number(values.streams),
    pauseMs: Number(values['pause-ms']),
  }
  const { rounds, acknowledged, streams } = await measure(options)
  const summary = kinds.map((kind) => ({
    kind,
    ...spread(rounds.filter((round) => round.kind === kind).map(({ backMs }) => backMs)),
  }))
  const all = spread(rounds.map(({ backMs }) => backMs))
  print(values.json, { ...options, all, summary, acknowledged, streams, rounds }, () => [
    `${options.rounds} leaders lost under ${options.commands} commands/s and ${options.streams} streams, on PostgreSQL with a standby:`,
    ...summary.map((line) => `  ${names[line.kind].padEnd(34)} ${describe(line)}`),
    `  ${'all'.padEnd(34)} ${describe(all)}`,
    `  ${acknowledged} commands acknowledged and each found once, ${streams} streams all finished, and each billed once;`,
    '  no entry of an older epoch follows one of a newer; the ledger sums to zero.',
  ])
}

async function measure(options: Options) {
  const outgrown = await startOutgrown({ coordinators: 2 })
  try {
    const { network, postgres } = outgrown
    const accountId = await founderAccount(network)
    const before = await balanceOf(network, accountId)
    const commands = startCommands(network.operator, accountId, options.commands)
    const streams = startStreams(network, options.streams, STREAM_TOKENS)
    const rounds: Round[] = []
    for (let round = 0; round < options.rounds; round++) {
      const kind = kinds[round % kinds.length] as Kind
      await commands.firstAfter(performance.now())
      await until('streams under way', () => streams.live() >= options.streams / 2)
      await sleep(options.pauseMs)
      rounds.push(await lose(outgrown, kind, commands, () => streams.live()))
      process.stderr.write(
        `\r${round + 1} of ${options.rounds}, ${Math.round(rounds.at(-1)?.backMs ?? 0)} ms  `,
      )
    }
    const results = await streams.stop()
    await commands.stop()
    for (const { error } of results) assert.equal(error, null, 'every stream ended well')
    const usage = await settle(network, results.length)
    proveBilling(results, usage)
    await proveBooks(network.operator, usage)
    await proveDeposits(network, { accountId, before, usage, commands })
    assert.equal(epochsThatFall(postgres), '0')
    return { rounds, acknowledged: commands.acknowledged.length, streams: results.length }
  } finally {
    await outgrown.dispose()
  }
}

async function lose(
  outgrown: Outgrown,
  kind: Kind,
  commands: CommandLoad,
  streamsLive: () => number,
): Promise<Round> {
  const leader = await outgrown.leader()
  const worker = await leader.worker()
  const streamsUnderWay = streamsLive()
  const lostMs = performance.now()
  if (kind === 'process') process.kill(worker, 'SIGKILL')
  else if (kind === 'machine') leader.program.signalGroup('SIGKILL')
  else process.kill(worker, 'SIGSTOP')
  const back = await commands.firstAfter(lostMs)
  if (kind === 'machine') await leader.restart()
  if (kind === 'stop') {
    process.kill(worker, 'SIGCONT')
    await until('the woken leader to step down', () => !isRunning(worker))
  }
  return { kind, backMs: back.acknowledgedMs - lostMs, streamsUnderWay }
}

interface Spread {
  readonly count: number
  readonly p50: number
  readonly p95: number
  readonly max: number
}

/** By nearest rank. */
function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number => Math.round(sorted[Math.ceil(sorted.length * share) - 1] ?? 0)
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), max: at(1) }
}

function describe({ count, p50, p95, max }: Spread): string {
  return `${String(count).padStart(3)} ×  p50 ${p50} ms, p95 ${p95} ms, at most ${max} ms`
}
