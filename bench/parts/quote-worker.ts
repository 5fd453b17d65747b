/** A job of frames on one worker: quoted from probes, then given out, run and billed by the engine of jobs. */

import type { TaskParams } from '#protocol/task.ts'
import { carryOut, type Desk, serveNode } from '#work/desk.ts'
import { estimateTask, fitCost, type Probe } from '#work/estimate.ts'
import { evolveWork } from '#work/evolve-work.ts'
import { Floor } from '#work/floor.ts'
import { costMaxOf } from '#work/placement.ts'
import { nextRound, seriesOf } from '#work/probe-plan.ts'
import { totalsOf } from '#work/quote-totals.ts'
import { emptyWork, jobOf, taskOf, type Work } from '#work/work.ts'
import type { JobPlan } from '#work/work-events.ts'
import { workLimits } from '#work/work-limits.ts'

/** An hour of the reference node. */
const PRICE_PER_HOUR = 300_000_000n
const JOB = 'job'
const NODE = 'node'
/** Of one core of the reference machine. */
const SPEED = 1 / 8

export interface Told {
  readonly frameMs: number
  readonly probeMs: number
  readonly quoted: bigint
  readonly bill: bigint
  readonly cap: bigint
  /** The most that one frame may cost. */
  readonly frameMost: bigint
  /** (quoted − billed) ÷ billed. */
  readonly error: number
  readonly isInRange: boolean
  readonly isDone: boolean
}

/** Answers how long a task took. */
type Run = (params: TaskParams) => Promise<number>

/** `open` answers a worker that has nothing loaded: one is probed, and another has the job. */
export async function quoteAndRun(
  frames: readonly number[],
  open: () => Promise<{ run: Run; close(): Promise<void> }>,
): Promise<Told> {
  const prober = await open()
  const tasks = frames.map((frame): TaskParams => ({ do: 'frame', frame }))
  const [series] = seriesOf({ kind: 'blender', tasks }).values()
  if (!series) throw new Error('Frames are a series.')
  const probes: Probe[] = []
  let probeMs = 0
  for (let round = nextRound(series, probes); round.length > 0; round = nextRound(series, probes)) {
    for (const { params, at, share } of round) {
      const wallMs = await prober.run(params)
      probeMs += wallMs
      probes.push({ at, share, referenceMs: Math.round(wallMs * SPEED), isCold: probes.length === 0 })
    }
  }
  await prober.close()
  const model = fitCost(probes)
  const estimates = frames.map((at) => estimateTask(model, { at, share: 1 }))
  const nodes = [{ nodeId: NODE, speed: SPEED, fetchMs: 0 }]
  const { price, cap } = totalsOf([{ tasks: estimates, ...model, nodes }], PRICE_PER_HOUR)
  const planned = tasks.map((params, at) => ({
    params,
    ...(estimates[at] ?? { referenceMs: 1, referenceMsP90: 1 }),
  }))
  const worker = await open()
  const { work, frameMs, frameMost } = await runJob(planOf(planned, cap), worker.run)
  await worker.close()
  const { spent, status } = jobOf(work, JOB)
  return {
    frameMs,
    probeMs,
    quoted: price.p50,
    bill: spent,
    cap,
    frameMost,
    error: Number(price.p50 - spent) / Number(spent),
    isInRange: price.p10 <= spent && spent <= price.p90,
    isDone: status === 'completed',
  }
}

const planOf = (tasks: JobPlan['steps'][number]['tasks'], cap: bigint): JobPlan => ({
  jobId: JOB,
  organisationId: 'org',
  name: 'frames',
  priority: 50,
  cap,
  pricePerHour: PRICE_PER_HOUR,
  isIdempotent: true,
  isVerified: false,
  steps: [
    {
      name: 'frames',
      digest: 'frames',
      dependsOn: [],
      requirements: { kind: 'blender', memoryMib: 0, vramMib: 0 },
      inputRoot: 'root',
      inputBytes: 0,
      settings: {},
      tasks,
    },
  ],
})

/** Until there is nothing left that may be given out. The clock stands still but for what tasks take. */
async function runJob(plan: JobPlan, run: Run): Promise<{ work: Work; frameMs: number; frameMost: bigint }> {
  let nowMs = 1_000_000
  const work = emptyWork()
  const floor = new Floor(nowMs, workLimits)
  const desk: Desk = { work, floor, limits: workLimits, apply: (event) => evolveWork(work, event) }
  const facts = { nodeId: NODE, kinds: ['blender'], speed: SPEED, memoryMib: 1_000, vramMib: 0 }
  floor.seat({ ...facts, bytesPerSecond: 1e7, askPerHour: 0n, upSinceMs: 0 }, new Set(['root']), nowMs)
  carryOut(desk, { kind: 'submit', plan, nowMs })
  let [totalMs, count, frameMost] = [0, 0, 0n]
  for (;;) {
    floor.hear(NODE, [], nowMs)
    serveNode(desk, NODE, nowMs)
    const [fence] = work.nodes.get(NODE)?.held ?? []
    const attempt = fence === undefined ? undefined : work.attempts.get(fence)
    if (fence === undefined || !attempt) return { work, frameMs: totalMs / Math.max(1, count), frameMost }
    const job = jobOf(work, JOB)
    const task = taskOf(job, attempt)
    const most = costMaxOf(job, task)
    if (most > frameMost) frameMost = most
    const wallMs = await run(task.params)
    nowMs += Math.ceil(wallMs)
    totalMs += wallMs
    count++
    const outputs = [{ name: 'frame.png', bytes: 1, sha256: 'a'.repeat(64) }]
    carryOut(desk, { kind: 'commit', fence, nodeId: NODE, outputs, wallMs, nowMs })
    carryOut(desk, { kind: 'deliver', fence, nodeId: NODE, nowMs })
  }
}
