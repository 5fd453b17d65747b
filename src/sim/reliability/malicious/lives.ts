/**
 * Lives of many nodes, audit by audit, by the product's own weighing: how many honest ones are judged or banned in a year, although
 * they run what they say, and how long cheats last. What two honest machines differ by is drawn worse than it was measured.
 */
import { createNormals, uniform } from '#economics/normal.ts'
import { createRandom, forkRandom, type Random } from '#kernel/random.ts'
import { DAY_MS } from '#kernel/time.ts'
import { evidenceMilli } from '#verify/answer-evidence.ts'
import {
  answerRateBps,
  DOUBT_MILLI,
  EVIDENCE_MAX,
  passesAfter,
  penaltyFor,
  type WeighedOpinion,
  weighOpinions,
} from '#verify/answer-rules.ts'
import type { AnswerCase } from '#verify/answers.ts'
import { FIRST_CHECKED } from '#verify/audit-rate.ts'
import { quantile } from '../../crowd-run.ts'

/** Answers that a busy node gives in a day. */
const ANSWERS_PER_DAY = 500
const TOKENS = { min: 16, spread: 240 }
/**
 * What of an honest answer does not fit, and by how much answers differ in that (the spread of its logarithm). `claimed`: six times
 * what the same weights on other hardware were seen to. `typical`: whoever samples as asked is surprising in a twentieth of all tokens,
 * whatever came before, by how surprises are defined; what comes on top is rounding.
 */
const OFF = { claimed: { share: 0.03, spread: 0.5 }, typical: { share: 0.052, spread: 0.1 } }
/** One answer in so many is looked at by what its node claimed, the others by how typical it is. */
const CLAIMED_ONE_IN = 8
/** Of auditors' opinions, one in so many is of a machine that is out of order, and says that nothing fits. */
const BROKEN_ONE_IN = 2_000

/** A model of a third of the size, and tokens by chance: the part of tokens that others do not find typical or confirm. */
const OFF_FALSE = 0.45

export interface FalseAlarms {
  readonly honestNodeYears: number
  readonly honestAudits: number
  readonly honestDoubtedAudits: number
  readonly honestJudgedShare: number
  readonly honestBannedShare: number
  readonly [figure: string]: number
}

export function falseAlarms(seed: number, nodes: number): FalseAlarms {
  const random = createRandom(seed ^ 0x68_79)
  const lives = Array.from({ length: nodes }, () => live(forkRandom(random), HONEST))
  const sum = (of: 'audits' | 'doubted'): number => lives.reduce((all, one) => all + one[of], 0)
  return {
    honestNodeYears: nodes,
    honestAudits: sum('audits'),
    honestDoubtedAudits: sum('doubted'),
    honestJudgedShare: lives.filter(({ liesUntilJudged }) => liesUntilJudged !== null).length / nodes,
    honestBannedShare: lives.filter(({ isBanned }) => isBanned).length / nodes,
  }
}

/** What 99 of 100 such nodes do not get beyond: answers or lies until an audit first finds one out, and until the first verdict. */
export function cheatsCaught(seed: number, nodes: number): Readonly<Record<string, number>> {
  const random = createRandom(seed ^ 0x6c_69)
  const lived = (habit: Habit): readonly Life[] =>
    Array.from({ length: nodes }, () => live(forkRandom(random), habit))
  const p99 = (lives: readonly Life[], of: (life: Life) => number | null): number =>
    quantile(
      lives.map((life) => of(life) ?? 1e9),
      0.99,
    )
  const sleepers = lived({ lies: (answer) => answer > FIRST_CHECKED })
  const seldom = lived({ lies: (_, one) => one.chance(1, 20) })
  return {
    sleeperLiesUntilFoundP99: p99(sleepers, ({ liesUntilFound }) => liesUntilFound),
    sleeperLiesUntilJudgedP99: p99(sleepers, ({ liesUntilJudged }) => liesUntilJudged),
    oneIn20AnswersUntilFoundP99: p99(seldom, ({ answersUntilFound }) => answersUntilFound),
    oneIn20AnswersUntilJudgedP99: p99(seldom, ({ answersUntilJudged }) => answersUntilJudged),
  }
}

interface Habit {
  /** Whether its answer of this number is false. */
  lies(answer: number, random: Random): boolean
}
const HONEST: Habit = { lies: () => false }

interface Life {
  readonly audits: number
  readonly doubted: number
  readonly liesUntilFound: number | null
  readonly answersUntilFound: number | null
  readonly liesUntilJudged: number | null
  readonly answersUntilJudged: number | null
  readonly isBanned: boolean
}

/** A year at most, or until it is banned; of one that lies until its first verdict. */
function live(random: Random, { lies }: Habit): Life {
  const normal = createNormals(random)
  const cases: Pick<AnswerCase, 'atMs' | 'liftedAtMs'>[] = []
  const life = { audits: 0, doubted: 0, isBanned: false }
  let found: { lies: number; answers: number } | null = null
  let judged: { lies: number; answers: number } | null = null
  const whole = (): Life => ({
    ...life,
    liesUntilFound: found?.lies ?? null,
    answersUntilFound: found?.answers ?? null,
    liesUntilJudged: judged?.lies ?? null,
    answersUntilJudged: judged?.answers ?? null,
  })
  let [passes, evidence, told] = [0, 0, 0]
  let rate = 1
  for (let answer = 1; answer <= 365 * ANSWERS_PER_DAY; answer++) {
    const isFalse = lies(answer, random)
    if (isFalse) told++
    if (rate < 1 && uniform(random) >= rate) continue
    life.audits++
    const weighed = lookAt(random, normal, isFalse)
    if (weighed.isDoubted) life.doubted++
    if (isFalse && weighed.outcome === 'against') found ??= { lies: told, answers: answer }
    evidence = Math.max(0, evidence + weighed.evidenceMilli)
    passes = passesAfter(passes, weighed.outcome, evidence)
    rate = answerRateBps({ passes, evidenceMilli: evidence }, 'community') / 10_000
    if (evidence < EVIDENCE_MAX) continue
    judged ??= { lies: told, answers: answer }
    const atMs = (answer / ANSWERS_PER_DAY) * DAY_MS
    life.isBanned = penaltyFor(cases, atMs).penalty === 'banned'
    if (life.isBanned || told > 0) return whole()
    cases.push({ atMs, liftedAtMs: null })
    ;[passes, evidence, rate] = [0, 0, 1]
  }
  return whole()
}

/** Opinions are asked for one by one, as the gateway does. */
function lookAt(random: Random, normal: () => number, isFalse: boolean) {
  const test = random.chance(1, CLAIMED_ONE_IN) ? ('claimed' as const) : ('typical' as const)
  const tokens = TOKENS.min + random.int(TOKENS.spread)
  const { share, spread } = OFF[test]
  // What is strange about an answer is so for all who look at it.
  const offShare = isFalse ? OFF_FALSE : Math.min(0.5, share * Math.exp(spread * normal() - spread ** 2 / 2))
  const opinions: WeighedOpinion[] = []
  for (;;) {
    const isBroken = random.chance(1, BROKEN_ONE_IN)
    const off = isBroken ? tokens : binomial(tokens, offShare, normal)
    const evidence = evidenceMilli(test, { tokens, off })
    opinions.push({ organisationId: `org_${opinions.length}`, isReference: false, evidenceMilli: evidence })
    const weighed = weighOpinions(opinions)
    if (!weighed.isOpen)
      return { ...weighed, isDoubted: opinions.some((one) => one.evidenceMilli >= DOUBT_MILLI) }
  }
}

/** Near enough for counts of tokens, and never outside what they can be. */
function binomial(count: number, share: number, normal: () => number): number {
  const drawn = count * share + Math.sqrt(count * share * (1 - share)) * normal()
  return Math.max(0, Math.min(count, Math.round(drawn)))
}
