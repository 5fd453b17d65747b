/** What a seed makes of a render farm: its nodes, its jobs, and how much goes wrong. */
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import type { JobPlan, PlannedStep } from '#work/work-events.ts'

export type NodeManner = 'honest' | 'slow' | 'flaky' | 'liar'

export interface FarmNodePlan {
  readonly nodeId: string
  readonly manner: NodeManner
  /** What it says of itself, and what is true. */
  readonly speed: number
  readonly trueSpeed: number
  readonly memoryMib: number
}

export interface FarmJobPlan {
  readonly atMs: number
  readonly plan: JobPlan
  /** How much longer its tasks truly take than was estimated. */
  readonly pace: number
  /** Places in its first step that fail on every node until somebody mends the job. */
  readonly poisoned: ReadonlySet<number>
}

export interface FarmPlan {
  readonly seed: number
  /** Things go wrong until then; afterwards all is well, and everything has to come to an end. */
  readonly faultsMs: number
  readonly limitMs: number
  readonly nodes: readonly FarmNodePlan[]
  readonly jobs: readonly FarmJobPlan[]
  /** Of a thousand messages. */
  readonly lost: number
  readonly doubled: number
  readonly late: number
  readonly crashEveryMs: number
  readonly freezeEveryMs: number
  readonly killEveryMs: number
  readonly userEveryMs: number
  /** What happens to whom and when, beside what chance does. */
  readonly acts: readonly FarmAct[]
}

export interface FarmAct {
  readonly atMs: number
  readonly act: 'crash' | 'freeze' | 'kill'
  /** Its place among the nodes; of no meaning for a kill of the coordinator. */
  readonly node: number
  /** Of a crash: it comes back so much later; never when left out. */
  readonly awayMs?: number
  /** Of a crash: nobody hears that its connection is gone. */
  readonly isSilent?: boolean
}

/** Nothing goes wrong by chance: only what `acts` say. */
export const calm: Pick<
  FarmPlan,
  'lost' | 'doubled' | 'late' | 'crashEveryMs' | 'freezeEveryMs' | 'killEveryMs' | 'userEveryMs'
> = {
  lost: 0,
  doubled: 0,
  late: 0,
  crashEveryMs: Number.POSITIVE_INFINITY,
  freezeEveryMs: Number.POSITIVE_INFINITY,
  killEveryMs: Number.POSITIVE_INFINITY,
  userEveryMs: Number.POSITIVE_INFINITY,
}

const HASH = '0'.repeat(64)

export function planFarm(seed: number): FarmPlan {
  const random = createRandom(seed ^ 0x5f_a2_31)
  const nodes = 2 + random.int(14)
  const jobs = 1 + random.int(5)
  const faultsMs = 2 * MINUTE_MS + random.int(2 * MINUTE_MS)
  const often = (mean: number): number => (random.chance(1, 4) ? Number.POSITIVE_INFINITY : mean)
  return {
    seed,
    faultsMs,
    limitMs: faultsMs + 90 * MINUTE_MS,
    nodes: Array.from({ length: nodes }, (_, index) => planNode(index, forkRandom(random))),
    jobs: Array.from({ length: jobs }, (_, index) => planJob(index, faultsMs, forkRandom(random))),
    lost: random.chance(1, 3) ? 0 : random.int(60),
    doubled: random.int(100),
    late: random.int(20),
    crashEveryMs: often(20 * SECOND_MS),
    freezeEveryMs: often(25 * SECOND_MS),
    killEveryMs: often(40 * SECOND_MS),
    userEveryMs: often(30 * SECOND_MS),
    acts: [],
  }
}

function planNode(index: number, random: Random): FarmNodePlan {
  const draw = random.int(10)
  // Two that do their work, so that somebody is left for every task.
  const manner: NodeManner =
    index < 2 || draw < 5 ? 'honest' : draw < 7 ? 'slow' : draw < 8 ? 'flaky' : 'liar'
  const speed = (5 + random.int(20)) / 10
  return {
    nodeId: `node-${String(index).padStart(2, '0')}`,
    manner,
    speed,
    trueSpeed: manner === 'slow' ? speed / (2 + random.int(12)) : (speed * (90 + random.int(20))) / 100,
    memoryMib: index < 2 ? 32_768 : 4_096 * (1 + random.int(8)),
  }
}

function planJob(index: number, faultsMs: number, random: Random): FarmJobPlan {
  const jobId = `job-${index}`
  const frames = 1 + random.int(random.chance(1, 3) ? 12 : 80)
  const frameMs = 300 + random.int(6_000)
  const task = (place: number) => {
    const referenceMs = Math.ceil(frameMs * (0.7 + random.int(60) / 100))
    return { params: { frame: place + 1 }, referenceMs, referenceMsP90: Math.ceil(referenceMs * 1.3) }
  }
  const step: PlannedStep = {
    name: 'render',
    // Some scenes are rendered twice, or in other parts, by the same organisation.
    digest: random.chance(1, 3) ? `scene-${index % 2}-render` : `${jobId}-render`,
    dependsOn: [],
    requirements: { kind: 'blender', memoryMib: random.chance(1, 3) ? 8_192 : 1_024, vramMib: 0 },
    inputRoot: `${HASH.slice(1)}${index}`,
    inputBytes: random.int(200_000_000),
    settings: {},
    tasks: Array.from({ length: frames }, (_, place) => task(place)),
  }
  const steps: PlannedStep[] = [step]
  if (random.chance(1, 2)) {
    const requirements = { kind: 'ffmpeg', memoryMib: 512, vramMib: 0 }
    const ofVideo = { name: 'video', digest: `${jobId}-video`, inputRoot: `${jobId}-frames`, inputBytes: 0 }
    steps.push({ ...ofVideo, dependsOn: [0], requirements, settings: {}, tasks: [task(0)] })
  }
  const pricePerHour = 100_000_000n + BigInt(random.int(900_000_000))
  const total = steps.flatMap(({ tasks }) => tasks).reduce((sum, { referenceMs }) => sum + referenceMs, 0)
  const fair = (pricePerHour * BigInt(total)) / 3_600_000n
  const cap = random.chance(1, 2) ? null : (fair * BigInt(30 + random.int(150))) / 100n + 1n
  const poisoned = random.chance(1, 4) ? [random.int(frames)] : []
  return {
    atMs: random.int(Math.floor(faultsMs / 2)),
    pace: (70 + random.int(80)) / 100,
    poisoned: new Set(poisoned),
    plan: {
      jobId,
      organisationId: `organisation-${index % 2}`,
      name: `scene ${index}`,
      priority: 10 * random.int(4),
      cap,
      pricePerHour,
      isIdempotent: !random.chance(1, 5),
      isVerified: random.chance(1, 2),
      steps,
    },
  }
}
