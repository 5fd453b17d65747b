/** What each class promises and what a broken promise costs the network. The one table: docs, bills and the recount read it. */
import { MINUTE_MS } from '#kernel/time.ts'
import type { SlaClass } from '#protocol/sla.ts'

/** Shares are in parts per billion: 99.5 % is 995,000,000. */
export const PPB = 1_000_000_000

export interface CreditStep {
  /** Below this uptime of the month (never at it). */
  readonly belowPpb: number
  /** Of the month's charges in the class, in hundredths of a percent. */
  readonly creditBps: number
}

export interface Tier {
  readonly slaClass: SlaClass
  /** Of requests answered, as the mean over the month's bins. 0 promises nothing. */
  readonly targetPpb: number
  /** Worst first: the first that holds is paid. */
  readonly credits: readonly CreditStep[]
  /** Published, not paid for: how soon the first token of a short prompt comes, and how fast the others. */
  readonly firstTokenMs: number
  readonly tokensPerSecond: number
  /** Of a job: its first task runs this long after it was started; it is done by its estimate × this, in percent. */
  readonly jobStartMs: number
  readonly jobFinishPercent: number
}

export const tiers: Readonly<Record<SlaClass, Tier>> = {
  none: {
    slaClass: 'none',
    targetPpb: 0,
    credits: [],
    firstTokenMs: 10_000,
    tokensPerSecond: 5,
    jobStartMs: 60 * MINUTE_MS,
    jobFinishPercent: 400,
  },
  standard: {
    slaClass: 'standard',
    targetPpb: 990_000_000,
    credits: [
      { belowPpb: 950_000_000, creditBps: 5_000 },
      { belowPpb: 990_000_000, creditBps: 1_000 },
    ],
    firstTokenMs: 10_000,
    tokensPerSecond: 5,
    jobStartMs: 30 * MINUTE_MS,
    jobFinishPercent: 300,
  },
  business: {
    slaClass: 'business',
    targetPpb: 995_000_000,
    credits: [
      { belowPpb: 950_000_000, creditBps: 5_000 },
      { belowPpb: 990_000_000, creditBps: 2_500 },
      { belowPpb: 995_000_000, creditBps: 1_000 },
    ],
    firstTokenMs: 5_000,
    tokensPerSecond: 10,
    jobStartMs: 15 * MINUTE_MS,
    jobFinishPercent: 200,
  },
  enterprise: {
    slaClass: 'enterprise',
    targetPpb: 999_000_000,
    credits: [
      { belowPpb: 950_000_000, creditBps: 10_000 },
      { belowPpb: 990_000_000, creditBps: 2_500 },
      { belowPpb: 999_000_000, creditBps: 1_000 },
    ],
    firstTokenMs: 2_000,
    tokensPerSecond: 20,
    jobStartMs: 5 * MINUTE_MS,
    jobFinishPercent: 150,
  },
}

/** Classes with a promise, least first. */
export const promisingClasses = ['standard', 'business', 'enterprise'] as const satisfies SlaClass[]

const ranks: Readonly<Record<SlaClass, number>> = { none: 0, standard: 1, business: 2, enterprise: 3 }

/** The lesser of two classes. */
export const lesserClass = (a: SlaClass, b: SlaClass): SlaClass => (ranks[a] <= ranks[b] ? a : b)

/** Whether `asked` promises no more than `allowed`. */
export const isWithinClass = (asked: SlaClass, allowed: SlaClass): boolean => ranks[asked] <= ranks[allowed]
