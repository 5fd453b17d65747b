/** Why a node stands as it does, in words for its owner, each with the way back. */
import { formatDuration, HOUR_MS, type TimestampMs } from '#kernel/time.ts'
import type { SicknessCode } from '#protocol/node-health.ts'
import { restMs } from './decide-reputation.ts'
import type { NodeRecord, Sickness } from './reputation.ts'
import { type Score, scoreOf } from './score.ts'

export interface Reason {
  readonly code: 'sick' | 'version_halted' | 'failures' | 'slow' | 'seldom_here' | 'new' | 'just_came'
  readonly message: string
  readonly wayBack: string
}

const cures: Readonly<Record<SicknessCode, string>> = {
  gpu_fault: 'Restart the machine, or reset the GPU with nvidia-smi --gpu-reset.',
  gpu_memory: 'Reset the GPU or restart the machine; replace the card if the errors come back.',
  gpu_lost: 'Restart the machine, and reseat the card if it falls off again.',
  gpu_hot: 'Clean and cool it, or lower its power limit.',
  gpu_power: 'Check the power supply and its cables, or lower the power limit.',
  gpu_silent: 'The driver hangs: restart the machine.',
}

export const sicknessText = ({ code, message }: Sickness): string =>
  `${message} ${cures[code]} It gets work again by itself once the agent has seen none of it for a while.`

const BAD_LCB = 0.8
const SLOW_RATIO = 0.6
const SELDOM = 0.7
const KNOWN_ANSWERS = 20

/** What keeps the node from the best work, the gravest first; empty when nothing does. */
export function reasonsOf(
  record: NodeRecord,
  { nowMs, haltedVersion }: { nowMs: TimestampMs; haltedVersion: string | null },
): Reason[] {
  const score = scoreOf(record, nowMs, haltedVersion !== null)
  const halted: Reason[] =
    haltedVersion === null
      ? []
      : [
          {
            code: 'version_halted',
            message: `Agents of version ${haltedVersion} fail far more than others: they get no work with a promise.`,
            wayBack:
              'Run another version. It also ends by itself, after ten minutes and twenty answers in which this one fails no more than others.',
          },
        ]
  return [...ofSickness(record, nowMs), ...halted, ...ofWork(record, score), ...ofStay(record, score, nowMs)]
}

function ofSickness({ sick, sickAtMs }: NodeRecord, nowMs: TimestampMs): Reason[] {
  if (!sick) return []
  const leftMs = Math.max(0, sick.sinceMs + restMs(sickAtMs, nowMs) - nowMs)
  const after = leftMs === 0 ? '' : `, in ${formatDuration(leftMs)} at the earliest`
  return [
    {
      code: 'sick',
      message: `${sick.message} It gets no work.`,
      wayBack: `${cures[sick.code]} Work comes again by itself once the agent sees none of it any more${after}.`,
    },
  ]
}

function ofWork({ good, bad, paces }: NodeRecord, { successLcb, speedRatio }: Score): Reason[] {
  const reasons: Reason[] = []
  if (bad > 0 && successLcb < BAD_LCB)
    reasons.push({
      code: 'failures',
      message: `It failed ${bad} times beside ${good} answers that it gave, of late: other nodes are asked first.`,
      wayBack: 'Each answer that it gives counts for it, and what is past counts half after a week.',
    })
  if (paces > 0 && speedRatio !== null && speedRatio < SLOW_RATIO)
    reasons.push({
      code: 'slow',
      message: `It answers at ${Math.round(100 * speedRatio)} % of the speed that it measured itself.`,
      wayBack:
        'End what else uses the machine, or restart the agent, which measures anew: the ask then fits the speed.',
    })
  return reasons
}

function ofStay(
  { good, bad, isUp, sinceMs }: NodeRecord,
  { availability }: Score,
  nowMs: TimestampMs,
): Reason[] {
  const reasons: Reason[] = []
  if (availability !== null && availability < SELDOM && nowMs - sinceMs < 24 * HOUR_MS)
    reasons.push({
      code: 'seldom_here',
      message: `It was here for ${Math.round(100 * availability)} % of the last weeks.`,
      wayBack: 'Stay connected: what is past counts half after a week.',
    })
  if (isUp && nowMs - sinceMs < HOUR_MS)
    reasons.push({
      code: 'just_came',
      message:
        'It came within the last hour, in which many leave: work with the strictest promise goes to others.',
      wayBack: `It ends in ${formatDuration(sinceMs + HOUR_MS - nowMs)}.`,
    })
  if (good + bad < KNOWN_ANSWERS)
    reasons.push({
      code: 'new',
      message: `Little is known of it: ${good} answers so far.`,
      wayBack: `After ${KNOWN_ANSWERS} answers it is known.`,
    })
  return reasons
}
