/**
 * Clocks that are wrong: nodes an hour ahead and an hour behind, and the coordinator's stepping by five seconds back and forth while it
 * serves. Nobody is thrown out for it, nothing ends early or late, and the journal stays in order.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import { buildChaosLibc } from '../../test/chaos/chaos-libc.ts'
import { openRig } from '../../test/e2e/rig.ts'
import { eventsOf } from './journal-events.ts'
import { proveRun } from './prove-run.ts'
import { none, type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { shareText } from './share-text.ts'
import { startSteady } from './steady-load.ts'
import { startWrapped } from './wrapped-network.ts'

const HOUR_MS = 3_600_000
const TOKENS = 48
const OFFSETS_MS = [HOUR_MS, -HOUR_MS, 5_000, 0]
const STEPS_MS = [5_000, -5_000, 5_000, 0]

export async function clock({ seed, isQuick }: ScenarioOptions): Promise<ScenarioResult> {
  const rig = openRig()
  try {
    const libc = buildChaosLibc(rig)
    if (typeof libc === 'string') throw new Error(libc)
    const faults = libc.faults('network')
    const network = await startWrapped(rig, faults.command)
    const nodes = OFFSETS_MS.map((offsetMs, index) => {
      const node = libc.faults(`node-${index}`)
      node.moveClock(offsetMs)
      return node
    })
    const fleet = await startChaosFleet({
      ...{ rig, network, count: nodes.length, seed },
      wrap: (index) => nodes[index]?.command ?? [],
    })
    const startedAtMs = Date.now()
    const { openaiBaseUrl: baseUrl, apiKey } = network.ready
    const load = startSteady({ baseUrl, apiKey, model: 'tiny', perSecond: 8, tokens: TOKENS, seed })
    for (const stepMs of STEPS_MS) {
      await sleep(isQuick ? 4_000 : 20_000)
      faults.moveClock(stepMs)
      tell(`the coordinator's clock is now ${stepMs} ms off, ${await fleet.ready()} nodes serve`)
    }
    // A node's clock goes back by two hours while it serves, and it comes back with a new connection.
    nodes[0]?.moveClock(-HOUR_MS)
    fleet.agents[0]?.proxy.reset()
    await sleep(isQuick ? 6_000 : 20_000)
    const results = await load.stop()
    const endedAtMs = Date.now()
    const ready = await fleet.ready()
    const well = results.filter(({ error }) => error === null)
    const { checks } = await proveRun({ rig, network, results, tokens: TOKENS })
    await fleet.close()
    const events = await eventsOf(rig, network)
    const times = events.flatMap(({ atMs }) => atMs ?? [])
    const silent = events.filter(
      ({ type, reason, atMs = 0 }) =>
        type === 'fleet.node_suspect' && reason === 'silent' && atMs > startedAtMs && atMs < endedAtMs,
    )
    // Of the coordinator's own time. What gateways report bears theirs.
    const own = events.filter(({ type }) => type.startsWith('fleet.') || type === 'ledger.hold_opened')
    const ownTimes = own.flatMap(({ atMs }) => atMs ?? [])
    const falls = ownTimes.filter((atMs, index) => atMs < (ownTimes[index - 1] ?? 0))
    return {
      figures: {
        offsetsMs: OFFSETS_MS,
        stepsMs: STEPS_MS,
        requests: results.length,
        events: events.length,
        silences: silent.map(({ nodeId, reason }) => `${nodeId}: ${reason}`),
        errors: results.flatMap(({ error }) => error ?? []),
        cellTimeMs: (times.at(-1) ?? 0) - (times[0] ?? 0),
      },
      checks: [
        {
          what: 'streams that ended well, without the caller trying again',
          found: shareText(well.length, results.length),
          pass: 'all',
          isPassed: well.length === results.length,
        },
        none('nodes that do not serve at the end', nodes.length - ready),
        none('nodes called silent for their clock', silent.length),
        none('steps back of the coordinator’s own time in the journal', falls.length),
        ...checks,
      ],
      notRun: ['leases granted early or late: waits for leases'],
    }
  } finally {
    await rig.dispose()
  }
}
