/**
 * Ten thousand fake nodes a minute join over real sockets, while good nodes serve: whether a fake is given work or money,
 * whether a good node's heartbeat is missed, what callers feel, and how much memory it takes.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import { readAccounts } from '../../test/e2e/books.ts'
import { type Network, openRig, type Rig, startNetwork } from '../../test/e2e/rig.ts'
import { spread } from '../parts/spread.ts'
import type { FakesOptions, FakesReport } from './fake-nodes.ts'
import { eventsOf } from './journal-events.ts'
import { residentMib } from './memory.ts'
import { proveRun, type RunProof } from './prove-run.ts'
import { atMost, none, type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { type Steady, startSteady } from './steady-load.ts'

const GOOD = 3
const PER_SECOND = 10_000 / 60
const GROWTH_MIB_MAX = 400
const TOKENS = 32

export async function joinStorm({ seed, isQuick }: ScenarioOptions): Promise<ScenarioResult> {
  const rig = openRig()
  try {
    const network = await startNetwork(rig, rig.path('data'), ['--no-agent'])
    const fleet = await startChaosFleet({ rig, network, count: GOOD, seed })
    const { operator, ready } = network
    const { organisationId } = await operator.createOrganisation({ body: { name: 'A hundred cards' } })
    const { key } = await operator.createKey({
      body: { name: 'storm', scopes: ['provider'], organisationId },
    })
    const good = (await operator.listNodes({ query: { limit: 100 } })).items.map(({ nodeId }) => nodeId)

    const { openaiBaseUrl: baseUrl, apiKey } = ready
    const load = startSteady({ baseUrl, apiKey, model: 'tiny', perSecond: 4, tokens: TOKENS, seed })
    await sleep(10_000)
    const before = load.results.length
    const coordinator = (await network.status()).processes.coordinator
    const memory = [residentMib(coordinator)]
    const timer = setInterval(() => void memory.push(residentMib(coordinator)), 500)
    const fakes = await storm(rig, {
      apiUrl: ready.apiUrl,
      providerKey: key,
      perSecond: PER_SECOND,
      seconds: isQuick ? 15 : 60,
      seed,
    })
    clearInterval(timer)
    tell(JSON.stringify(fakes))
    const results = await load.stop()
    await sleep(5_000)
    const paid = (await readAccounts(operator)).find(
      ({ accountId }) => accountId === `provider:${organisationId}`,
    )
    const { usage, checks } = await proveRun({ rig, network, results, tokens: TOKENS })
    const worked = usage.filter(({ nodeIds }) => nodeIds.some((nodeId) => !good.includes(nodeId))).length
    const isSame = (await network.status()).processes.coordinator === coordinator
    await fleet.close()
    const missed = await missedBeats(rig, network, good)
    const found = { fakes, memory, before, results, missed, worked, isSame, checks }
    return judge({ ...found, paid: paid?.available ?? 0n })
  } finally {
    await rig.dispose()
  }
}

async function storm(rig: Rig, options: FakesOptions): Promise<FakesReport> {
  const program = rig.startCommand([
    process.execPath,
    join(import.meta.dirname, 'fake-nodes.ts'),
    JSON.stringify(options),
  ])
  const { code, stdout, stderr } = await program.end
  if (code !== 0) throw new Error(`the fakes ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as FakesReport
}

/** How often the journal says of a good node that it fell silent or was lost, before the network was ended for this. */
async function missedBeats(rig: Rig, network: Network, good: readonly string[]): Promise<number> {
  const endedAtMs = Date.now()
  const events = await eventsOf(rig, network)
  return events.filter(
    ({ type, nodeId, atMs }) =>
      /^fleet\.node_(suspect|lost)$/.test(type) && good.includes(nodeId ?? '') && (atMs ?? 0) < endedAtMs,
  ).length
}

function judge(found: Found): ScenarioResult {
  const { fakes, memory, before, results, missed, worked, paid, isSame, checks } = found
  const [first = 0] = memory
  const growthMib = Math.max(...memory) - first
  const times = (some: readonly Steady[]) => spread(some.flatMap(({ firstTokenMs }) => firstTokenMs ?? []))
  const failed = results.filter(({ error }) => error !== null)
  return {
    figures: {
      ...fakes,
      perMinute: Math.round(PER_SECOND * 60),
      goodNodes: GOOD,
      residentMib: { before: first, most: Math.max(...memory), after: memory.at(-1) },
      firstTokenMsBefore: times(results.slice(0, before)),
      firstTokenMs: times(results.slice(before)),
      streams: results.length,
      streamsFailed: failed.map(({ error }) => error),
    },
    checks: [
      none('requests given to a fake', fakes.work),
      none('answers paid to a fake', worked),
      none('nano-USD on the account of their owner', Number(paid)),
      none('heartbeats of good nodes that were missed', missed),
      none('streams of good callers that failed', failed.length),
      atMost('memory that the coordinator took on', growthMib, GROWTH_MIB_MAX, 'MiB'),
      { what: 'the coordinator', found: isSame ? 'lives' : 'died', pass: 'lives', isPassed: isSame },
      ...checks,
    ],
  }
}

interface Found {
  readonly fakes: FakesReport
  readonly memory: readonly number[]
  readonly before: number
  readonly results: readonly Steady[]
  readonly missed: number
  readonly worked: number
  readonly paid: bigint
  readonly isSame: boolean
  readonly checks: RunProof['checks']
}
