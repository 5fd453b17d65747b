/** Jobs and their tasks in words and figures for people. */
import { formatUsd, NANO_PER_USD, type NanoUsd } from '#kernel/money.ts'
import { formatDuration } from '#kernel/time.ts'
import { formatCount, formatNoun } from '../format.ts'
import { printable } from '../table.ts'
import type { JobFacts, TaskFacts } from './job-client.ts'

/** `$2.50`, `$0.00123`: cents from a dollar on, and three digits that matter below; rounded up. */
export function formatCost(amount: NanoUsd): string {
  const cent = NANO_PER_USD / 100n
  const digits = amount.toString().length
  const unit = amount >= NANO_PER_USD ? cent : digits > 3 ? 10n ** BigInt(digits - 3) : 1n
  return `$${formatUsd(((amount + unit - 1n) / unit) * unit)}`
}

/** `12 KiB`, `3.4 MiB`. */
export function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  let at = 0
  let value = bytes
  while (value >= 1_024 && at < units.length - 1) {
    value /= 1_024
    at += 1
  }
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[at]}`
}

export const formatPercent = (share: number): string => `${Math.floor(share * 100)} %`

/** `frames 28/48 · film 0/1`. */
export const stepsText = ({ steps }: JobFacts): string =>
  steps.map(({ name, done, tasks }) => `${name} ${formatCount(done)}/${formatCount(tasks)}`).join(' · ')

const sumOf = ({ steps }: JobFacts, of: (step: JobFacts['steps'][number]) => number): number =>
  steps.reduce((sum, step) => sum + of(step), 0)

export const failedOf = (job: JobFacts): number => sumOf(job, ({ failed }) => failed)

/** What is worth a word of a job that goes on, most important first. */
export function factsOf(job: JobFacts): string[] {
  const { nodes, efficiency, spent, cap, redispatched, unverified } = job
  const [failed, checked] = [failedOf(job), sumOf(job, (step) => step.checked)]
  const verifying = sumOf(job, (step) => step.verifying)
  return [
    ...(job.status === 'active' || nodes > 0 ? [formatNoun(nodes, 'node')] : []),
    `${formatCost(spent)} of ${formatCost(cap)}`,
    ...(efficiency === null ? [] : [`efficiency ${formatPercent(efficiency)}`]),
    ...(failed > 0 ? [`${formatCount(failed)} failed`] : []),
    ...(verifying > 0 ? [`${formatCount(verifying)} being verified`] : []),
    ...(checked > 0 ? [`${formatCount(checked)} verified`] : []),
    ...(unverified > 0 ? [`${formatCount(unverified)} unverified`] : []),
    ...(redispatched > 0 ? [`${formatCount(redispatched)} re-dispatched`] : []),
  ]
}

/** Empty for a job that does not go on. */
export const etaText = ({ status, etaMs }: JobFacts): string =>
  status !== 'active' ? '' : etaMs === null ? 'ETA unknown' : `ETA ${formatDuration(etaMs)}`

const pauses = {
  asked: 'somebody asked for it',
  same_error: 'the same error came from several nodes',
  no_node_left: 'no node is left that may have its tasks',
  cap_reached: 'the next task would not fit into its cap',
} as const

/** Why it is paused, with what to do; `null` when it is not. */
export function pauseText({ jobId, pause, cap }: JobFacts): string | null {
  if (pause === null) return null
  // Below the first line is the end of a log: that is for `logs`.
  const [first = ''] = pause.detail.split('\n', 1)
  const said = first.replace(/(\.? The end of its log:|\. Raise the cap to go on\.?|\.)$/, '')
  const why = said === '' ? pauses[pause.reason] : said
  if (pause.reason === 'cap_reached')
    return `${why}. Raise the cap: shoal job cap ${jobId} ${formatUsd(cap * 2n)}`
  if (pause.reason === 'asked') return `${why}. Go on: shoal job resume ${jobId}`
  return `${why}. See the log: shoal job logs ${jobId}. Then try again: shoal job resume ${jobId}`
}

/** What a log says, in its lines; those after the first stand further in. */
export const printableLines = (text: string): string =>
  text.trimEnd().split('\n').map(printable).join('\n    ')

/** `frame 12`, `task 3 of film`. */
export function taskName(
  job: Pick<JobFacts, 'steps'>,
  { step, task, params }: Pick<TaskFacts, 'step' | 'task' | 'params'>,
): string {
  const frame = params['frame']
  const isFrame = params['do'] === 'frame' || params['do'] === 'merge'
  if (isFrame && typeof frame === 'number') return `frame ${frame}`
  return `task ${task} of ${job.steps[step]?.name ?? `step ${step}`}`
}
