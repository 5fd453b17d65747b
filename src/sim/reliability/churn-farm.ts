/** A job of two-minute tasks on twenty equal nodes, of which some die in the middle of their work and come back. */
import { logNormal } from '#economics/draws.ts'
import { assert } from '#kernel/assert.ts'
import { createRandom, type Random } from '#kernel/random.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import type { AttemptEnd, WorkEvent } from '#work/work-events.ts'
import { calm, type FarmAct, type FarmPlan, planFarm } from '../farm-plan.ts'
import { runFarm } from '../farm-run.ts'

export interface ChurnedFarmPlan {
  readonly tasks: number
  /** Of the nodes, so many die an hour; evenly over the time that the job takes at best. */
  readonly killedPerHour: number
}

export interface ChurnedFarm {
  /** Of each task that was done: from the first time that a node got it until its result was taken. */
  readonly tookMs: readonly number[]
  /** Of those, the ones that some node was given and did not live to do. */
  readonly cutOffMs: readonly number[]
  /** From the job's submission to its end. */
  readonly jobMs: number
  readonly killed: number
}

export const FARM_NODES = 20
const TASK_MS = 2 * MINUTE_MS
const SUBMITTED_MS = 10 * SECOND_MS
const awayHours = logNormal({ median: 10 / 60, sigma: 1 })
/** How an attempt ends whose node died: by its silence, or when it is back without it. */
const cutOff: ReadonlySet<AttemptEnd> = new Set<AttemptEnd>(['lease_expired', 'forgotten'])

export async function runChurnedFarm(seed: number, plan: ChurnedFarmPlan): Promise<ChurnedFarm> {
  const watch = new TaskWatch()
  const { crashes } = await runFarm(seed, farmOf(seed, plan), (event) => watch.hear(event))
  const { tookMs, cutOffMs, jobMs } = watch
  return { tookMs: [...tookMs.values()], cutOffMs: cutOffMs(), jobMs, killed: crashes }
}

class TaskWatch {
  readonly tookMs = new Map<string, number>()
  readonly #grantedMs = new Map<string, number>()
  readonly #byFence = new Map<number, string>()
  readonly #cutOff = new Set<string>()
  #beganMs = 0
  jobMs = 0

  hear(event: WorkEvent): void {
    switch (event.type) {
      case 'work.job_submitted':
        this.#beganMs = event.atMs
        return
      case 'work.job_ended':
        this.jobMs = event.atMs - this.#beganMs
        return
      case 'work.granted': {
        const key = keyOf(event)
        this.#byFence.set(event.fence, key)
        if (!this.#grantedMs.has(key)) this.#grantedMs.set(key, event.atMs)
        return
      }
      case 'work.attempt_ended': {
        const key = this.#byFence.get(event.fence)
        if (key !== undefined && cutOff.has(event.how)) this.#cutOff.add(key)
        return
      }
      case 'work.accepted': {
        const key = keyOf(event)
        const sinceMs = this.#grantedMs.get(key)
        assert(sinceMs !== undefined, `task ${key} was granted before it was done`)
        this.tookMs.set(key, event.atMs - sinceMs)
      }
    }
  }

  cutOffMs = (): number[] => [...this.#cutOff].flatMap((key) => this.tookMs.get(key) ?? [])
}

const keyOf = ({ step, task }: { step: number; task: number }): string => `${step}/${task}`

/** Nothing goes wrong but deaths: a node that straggles by chance would hide what they do to the slowest task. */
function farmOf(seed: number, { tasks, killedPerHour }: ChurnedFarmPlan): Partial<FarmPlan> {
  const drawn = planFarm(seed)
  const [job, node] = [drawn.jobs[0], drawn.nodes[0]]
  const step = job?.plan.steps[0]
  assert(job && node && step, 'a farm has a node and a job of a step')
  const task = (place: number) => ({
    params: { frame: place + 1 },
    referenceMs: TASK_MS,
    referenceMsP90: TASK_MS * 1.3,
  })
  const steps = [{ ...step, dependsOn: [], tasks: Array.from({ length: tasks }, (_, place) => task(place)) }]
  const idealMs = (tasks / FARM_NODES) * TASK_MS
  return {
    faultsMs: 0,
    limitMs: 10 * idealMs,
    nodes: Array.from({ length: FARM_NODES }, (_, index) => ({
      ...node,
      nodeId: `node-${String(index).padStart(2, '0')}`,
      manner: 'honest' as const,
      speed: 1,
      trueSpeed: 1,
      memoryMib: 32_768,
    })),
    jobs: [
      {
        ...job,
        atMs: SUBMITTED_MS,
        pace: 1,
        poisoned: new Set(),
        plan: { ...job.plan, cap: null, isIdempotent: true, isVerified: false, steps },
      },
    ],
    ...calm,
    acts: deathsOf(idealMs, killedPerHour, createRandom(seed)),
  }
}

/** Only nodes that are up die; every other one without a word. */
export function deathsOf(idealMs: number, killedPerHour: number, random: Random): FarmAct[] {
  const count = Math.round((killedPerHour * FARM_NODES * idealMs) / HOUR_MS)
  const timesMs = Array.from({ length: count }, () => SUBMITTED_MS + MINUTE_MS + random.int(idealMs))
  const backAtMs = new Map<number, number>()
  return timesMs
    .toSorted((a, b) => a - b)
    .map((atMs, index) => {
      const up = Array.from({ length: FARM_NODES }, (_, place) => place).filter(
        (place) => (backAtMs.get(place) ?? 0) <= atMs,
      )
      const node = up[random.int(up.length)]
      assert(node !== undefined, 'some node is up')
      const awayMs = Math.ceil(Math.max(MINUTE_MS, awayHours(random) * HOUR_MS))
      backAtMs.set(node, atMs + awayMs)
      return { atMs, act: 'crash', node, awayMs, isSilent: index % 2 === 1 }
    })
}
