/**
 * Nodes that are there and do not work: one at a twentieth of its speed, one whose engine stands still, one that is stopped whole, one
 * whose connection is half open. They are found by what they do not do, and callers hardly notice.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ChaosAgent, type ChaosFleet, startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import { openRig, startNetwork } from '../../test/e2e/rig.ts'
import { spread } from '../parts/spread.ts'
import { type Aim, newAim } from './aim.ts'
import { atMost, none, type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { shareText } from './share-text.ts'
import { type Steady, startSteady } from './steady-load.ts'
import { proveTexts } from './text-proof.ts'

const AGENTS = 10
const TOKENS = 64
const PER_SECOND = 10
/** A stall is found so soon: no stream may stand still for longer. */
const STALL_MS_MAX = 8_000
const SLOW_FOUND_MS_MAX = 60_000
/** Of a period so much runs. */
const DUTY = { periodMs: 200, runsMs: 10 } as const

type Kind = 'slow' | 'engine stopped' | 'stopped' | 'half open'

export async function gray({ seed, isQuick }: ScenarioOptions): Promise<ScenarioResult> {
  const rig = openRig()
  try {
    const network = await startNetwork(rig, rig.path('data'), ['--no-agent'])
    const answering = newAim()
    const { onPiece } = answering
    const fleet = await startChaosFleet({ rig, network, count: AGENTS, seed, onPiece })
    const { openaiBaseUrl: baseUrl, apiKey } = network.ready
    const load = { baseUrl, apiKey, model: 'tiny', perSecond: PER_SECOND, tokens: TOKENS }
    const calm = startSteady({ ...load, seed: seed + 1 })
    await sleep(isQuick ? 10_000 : 30_000)
    const healthy = await calm.stop()
    const phases: { kind: Kind; results: readonly Steady[]; secondHalf: readonly Steady[] }[] = []
    for (const [index, kind] of (['slow', 'engine stopped', 'stopped', 'half open'] as const).entries()) {
      const lasts = kind === 'slow' ? (isQuick ? 30_000 : 120_000) : isQuick ? 15_000 : 30_000
      phases.push({
        kind,
        ...(await phase(fleet, { kind, lasts, answering, index, load: { ...load, seed: seed + 2 + index } })),
      })
      tell(`${kind}: ${describe(phases.at(-1)?.results ?? [])}`)
      await sleep(5_000)
    }
    await fleet.close()
    const all = phases.flatMap(({ results }) => results)
    const texts = await proveTexts(rig.tinyPath(), all, TOKENS)
    return judge({ healthy, phases, all, texts })
  } finally {
    await rig.dispose()
  }
}

interface PhaseOptions {
  readonly kind: Kind
  readonly lasts: number
  readonly load: Parameters<typeof startSteady>[0]
  readonly answering: Aim
  /** Of the agent that falls ill. */
  readonly index: number
}

async function phase(fleet: ChaosFleet, { kind, lasts, load, answering, index }: PhaseOptions) {
  // Another one each time: one that was found once is watched.
  const sick = fleet.agents[index]
  if (!sick) throw new Error('a fleet has agents')
  const running = startSteady(load)
  await answering.next(index)
  const cure = fall(fleet, sick, kind)
  const beganMs = performance.now()
  await sleep(lasts)
  cure()
  const results = await running.stop()
  const findMs = Math.min(SLOW_FOUND_MS_MAX, lasts / 2)
  return { results, secondHalf: results.filter(({ startedMs }) => startedMs > beganMs + findMs) }
}

/** Makes it sick; answers what makes it well. */
function fall(fleet: ChaosFleet, agent: ChaosAgent, kind: Kind): () => void {
  if (kind === 'half open') {
    agent.proxy.freeze()
    return () => undefined
  }
  const engine = fleet.engineOf(agent)
  const pids =
    kind === 'stopped'
      ? [agent.program.pid, ...(engine === null ? [] : [engine])]
      : engine === null
        ? []
        : [engine]
  const signal = (name: NodeJS.Signals): void => {
    for (const pid of pids) {
      try {
        process.kill(pid, name)
      } catch (error) {
        // It was replaced meanwhile: what replaced it is well.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
  }
  if (kind !== 'slow') {
    signal('SIGSTOP')
    return () => signal('SIGCONT')
  }
  const timer = setInterval(() => {
    signal('SIGCONT')
    setTimeout(() => signal('SIGSTOP'), DUTY.runsMs)
  }, DUTY.periodMs)
  return () => {
    clearInterval(timer)
    setTimeout(() => signal('SIGCONT'), DUTY.periodMs)
  }
}

const firstTokens = (some: readonly Steady[]) =>
  spread(some.flatMap(({ firstTokenMs }) => firstTokenMs ?? []))

function describe(results: readonly Steady[]): string {
  const failed = results.filter(({ error }) => error !== null).length
  const longest = Math.max(0, ...results.map(({ totalMs }) => totalMs))
  return `${results.length} streams, ${failed} failed, first token p99 ${Math.round(firstTokens(results).p99)} ms, the longest took ${Math.round(longest)} ms`
}

interface Found {
  readonly healthy: readonly Steady[]
  readonly phases: readonly { kind: Kind; results: readonly Steady[]; secondHalf: readonly Steady[] }[]
  readonly all: readonly Steady[]
  readonly texts: Awaited<ReturnType<typeof proveTexts>>
}

function judge({ healthy, phases, all, texts }: Found): ScenarioResult {
  const well = all.filter(({ error }) => error === null)
  const base = firstTokens(healthy)
  const slowLater = phases.find(({ kind }) => kind === 'slow')?.secondHalf ?? []
  return {
    figures: {
      agents: AGENTS,
      perSecond: PER_SECOND,
      healthyFirstTokenMs: base,
      phases: phases.map(({ kind, results }) => ({
        kind,
        streams: results.length,
        firstTokenMs: firstTokens(results),
        totalMs: spread(results.map(({ totalMs }) => totalMs)),
        continued: results.filter(({ continuations }) => continuations > 0).length,
        errors: results.flatMap(({ error }) => error ?? []),
      })),
      texts,
    },
    checks: [
      {
        what: 'streams that ended well, without the caller trying again',
        found: shareText(well.length, all.length),
        pass: '≥ 99.9 %',
        isPassed: well.length >= 0.999 * all.length,
      },
      none('answers with a token repeated, lost or changed', texts.unexplained),
      atMost(
        'the longest stream, stalls in it, less a healthy one’s time',
        Math.max(...all.map(({ totalMs }) => totalMs)) - spread(healthy.map(({ totalMs }) => totalMs)).p50,
        STALL_MS_MAX,
        'ms',
      ),
      atMost(
        'p99 of first tokens once the slow node was found, beside healthy',
        firstTokens(slowLater).p99 / base.p99,
        2,
        'times',
      ),
    ],
  }
}
