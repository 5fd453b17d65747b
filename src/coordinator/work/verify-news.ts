/** What was found out about the results of a job, as sentences for people. */
import type { TimestampMs } from '#kernel/time.ts'
import type { Verify } from '#verify/verify.ts'
import { NOBODY_LOOKED, type Verdict, type VerifyEvent } from '#verify/verify-events.ts'
import { nameTask } from '#work/task-name.ts'
import { isOver, type Work } from '#work/work.ts'
import type { TaskPlace } from '#work/work-events.ts'
import type { Told } from './news-text.ts'

export interface CheckNews extends Told {
  readonly jobId: string
  readonly atMs: TimestampMs
}

const verdicts: Readonly<Record<Exclude<Verdict, 'called_off'>, string>> = {
  honest: 'is what the scene gives: checked.',
  liar: 'is not what the scene gives, and its node is paid nothing that nobody looked at.',
  disputed: 'is in dispute, with nobody else to ask: it is made again by another node.',
  irreproducible:
    'cannot be checked, for the scene does not give the same picture twice: it counts, unverified.',
  nobody: 'was not checked, for no node of another owner was there in time: it counts, unverified.',
}

const UNSEEN =
  'was not looked at, for whoever keeps its files did not get to it within an hour: it counts, unverified.'

/** Of a job that is over, where nothing is made again. */
const lateVerdicts: Partial<typeof verdicts> = {
  liar: 'is not what the scene gives: what it cost comes back, as far as the owner of its node still has it.',
  disputed: 'is in dispute, with nobody else to ask. The job is over, so it stays as it is.',
}

/** What an event says, after it took effect; `null` for what is of no interest to a customer. */
export function createCheckNews({
  work,
  verify,
}: {
  readonly work: Pick<Work, 'jobs'>
  readonly verify: Pick<Verify, 'audits'>
}): (event: VerifyEvent) => CheckNews | null {
  /** Whose result an audit is of: when it is closed, the state knows nothing of it any more. */
  const open = new Map<string, TaskPlace & { readonly jobId: string; readonly nodeId: string }>(verify.audits)

  function told(
    { jobId, step, task, nodeId }: TaskPlace & { jobId: string; nodeId: string },
    atMs: TimestampMs,
    says: (name: string) => string,
  ): CheckNews | null {
    const job = work.jobs.get(jobId)
    if (!job) return null
    return {
      kind: 'audit',
      jobId,
      place: { step, task },
      nodeId,
      atMs,
      text: says(nameTask(job, { step, task })),
    }
  }

  return (event) => {
    switch (event.type) {
      case 'verify.looked_at': {
        const { faults, doubts, nodeId, outcome, atMs } = event
        if (outcome === 'unseen' && doubts.includes(NOBODY_LOOKED))
          return told(event, atMs, (name) => `${sentence(name)} by ${nodeId} ${UNSEEN}`)
        if (outcome !== 'bad') return null
        return told(event, atMs, (name) => `${sentence(name)} by ${nodeId} is refused: ${faults.join(', ')}.`)
      }
      case 'verify.audit_opened': {
        const { auditId, nodeId, atMs } = event
        open.set(auditId, event)
        return told(
          event,
          atMs,
          (name) => `${sentence(name)} by ${nodeId} is rendered again in part by another owner.`,
        )
      }
      case 'verify.audit_closed': {
        const { auditId, verdict, atMs } = event
        const of = open.get(auditId)
        open.delete(auditId)
        if (!of || verdict === 'called_off') return null
        const job = work.jobs.get(of.jobId)
        const late = job && isOver(job) ? lateVerdicts[verdict] : undefined
        return told(of, atMs, (name) => `${sentence(name)} by ${of.nodeId} ${late ?? verdicts[verdict]}`)
      }
      default:
        return null
    }
  }
}

const sentence = (name: string): string => name.slice(0, 1).toUpperCase() + name.slice(1)
