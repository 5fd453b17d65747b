/**
 * How often answers are looked at, what opinions on one mean together, and when a node is judged. One engine with results of
 * tasks: the same rates, the same classes, the same record of who was wrong.
 */
import { maximum, type NanoUsd } from '#kernel/money.ts'
import { DAY_MS, HOUR_MS, type TimestampMs } from '#kernel/time.ts'
import type { AnswerFault } from '#protocol/answer-audit.ts'
import type { NodeClass } from '#protocol/node-class.ts'
import type { AnswerOutcome } from './answer-events.ts'
import type { AnswerCase, AnswerRecord, PayWindow, Penalty } from './answers.ts'
import { auditPolicy, auditRateBps, FIRST_CHECKED, minHoldback } from './audit-rate.ts'

/** Of one opinion: from here on another owner is asked before it counts for anything. */
export const DOUBT_MILLI = 1_000
/** One answer never says more: a node may have had a bad moment. */
export const ANSWER_MILLI_MAX = 8_000
/** What an answer that fits takes away. */
export const FADE_MILLI = 100
/** From here on a node is judged: at least two answers say so. */
export const EVIDENCE_MAX = 12_000
/** From here on all of its answers are looked at. */
export const EVIDENCE_WATCHED = 4_000
/** Faults that everybody can see and no honest node has, after which it is judged, too. */
export const STRIKES_MAX = 16
/**
 * Only that it was faster than it says it can be counts: who understates his speed is paid more for each token. Claims that are too high
 * are cut, and the others are noted, for an honest node may have a reason for them; all of them mean that it is looked at more.
 */
export const isStrike = (fault: AnswerFault): boolean => fault === 'too_fast'
/** Opinions on one answer. */
export const OPINIONS_MAX = 4

/** Auditors that were wrong so often, of late, are not asked any more, nor nodes that were judged until they are trusted again. */
const WRONG_MAX = 2
export const isBadAuditor = (
  { wrong }: { readonly wrong: number },
  { cases, passes }: Pick<AnswerRecord, 'cases' | 'passes'>,
): boolean =>
  wrong >= WRONG_MAX || (passes < FIRST_CHECKED && cases.some(({ liftedAtMs }) => liftedAtMs === null))

/** An opinion, with who is behind it. */
export interface WeighedOpinion {
  readonly organisationId: string
  readonly isReference: boolean
  readonly evidenceMilli: number
}

export interface Weighed {
  readonly outcome: AnswerOutcome
  /** Another owner's opinion could still change it. */
  readonly isOpen: boolean
  readonly evidenceMilli: number
  /** By index: who said what turned out wrong. */
  readonly wrong: readonly number[]
}

/**
 * What opinions of different owners come to. One that says it fits settles it, unless others doubt; of the operator's own node one
 * word is enough either way; of others two owners have to say that it does not fit, and more than say that it does.
 */
export function weighOpinions(opinions: readonly WeighedOpinion[]): Weighed {
  const isBad = ({ evidenceMilli }: WeighedOpinion): boolean => evidenceMilli >= DOUBT_MILLI
  const bad = opinions.filter(isBad)
  const good = opinions.length - bad.length
  const told = (
    outcome: AnswerOutcome,
    isOpen: boolean,
    isWrong?: (one: WeighedOpinion) => boolean,
  ): Weighed => ({
    outcome,
    isOpen,
    evidenceMilli: outcome === 'against' ? least(bad) : outcome === 'passed' ? -FADE_MILLI : 0,
    wrong: opinions.flatMap((one, index) => (isWrong?.(one) && !one.isReference ? [index] : [])),
  })
  const reference = opinions.find(({ isReference }) => isReference)
  if (reference) {
    const against = isBad(reference)
    return told(against ? 'against' : 'passed', false, (one) => isBad(one) !== against)
  }
  if (opinions.length === 0) return told('unheard', true)
  if (bad.length === 0) return told('passed', false)
  if (bad.length >= 2 && bad.length > good) return told('against', false, (one) => !isBad(one))
  if (good >= 2 && good > bad.length) return told('passed', false, isBad)
  return told('doubted', opinions.length < OPINIONS_MAX)
}

const least = (opinions: readonly WeighedOpinion[]): number =>
  Math.min(ANSWER_MILLI_MAX, ...opinions.map(({ evidenceMilli }) => evidenceMilli))

/** In a row, after one more answer was looked at and `evidenceMilli` is what speaks against the node in all. */
export function passesAfter(passes: number, outcome: AnswerOutcome, evidenceMilli: number): number {
  if (outcome === 'passed') return passes + 1
  return outcome === 'against' && evidenceMilli >= EVIDENCE_WATCHED ? 0 : passes
}

/** Passes from which on each step of the rate holds: gateways hear of few changes. */
const RATE_STEP = 5

/** The chance that the node's next answer is looked at, in hundredths of a percent. */
export function answerRateBps(
  { passes, evidenceMilli }: Pick<AnswerRecord, 'passes' | 'evidenceMilli'>,
  nodeClass: NodeClass,
): number {
  if (evidenceMilli >= EVIDENCE_WATCHED) return 10_000
  return auditRateBps({ passes: passes - (passes % RATE_STEP) }, nodeClass)
}

/**
 * The part of looked-at answers of another model that is doubted, at the least: all of the one in four whose node gave log probabilities, and of
 * the others a quarter, with answers of 40 tokens of a model that lost each fourth layer (`npm run bench -- answer-audits`).
 */
export const ANSWER_DETECTION_BPS = 4_000

/** Answers whose pay is held back, of a node of this class: as `minHoldback`, and those that it takes to be judged. */
export const holdbackAnswers = (nodeClass: NodeClass): number =>
  minHoldback(auditPolicy(nodeClass), ANSWER_DETECTION_BPS) + Math.ceil(EVIDENCE_MAX / ANSWER_MILLI_MAX)

/** Where nobody independent ever looked, pay is freed after so long. */
export const PAY_HELD_MS_MAX = DAY_MS
/** Where somebody did, few answers a day are no way around the holdback: it is as long until there are enough, and no longer than this. */
const LOOKED_HELD_MS_MAX = 30 * DAY_MS
const PAY_WINDOW_MS = HOUR_MS / 6
const PAY_WINDOWS_MAX = 32

/** The window that pay of now belongs to; `null` for a new one. */
export function windowFor(
  windows: readonly PayWindow[],
  accountId: string,
  nowMs: TimestampMs,
): PayWindow | null {
  const newest = windows.at(-1)
  if (!newest || newest.accountId !== accountId) return null
  const isFull = windows.length >= PAY_WINDOWS_MAX
  return isFull || nowMs < newest.sinceMs + PAY_WINDOW_MS ? newest : null
}

/**
 * Windows whose pay need not be held back any longer: enough answers came after it, worth as much each, and a later one was
 * looked at and fitted.
 */
export function agedWindows(
  windows: readonly PayWindow[],
  { passes, passedAtMs, evidenceMilli }: Pick<AnswerRecord, 'passes' | 'passedAtMs' | 'evidenceMilli'>,
  nodeClass: NodeClass,
): readonly PayWindow[] {
  if (passes < FIRST_CHECKED || evidenceMilli >= EVIDENCE_WATCHED) return []
  const wanted = holdbackAnswers(nodeClass)
  let answersAfter = 0
  let amountAfter = 0n
  const aged: PayWindow[] = []
  for (const window of windows.toReversed()) {
    const isBacked = answersAfter >= wanted && amountAfter >= worthOf(window, wanted)
    if (isBacked && window.untilMs < passedAtMs) aged.push(window)
    answersAfter += window.answers
    amountAfter += window.amount
  }
  return aged.reverse()
}

/** What so many answers of the window are worth, rounded down. */
const worthOf = ({ amount, answers }: PayWindow, count: number): NanoUsd =>
  maximum((amount * BigInt(count)) / BigInt(answers), 0n)

/** Pay that was held for 30 days; of a node at which nobody looked in that time, and that was not judged, for a day. */
export function expiredWindows(
  windows: readonly PayWindow[],
  {
    cases,
    passes,
    passedAtMs,
    evidenceMilli,
  }: Pick<AnswerRecord, 'cases' | 'passes' | 'passedAtMs' | 'evidenceMilli'>,
  nowMs: TimestampMs,
): readonly PayWindow[] {
  const isOnTrial = passes < FIRST_CHECKED && cases.some(({ liftedAtMs }) => liftedAtMs === null)
  const hasPassed = passes > 0 && nowMs < passedAtMs + LOOKED_HELD_MS_MAX
  const isLookedAt = isOnTrial || hasPassed || evidenceMilli > 0
  const forMs = isLookedAt ? LOOKED_HELD_MS_MAX : PAY_HELD_MS_MAX
  return windows.filter(({ untilMs }) => nowMs >= untilMs + forMs)
}

/** Older verdicts do not make a new one worse. */
const CASE_COUNTS_MS = 180 * DAY_MS
const SUSPENDED_MS: Readonly<Record<Penalty, number | null>> = {
  pay: HOUR_MS,
  suspended: 7 * DAY_MS,
  banned: null,
}

/** What follows from the next verdict on a node with these cases. */
export function penaltyFor(
  cases: readonly Pick<AnswerCase, 'atMs' | 'liftedAtMs'>[],
  nowMs: TimestampMs,
): { readonly penalty: Penalty; readonly untilMs: TimestampMs | null } {
  const counting = cases.filter(
    ({ atMs, liftedAtMs }) => liftedAtMs === null && nowMs - atMs < CASE_COUNTS_MS,
  )
  const penalty = (['pay', 'suspended'] as const)[counting.length] ?? 'banned'
  const forMs = SUSPENDED_MS[penalty]
  return { penalty, untilMs: forMs === null ? null : nowMs + forMs }
}
