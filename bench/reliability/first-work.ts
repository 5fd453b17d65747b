/**
 * How long a machine that has never been here takes from `shoal provide` to its first paid answer, with nobody helping:
 * the start of the program, enrolment, loading and measuring its model, the proof of its hardware, and being chosen.
 */
import { Problem } from '#protocol/problem.ts'
import { startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import { readUsage } from '../../test/e2e/books.ts'
import { until } from '../../test/e2e/process-group.ts'
import { type Network, openRig, type Rig, startNetwork } from '../../test/e2e/rig.ts'
import { spread } from '../parts/spread.ts'
import { eventsOf, type JournalEvent } from './journal-events.ts'
import { proveRun } from './prove-run.ts'
import { atMost, type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { startSteady } from './steady-load.ts'

const LIMIT_MS = 120_000
const PER_SECOND = 6
const TOKENS = 32

interface Newcomer {
  readonly nodeId: string
  readonly servesMs: number
  readonly paidMs: number
  /** When its first paid answer was whole, by the network's clock. */
  readonly answeredAtMs: number
}

export async function firstWork({ seed, isQuick }: ScenarioOptions): Promise<ScenarioResult> {
  const rig = openRig()
  try {
    const network = await startNetwork(rig, rig.path('data'), ['--no-agent'])
    // It is not alone: there is a node that knows its trade.
    const fleet = await startChaosFleet({ rig, network, count: 1, seed })
    const { openaiBaseUrl: baseUrl, apiKey } = network.ready
    const load = startSteady({ baseUrl, apiKey, model: 'tiny', perSecond: PER_SECOND, tokens: TOKENS, seed })
    const newcomers: Newcomer[] = []
    for (let index = 0; index < (isQuick ? 2 : 5); index++) {
      newcomers.push(await join(rig, network, `cold-${index}`))
      tell(`cold-${index}: first paid after ${Math.round(newcomers.at(-1)?.paidMs ?? 0)} ms`)
    }
    const results = await load.stop()
    const { checks } = await proveRun({ rig, network, results, tokens: TOKENS })
    await fleet.close()
    const events = await eventsOf(rig, network)
    const { figures, checks: found } = judge(newcomers, events)
    return { figures, checks: [...found, ...checks] }
  } finally {
    await rig.dispose()
  }
}

async function join(rig: Rig, network: Network, name: string): Promise<Newcomer> {
  const { token } = await network.operator.createEnrolmentToken({ body: {} })
  const startedMs = performance.now()
  const program = rig.start([
    ...['provide', '--render', 'off', '--data', rig.path(name), '--name', name, '--threads', '1'],
    ...['--join', network.ready.apiUrl, '--token', token, '--model', rig.tinyPath(), '--model-id', 'tiny'],
  ])
  const nodeId = await until(`${name} to serve`, () => {
    if (program.isOver()) throw new Error(program.output())
    return /^(node_\w+) serves /m.exec(program.output())?.[1]
  })
  const servesMs = performance.now() - startedMs
  const first = await until(`${name} to be paid`, async () =>
    (await readUsage(network.operator).catch(notYet)).findLast(
      ({ nodeIds, cost }) => nodeIds.includes(nodeId) && cost > 0n,
    ),
  )
  const paidMs = performance.now() - startedMs
  return { nodeId, servesMs, paidMs, answeredAtMs: first.atMs + first.totalMs }
}

/** Lists are made while the network begins. */
function notYet(error: unknown): [] {
  if (error instanceof Problem && error.retriable) return []
  throw error
}

function judge(newcomers: readonly Newcomer[], events: readonly JournalEvent[]): ScenarioResult {
  const proven = newcomers.filter(({ nodeId, answeredAtMs }) =>
    events.some(
      ({ type, nodeId: of, atMs = Number.POSITIVE_INFINITY }) =>
        type === 'hardware.proven' && of === nodeId && atMs <= answeredAtMs,
    ),
  )
  const paid = spread(newcomers.map(({ paidMs }) => paidMs))
  return {
    figures: {
      newcomers: newcomers.length,
      servesMs: spread(newcomers.map(({ servesMs }) => servesMs)),
      firstPaidMs: paid,
      hardwareEvents: [
        ...new Set(events.filter(({ type }) => type.startsWith('hardware.')).map(({ type }) => type)),
      ],
    },
    checks: [
      atMost('from its start to its first paid answer, at most', paid.max / 1_000, LIMIT_MS / 1_000, 's'),
      {
        what: 'machines whose hardware was proven before their first paid answer was whole',
        found: `${proven.length} of ${newcomers.length}`,
        pass: 'all',
        isPassed: proven.length === newcomers.length,
      },
    ],
  }
}
