/** What a seed makes of a farm in which money counts: liars of several kinds, each beside an honest node of the same speed. */
import { createRandom, type Random } from '#kernel/random.ts'

/** `sleeper`: is honest until its results are looked at rarely, and then never again. `sometimes`: lies now and then. */
export type MoneyManner = 'honest' | 'always' | 'sleeper' | 'sometimes'

export interface MoneyNodePlan {
  readonly nodeId: string
  readonly manner: MoneyManner
  /** For a liar: the honest node that it is compared with. */
  readonly twinId: string | null
  readonly speed: number
  /** A sleeper’s honest results, before it lies. */
  readonly honestFirst: number
  /** One that lies now and then does so once in so many. */
  readonly lieOneIn: number
  /** The part of its time that a lie takes, in hundredths. */
  readonly hastePercent: number
  /** Renders no crops either, when it audits others. */
  readonly isLazyAuditor: boolean
}

/**
 * Something that happens to a pair of nodes alike, so that they stay comparable, or to a gateway. `kill`: of agents, at once; `cut`:
 * their connections stand still, and break where that lasts; `park`: their owners want the machines.
 */
export interface MoneyFault {
  readonly kind: 'kill' | 'freeze' | 'cut' | 'park' | 'kill_gateway'
  readonly atMs: number
  readonly lastsMs: number
  /** Of a pair, or of a gateway. */
  readonly index: number
}

export interface MoneyPlan {
  readonly seed: number
  readonly nodes: readonly MoneyNodePlan[]
  readonly jobs: readonly { readonly atMs: number; readonly frames: number; readonly frameMs: number }[]
  /** The operator has an agent of its own that audits. */
  readonly hasReference: boolean
  readonly lossPer10k: number
  readonly duplicatePer10k: number
  readonly delayMsMax: number
  readonly faults: readonly MoneyFault[]
  /** When the coordinator dies. */
  readonly killsAtMs: readonly number[]
}

const FRAMES_MIN = 60
/** Pairs share a gateway. */
export const GATEWAYS = 2
const FAULTS_MAX = 14
const FAULTS_UNTIL_MS = 150_000
/** Some are longer than a lease; nobody is away for so long that the network takes it for gone for good. */
const longestMs: Record<MoneyFault['kind'], number> = {
  ...{ kill: 10_000, freeze: 20_000, cut: 22_000, park: 20_000, kill_gateway: 5_000 },
}

export function planMoney(seed: number): MoneyPlan {
  const random = createRandom(seed ^ 0x6d_0e_11)
  const pairs = (['always', 'sleeper', 'sometimes'] as const).flatMap((manner) => pairOf(manner, random))
  const judge: MoneyNodePlan = { ...honest('judge', 1 + random.int(10) / 10) }
  return {
    seed,
    nodes: [...pairs, judge],
    jobs: Array.from({ length: 3 }, (_, index) => ({
      atMs: index * 30_000 + random.int(20_000),
      frames: FRAMES_MIN + random.int(80),
      frameMs: 1_000 + random.int(3_000),
    })),
    hasReference: random.chance(1, 2),
    lossPer10k: random.chance(1, 2) ? 0 : random.int(200),
    duplicatePer10k: random.chance(1, 2) ? 0 : random.int(200),
    delayMsMax: 5 + random.int(80),
    faults: Array.from({ length: random.int(FAULTS_MAX) }, () => faultOf(random)),
    killsAtMs: Array.from({ length: random.int(3) }, () => 10_000 + random.int(150_000)),
  }
}

function pairOf(manner: Exclude<MoneyManner, 'honest'>, random: Random): MoneyNodePlan[] {
  const speed = (5 + random.int(15)) / 10
  const twin = honest(`honest-${manner}`, speed)
  const liar: MoneyNodePlan = {
    nodeId: `liar-${manner}`,
    manner,
    twinId: twin.nodeId,
    speed,
    honestFirst: 10 + random.int(15),
    lieOneIn: 2 + random.int(6),
    hastePercent: [5, 35, 100][random.int(3)] ?? 100,
    isLazyAuditor: random.chance(1, 3),
  }
  return [twin, liar]
}

function faultOf(random: Random): MoneyFault {
  const kinds = Object.keys(longestMs) as MoneyFault['kind'][]
  const kind = kinds[random.int(kinds.length)] ?? 'kill'
  return {
    kind,
    atMs: 5_000 + random.int(FAULTS_UNTIL_MS),
    lastsMs: 200 + random.int(longestMs[kind]),
    index: random.int(kind === 'kill_gateway' ? GATEWAYS : 4),
  }
}

const honest = (nodeId: string, speed: number): MoneyNodePlan => ({
  ...{ nodeId, manner: 'honest', twinId: null, speed, honestFirst: 0, lieOneIn: 0, hastePercent: 100 },
  isLazyAuditor: false,
})
