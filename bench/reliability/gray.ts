/**
 * Nodes that are there and do not work: one at a twentieth of its speed, one whose engine stands still, one that is stopped whole, one
 * whose connection is half open. They are found by what they do not do, and callers hardly notice. Those that stop do so in the middle
 * of a long answer.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ChaosAgent, type ChaosFleet, startChaosFleet } from '../../test/chaos/chaos-fleet.ts'
import { openRig, startNetwork } from '../../test/e2e/rig.ts'
import { type Aim, newAim } from './aim.ts'
import { type GrayKind, type GrayPhase, judgeGray } from './judge-gray.ts'
import { proveRun } from './prove-run.ts'
import { type ScenarioOptions, type ScenarioResult, tell } from './scenario.ts'
import { type Steady, startSteady } from './steady-load.ts'
import { proveTexts } from './text-proof.ts'

const AGENTS = 10
/** While one is slow: many short answers, for it is known by comparison. */
const SHORT = { tokens: 64, perSecond: 10 }
/** While one stops: answers so long that it has one in hand. */
const LONG = { tokens: 1_000, perSecond: 4, prompts: 40 }
/** The first answers wait for what is made once. */
const WARM_UP_MS = 5_000
const SLOW_FOUND_MS_MAX = 60_000
const AIMS_MAX = 12
/** Of some 300 pieces that a long answer has. */
const ROW = 10
/** Of a period so much runs. */
const DUTY = { periodMs: 200, runsMs: 10 } as const

type Load = Parameters<typeof startSteady>[0]

export async function gray({ seed, isQuick }: ScenarioOptions): Promise<ScenarioResult> {
  const rig = openRig()
  try {
    const network = await startNetwork(rig, rig.path('data'), ['--no-agent'])
    const answering = newAim({ row: ROW })
    const { onPiece } = answering
    const fleet = await startChaosFleet({ rig, network, count: AGENTS, seed, onPiece })
    const { openaiBaseUrl: baseUrl, apiKey } = network.ready
    const of = (load: typeof SHORT | typeof LONG, more: number): Load => ({
      ...{ baseUrl, apiKey, model: 'tiny', seed: seed + more },
      ...load,
    })
    const calmMs = isQuick ? 10_000 : 30_000
    const calmShort = await calm(of(SHORT, 1), calmMs)
    const slow = await phase(fleet, {
      ...{ kind: 'slow', answering, index: 0, load: of(SHORT, 2) },
      lasts: isQuick ? 30_000 : 120_000,
    })
    const calmLong = await calm(of(LONG, 3), calmMs)
    const stops: GrayPhase[] = []
    for (const [index, kind] of (['engine stopped', 'stopped', 'half open'] as const).entries()) {
      await sleep(5_000)
      const lasts = isQuick ? 15_000 : 30_000
      stops.push(await phase(fleet, { kind, lasts, answering, index: index + 1, load: of(LONG, 4 + index) }))
    }
    const { items } = await network.operator.listNodes({ query: { limit: 100 } })
    const slowNode = items.find(({ name }) => name === fleet.agents[0]?.name)?.nodeId
    if (slowNode === undefined) throw new Error('the node that was slow is not in the list of nodes')
    const short = [...calmShort.all, ...slow.results]
    const long = [...calmLong.all, ...stops.flatMap(({ results }) => results)]
    await proveRun({ rig, network, results: [...short, ...long], tokens: null })
    await fleet.close()
    const texts = [
      await proveTexts(rig.tinyPath(), short, SHORT.tokens),
      await proveTexts(rig.tinyPath(), long, LONG.tokens),
    ]
    return judgeGray({
      ...{ agents: AGENTS, slow, stops, slowNode, texts },
      ...{ healthyShort: calmShort.warm, healthyLong: calmLong.warm },
    })
  } finally {
    await rig.dispose()
  }
}

/** What is asked of a healthy network: all, and what began when it was warm. */
async function calm(load: Load, lastsMs: number) {
  const running = startSteady(load)
  const warmMs = performance.now() + WARM_UP_MS
  await sleep(WARM_UP_MS + lastsMs)
  const all = await running.stop()
  return { all, warm: all.filter(({ startedMs }) => startedMs > warmMs) }
}

interface PhaseOptions {
  readonly kind: GrayKind
  readonly lasts: number
  readonly load: Load
  readonly answering: Aim
  /** Of the agent that falls ill. */
  readonly index: number
}

async function phase(
  fleet: ChaosFleet,
  { kind, lasts, load, answering, index }: PhaseOptions,
): Promise<GrayPhase> {
  // Another one each time: one that was found once is watched.
  const sick = fleet.agents[index]
  if (!sick) throw new Error('a fleet has agents')
  // Now: to look through all processes takes as long as an answer.
  const act = prepare(fleet, sick, kind)
  const running = startSteady(load)
  await inMiddle(answering, index)
  const cure = act()
  const beganMs = performance.now()
  await sleep(lasts)
  cure()
  const results = await running.stop()
  const findMs = Math.min(SLOW_FOUND_MS_MAX, lasts / 2)
  tell(`${kind}: ${describe(results)}`)
  return { kind, results, secondHalf: results.filter(({ startedMs }) => startedMs > beganMs + findMs) }
}

/** Throws when this agent answers nobody: what befell it then would be felt by nobody. */
async function inMiddle(answering: Aim, index: number): Promise<void> {
  for (let aim = 0; aim < AIMS_MAX; aim++) if (await answering.next(index)) return
  throw new Error(`agent ${index} sent no answer in ${AIMS_MAX} waits: more load, or fewer agents`)
}

/** Answers what makes it sick, which answers what makes it well. */
function prepare(fleet: ChaosFleet, agent: ChaosAgent, kind: GrayKind): () => () => void {
  if (kind === 'half open') {
    return () => {
      agent.proxy.freeze()
      return () => undefined
    }
  }
  const engine = fleet.engineOf(agent)
  if (engine === null) throw new Error(`${agent.name} has no engine that could be ${kind}`)
  const pids = kind === 'stopped' ? [agent.program.pid, engine] : [engine]
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
    return () => {
      signal('SIGSTOP')
      return () => signal('SIGCONT')
    }
  }
  return () => {
    const timer = setInterval(() => {
      signal('SIGCONT')
      setTimeout(() => signal('SIGSTOP'), DUTY.runsMs)
    }, DUTY.periodMs)
    return () => {
      clearInterval(timer)
      setTimeout(() => signal('SIGCONT'), DUTY.periodMs)
    }
  }
}

function describe(results: readonly Steady[]): string {
  const failed = results.filter(({ error }) => error !== null).length
  const continued = results.filter(({ continuations }) => continuations > 0).length
  const longest = Math.max(0, ...results.map(({ totalMs }) => totalMs))
  return `${results.length} streams, ${failed} failed, ${continued} went on elsewhere, the longest took ${Math.round(longest)} ms`
}
