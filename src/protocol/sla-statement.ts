/** What came of a month's promises, as it was posted. */
import { z } from 'zod'
import { NanoUsd } from './money.ts'
import { Month, SlaClass } from './sla.ts'

/** What a node pays of a credit, out of pay that was held back. */
export const FaultShare = z.object({ nodeId: z.string(), errors: z.int(), amount: NanoUsd })
export type FaultShare = z.output<typeof FaultShare>

/** A job that is over: how long after it was submitted it was to begin and to end, pauses not counted. */
export const JobFacts = z.object({
  submittedAtMs: z.int(),
  startDueMs: z.int(),
  finishDueMs: z.int(),
  startedAtMs: z.int().nullable(),
  endedAtMs: z.int().nullable(),
  /** Its owner gave it up: only its start was promised. */
  isCancelled: z.boolean(),
  pausedBeforeStartMs: z.int(),
  pausedMs: z.int(),
  charges: NanoUsd,
})
export type JobFacts = z.output<typeof JobFacts>

/** How a job was kept to, and what is given back for it. */
export const JobCredit = z.object({
  jobId: z.string(),
  /** What it was computed from. */
  facts: JobFacts,
  startLateMs: z.int().nonnegative(),
  finishLateMs: z.int().nonnegative(),
  creditBps: z.int(),
  credit: NanoUsd,
})
export type JobCredit = z.output<typeof JobCredit>

/** A month of one organisation in one class, with all that its credit was computed from but the bins. */
export const SlaStatement = z
  .object({
    organisationId: z.string(),
    slaClass: SlaClass,
    month: Month,
    valid: z.int(),
    errors: z.int(),
    aborted: z.int(),
    uptimePpb: z.int(),
    binsCounted: z.int(),
    binsExcluded: z.int(),
    targetPpb: z.int(),
    charges: NanoUsd,
    creditBps: z.int(),
    /** For requests. */
    credit: NanoUsd,
    jobs: z.array(JobCredit),
    /** For requests and jobs together, as it was posted. */
    posted: NanoUsd,
    /** `null` when nothing was owed. */
    transferId: z.string().nullable(),
    shares: z.array(FaultShare),
  })
  .meta({ id: 'SlaStatement' })
export type SlaStatement = z.output<typeof SlaStatement>
