/** Keys with spending limits make jobs, and raise their caps, as far as the limits leave room for them. */
import { formatUsd, type NanoUsd } from '#kernel/money.ts'
import { Problem } from '#protocol/problem.ts'
import { isOver, type Job } from '#work/work.ts'
import type { Turn } from '../turn.ts'
import { type KeyLeft, keyLeft } from '../work/job-spend.ts'
import { neededFor } from '../work/jobs-paid.ts'

/** Throws `spend_limited` where the key may not spend `cap` more. */
export function checkBudget({ state, nowMs }: Turn, keyId: string, cap: NanoUsd): void {
  const left = keyLeft(state, { keyId, nowMs })
  if (left && cap > left.left) throw jobLimited(left, cap)
}

/** The same of a cap that is changed: it counts for the key that made the job, whoever changes it. */
export function checkRaise(
  { state, nowMs }: Turn,
  { job, cap, keyId }: { readonly job: Job; readonly cap: NanoUsd; readonly keyId: string },
): void {
  const needed = neededFor({ ...job, cap })
  if (isOver(job) || needed <= neededFor(job)) return
  const { keys } = state.organisations
  const made = job.keyId === undefined ? undefined : keys.get(job.keyId)
  if (keys.get(keyId)?.budgetId !== made?.budgetId && keyLeft(state, { keyId, nowMs })) throw notItsOwn(job)
  if (!made) return
  const left = keyLeft(state, { keyId: made.id, nowMs, except: job.jobId })
  if (left && needed > left.left) throw jobLimited(left, needed)
}

function jobLimited({ window, limit, left, promised, resetMs }: KeyLeft, cap: NanoUsd): Problem {
  const others = promised > 0n ? `, with $${formatUsd(promised)} set aside for its other jobs` : ''
  return new Problem(
    'spend_limited',
    `This API key may spend $${formatUsd(limit)} per ${window}, of which $${formatUsd(left)} are left${others}; this job may cost up to $${formatUsd(cap)}. Take a lower cap, raise the key's limit, or wait for the next ${window}.`,
    { details: { code: 'insufficient_quota', retryAfterMs: resetMs } },
  )
}

const notItsOwn = ({ jobId }: Job): Problem =>
  new Problem(
    'spend_limited',
    `This API key's spending is limited, and job ${jobId} counts for another key. Raise its cap with the key that made it, or with one whose spending is not limited.`,
    { details: { code: 'insufficient_quota' } },
  )
