/**
 * What is known of nodes by their answers, and the pay that stands in for those that nobody looked at.
 *
 *   answer ─→ not its turn
 *          ─→ scored by another owner's node ─→ fits: a pass
 *                                            ─→ does not: a second owner is asked ─→ fits: the first auditor was wrong
 *                                                                                 ─→ does not: evidence against the node
 *          ─→ nobody independent is there: it counts, unheard
 *
 * Evidence adds up over answers and fades with each one that fits. From `EVIDENCE_MAX` on the node is *judged*: its held pay is
 * lost, and each further verdict weighs more. All of it stands in `cases`, for its owner to read.
 */
import { assert } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { AnswerFault } from '#protocol/answer-audit.ts'
import type { NodeClass } from '#protocol/node-class.ts'
import type { SlaClass } from '#protocol/sla.ts'

/** Of answers, as part of what is verified. */
export interface AnswerChecks {
  readonly nodes: Map<string, AnswerRecord>
  /** By node: windows of its pay, oldest first. */
  readonly pay: Map<string, PayWindow[]>
  /** By gateway: the number of the newest report of each of its last starts, the newest start last. A late one may come again. */
  readonly heard: Map<string, HeardStart[]>
}

/** The number of the newest report since a gateway's start. */
export interface HeardStart {
  readonly start: string
  sequence: number
}

export interface AnswerRecord {
  /** Looked at and found to fit, since it was last judged. */
  passes: number
  /** When it passed last. */
  passedAtMs: TimestampMs
  /** Looked at, by what came of it. */
  passed: number
  doubted: number
  unheard: number
  /** Tokens that were scored, of all its answers. */
  tokens: number
  /** Against it, in thousandths of a nat; never below zero. */
  evidenceMilli: number
  /** Answers that the evidence comes from, newest last, for its case. */
  against: AnswerProof[]
  faults: Partial<Record<AnswerFault, number>>
  /** Faults since they last counted for something. */
  strikes: number
  /** What it was judged for, newest last. */
  cases: AnswerCase[]
  suspendedUntilMs: TimestampMs | null
}

export interface AnswerProof {
  readonly auditId: string
  readonly model: string
  readonly evidenceMilli: number
  readonly evidenceHash: string
  /** Who paid for it, and how much. */
  readonly organisationId: string
  readonly cost: NanoUsd
  /** What it was promised; absent: nothing. */
  readonly slaClass?: SlaClass | undefined
  readonly atMs: TimestampMs
}

export type Penalty = 'pay' | 'suspended' | 'banned'

export interface AnswerCase {
  readonly caseId: string
  readonly atMs: TimestampMs
  readonly penalty: Penalty
  readonly reason: string
  readonly proofs: readonly AnswerProof[]
  readonly forfeited: NanoUsd
  readonly untilMs: TimestampMs | null
  /** An operator took it back: it does not count any more. */
  liftedAtMs: TimestampMs | null
  /** As the operator gave it; absent: not lifted, or by a program of before. */
  liftedReason?: string
  /** It had this class, and a lift gives it back; absent: it kept its class. */
  readonly classBefore?: NodeClass | undefined
}

/** Pay of neighbouring answers of one node: summed, so that memory does not grow with traffic. */
export interface PayWindow {
  readonly windowId: number
  readonly accountId: string
  readonly sinceMs: TimestampMs
  untilMs: TimestampMs
  answers: number
  amount: NanoUsd
}

export const CASES_MAX = 16
export const PROOFS_MAX = 8

/** The number of the newest report that was heard since this start of the gateway; 0 before the first. */
export const newestReport = (
  { heard }: Pick<AnswerChecks, 'heard'>,
  gatewayId: string,
  start: string,
): number => heard.get(gatewayId)?.find((one) => one.start === start)?.sequence ?? 0

export const emptyAnswers = (): AnswerChecks => ({ nodes: new Map(), pay: new Map(), heard: new Map() })

export const newAnswerRecord = (): AnswerRecord => ({
  passes: 0,
  passedAtMs: 0,
  passed: 0,
  doubted: 0,
  unheard: 0,
  tokens: 0,
  evidenceMilli: 0,
  against: [],
  faults: {},
  strikes: 0,
  cases: [],
  suspendedUntilMs: null,
})

export const answerRecordOf = ({ nodes }: Pick<AnswerChecks, 'nodes'>, nodeId: string): AnswerRecord =>
  nodes.get(nodeId) ?? newAnswerRecord()

/** What of the node's pay is held back. */
export const heldOf = ({ pay }: Pick<AnswerChecks, 'pay'>, nodeId: string): NanoUsd =>
  (pay.get(nodeId) ?? []).reduce((sum, { amount }) => sum + amount, 0n)

/** Throws unless the state makes sense. */
export function checkAnswers({ nodes, pay }: AnswerChecks): void {
  for (const [nodeId, record] of nodes) {
    assert(record.passes <= record.passed, `${nodeId} passed no more often in a row than in all`)
    assert(record.evidenceMilli >= 0, `evidence against ${nodeId} is not below nothing`)
    assert(record.cases.length <= CASES_MAX, `cases of ${nodeId} are bounded`)
    assert(record.against.length <= PROOFS_MAX, `what speaks against ${nodeId} is bounded`)
  }
  for (const [nodeId, windows] of pay) {
    assert(windows.length > 0, `a list of ${nodeId} has something on it`)
    let last = 0
    for (const { windowId, amount, answers } of windows) {
      assert(windowId > last, `windows of ${nodeId} are in order`)
      assert(amount > 0n && answers > 0, `pay of window ${windowId} of ${nodeId} is of answers`)
      last = windowId
    }
  }
}
