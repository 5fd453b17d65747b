/**
 * A year of many honest nodes, audit by audit, by the product's own weighing: how many are judged or banned, although they
 * run what they say. What two honest machines differ by is drawn worse than it was measured.
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

export interface FalseAlarms {
  readonly honestNodeYears: number
  readonly honestAudits: number
  readonly honestDoubtedOpinions: number
  readonly honestJudgedShare: number
  readonly honestBannedShare: number
  readonly [figure: string]: number
}

export function falseAlarms(seed: number, nodes: number): FalseAlarms {
  const random = createRandom(seed ^ 0x68_79)
  const sums = { audits: 0, doubted: 0, judged: 0, banned: 0 }
  for (let node = 0; node < nodes; node++) liveYear(forkRandom(random), sums)
  return {
    honestNodeYears: nodes,
    honestAudits: sums.audits,
    honestDoubtedOpinions: sums.doubted,
    honestJudgedShare: sums.judged / nodes,
    honestBannedShare: sums.banned / nodes,
  }
}

function liveYear(
  random: Random,
  sums: { audits: number; doubted: number; judged: number; banned: number },
): void {
  const normal = createNormals(random)
  const cases: Pick<AnswerCase, 'atMs' | 'liftedAtMs'>[] = []
  let [passes, evidence, atAnswer] = [0, 0, 0]
  const answers = 365 * ANSWERS_PER_DAY
  for (;;) {
    const rate = answerRateBps({ passes, evidenceMilli: evidence }, 'community') / 10_000
    atAnswer += rate >= 1 ? 1 : Math.ceil(Math.log(uniform(random)) / Math.log(1 - rate))
    if (atAnswer >= answers) break
    sums.audits++
    const weighed = lookAt(random, normal)
    if (weighed.isDoubted) sums.doubted++
    evidence = Math.max(0, evidence + weighed.evidenceMilli)
    passes = passesAfter(passes, weighed.outcome, evidence)
    if (evidence < EVIDENCE_MAX) continue
    const atMs = (atAnswer / ANSWERS_PER_DAY) * DAY_MS
    if (cases.length === 0) sums.judged++
    const { penalty } = penaltyFor(cases, atMs)
    cases.push({ atMs, liftedAtMs: null })
    ;[passes, evidence] = [0, 0]
    if (penalty !== 'banned') continue
    sums.banned++
    return
  }
}

/** Opinions are asked for one by one, as the gateway does. */
function lookAt(random: Random, normal: () => number) {
  const test = random.chance(1, CLAIMED_ONE_IN) ? ('claimed' as const) : ('typical' as const)
  const tokens = TOKENS.min + random.int(TOKENS.spread)
  const { share, spread } = OFF[test]
  // What is strange about an answer is so for all who look at it.
  const offShare = Math.min(0.5, share * Math.exp(spread * normal() - spread ** 2 / 2))
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
