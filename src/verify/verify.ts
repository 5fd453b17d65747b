/**
 * Whether results are what they should be, as a decider: what is known of each node's honesty, audits that are open, and
 * the pay that stands in for what nobody looked at.
 *
 *   looked at ─→ bad             a fault that everybody can see
 *             ─→ passed over     not its turn: it counts, unchecked
 *             ─→ audited ─→ honest
 *                        ─→ another opinion ─→ honest, liar, disputed, irreproducible
 *                        ─→ nobody was there in time: it counts, unchecked
 *
 * An audit is rendered by nodes of other owners as a job of its own; who carries that out asks here what an opinion means.
 */
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { OutputFile } from '#protocol/task.ts'
import { type AnswerChecks, checkAnswers, emptyAnswers } from './answers.ts'
import type { AuditBy, OpinionSays, Verdict } from './verify-events.ts'

export interface Verify {
  /** The operator's own organisation for audits. */
  referenceId: string | null
  readonly records: Map<string, CheckRecord>
  readonly audits: Map<string, Audit>
  readonly jobs: Map<string, CheckedJob>
  /** By node, then by `keyOf` the result, oldest first. */
  readonly held: Map<string, Map<string, HeldPay>>
  readonly answers: AnswerChecks
}

/** What is known of a node's honesty. */
export interface CheckRecord {
  /** Checked and found good, since it last was not. */
  passes: number
  passed: number
  /** Found to be false by more than one, or by the operator's own. */
  failed: number
  /** Refused for what everybody can see. */
  faults: number
  disputed: number
  /** Said as an auditor what turned out wrong; fades with what it said right. */
  wrong: number
  /** Said right since it was wrong last, or since that faded; absent: nothing. */
  right?: number
  /** Its turn had come, and nobody independent was there. */
  unverified: number
  /** When it passed last. */
  passedAtMs: TimestampMs
}

/**
 * Opinions that turned out right, after which an auditor was wrong once less: of honest ones one opinion in a thousand is wrong, and who
 * looks at twenty answers a day would be asked no more within months.
 */
const RIGHT_PER_WRONG = 50

/** What it said as an auditor came out one way or the other. */
export function heardRight(record: CheckRecord, wasRight: boolean): void {
  if (!wasRight) record.wrong++
  record.right = wasRight && record.wrong > 0 ? (record.right ?? 0) + 1 : 0
  if (record.right < RIGHT_PER_WRONG) return
  record.wrong--
  record.right = 0
}

export interface ResultPlace {
  readonly jobId: string
  readonly step: number
  readonly task: number
  readonly fence: number
}

export interface Opinion {
  readonly auditJobId: string
  readonly by: AuditBy
  readonly nodeId: string
  readonly organisationId: string
  readonly isReference: boolean
  readonly says: OpinionSays
  readonly agrees: boolean | null
  readonly outputs: readonly OutputFile[]
}

export interface Audit extends ResultPlace {
  readonly auditId: string
  readonly nodeId: string
  readonly organisationId: string
  /** Hash of the file that is looked at, and where: `x,y,width,height;…`. */
  readonly picture: string
  readonly crops: string
  /** Says that it is wrong, so none of its own nodes is asked. */
  readonly askedBy?: string | undefined
  readonly openedAtMs: TimestampMs
  readonly opinions: Opinion[]
  /** The job that renders the opinion which is waited for. */
  asked: { readonly auditJobId: string; readonly by: AuditBy; readonly atMs: TimestampMs } | null
  /** How many were asked in all. */
  asks: number
}

/** What is remembered of a job that is not over. */
export interface CheckedJob {
  /** Of pictures, by `step/task`. */
  readonly fingerprints: Map<string, string>
  readonly steps: Map<number, CheckedStep>
  /** Tasks done whose turn to be checked came and nobody independent was there. */
  unverified: number
  /** What came of results that were looked at, or whose pay was lost with a lie, by `step/task/fence`: nobody is asked about them again. */
  readonly settled: Map<string, Verdict>
}

export interface CheckedStep {
  /** Audits that found a result good, and of those the ones by crops. */
  told: number
  cropsTold: number
  /** Results of which no two pictures were alike. */
  strange: number
  /** Crops turned out to tell nothing: whole frames are rendered. */
  isUncroppable: boolean
}

/** So many, and none that was found good: the scene does not give the same picture twice, and nobody is asked any more. */
const STRANGE_MAX = 3

export const isIrreproducible = (step: CheckedStep | undefined): boolean =>
  step !== undefined && step.told === 0 && step.strange >= STRANGE_MAX

export interface HeldPay extends ResultPlace {
  readonly accountId: string
  readonly organisationId: string
  readonly amount: NanoUsd
  readonly isChecked: boolean
  readonly atMs: TimestampMs
}

export const emptyVerify = (): Verify => ({
  referenceId: null,
  records: new Map(),
  audits: new Map(),
  jobs: new Map(),
  held: new Map(),
  answers: emptyAnswers(),
})

export const keyOf = ({ jobId, step, task, fence }: ResultPlace): string =>
  `${jobId}:${step}:${task}:${fence}`

export const newRecord = (): CheckRecord => ({
  passes: 0,
  passed: 0,
  failed: 0,
  faults: 0,
  disputed: 0,
  wrong: 0,
  unverified: 0,
  passedAtMs: 0,
})

/** What is known of the node, also where that is nothing. */
export const recordOf = ({ records }: Pick<Verify, 'records'>, nodeId: string): CheckRecord =>
  records.get(nodeId) ?? newRecord()

export function auditOf({ audits }: Pick<Verify, 'audits'>, auditId: string): Audit {
  const audit = audits.get(auditId)
  assert(audit, `the audit ${auditId} is open`)
  return audit
}

/** How many of the node's results are being audited. */
export function openAuditsOf({ audits }: Pick<Verify, 'audits'>, nodeId: string): number {
  let count = 0
  for (const audit of audits.values()) if (audit.nodeId === nodeId) count++
  return count
}

/** The open audit that this job renders an opinion for. */
export function auditAskedBy({ audits }: Pick<Verify, 'audits'>, auditJobId: string): Audit | undefined {
  for (const audit of audits.values()) if (audit.asked?.auditJobId === auditJobId) return audit
  return undefined
}

/** What came of this very result; `undefined` where nobody has looked, or nobody could tell. */
export const settledAs = ({ jobs }: Pick<Verify, 'jobs'>, place: ResultPlace): Verdict | undefined =>
  jobs.get(place.jobId)?.settled.get(resultIn(place))

/** A result within its job. */
export const resultIn = ({ step, task, fence }: Omit<ResultPlace, 'jobId'>): string =>
  `${step}/${task}/${fence}`

/** How audits of a step are rendered. */
export const auditByOf = (
  { jobs }: Pick<Verify, 'jobs'>,
  { jobId, step }: Pick<ResultPlace, 'jobId' | 'step'>,
): AuditBy => (jobs.get(jobId)?.steps.get(step)?.isUncroppable ? 'frame' : 'crops')

/** Throws unless the state makes sense. */
export function checkVerify(verify: Verify): void {
  checkAnswers(verify.answers)
  for (const [nodeId, record] of verify.records) {
    const { passes, passed } = record
    assert(
      Object.values(record).every((count) => count >= 0),
      `counts of ${nodeId} are counts`,
    )
    assert(passes <= passed, `${nodeId} passed no more often in a row than in all`)
  }
  for (const [auditId, audit] of verify.audits) {
    assert(
      auditId === audit.auditId && auditId === keyOf(audit),
      `the audit ${auditId} is named for its result`,
    )
    assert(audit.opinions.length <= audit.asks, `${auditId}: who was asked may tell`)
    for (const { organisationId } of audit.opinions)
      assert(organisationId !== audit.organisationId, `${auditId}: nobody judges what is his own`)
  }
  const seen = new Set<string>()
  for (const [nodeId, list] of verify.held) {
    assert(list.size > 0, `a list of ${nodeId} has something on it`)
    for (const [key, pay] of list) {
      assert(key === keyOf(pay), `pay of ${key} is found by its name`)
      assert(pay.amount > 0n, `pay of ${keyOf(pay)} is more than nothing`)
      assert(!seen.has(keyOf(pay)), `pay of ${keyOf(pay)} is held once`)
      seen.add(keyOf(pay))
    }
  }
}
