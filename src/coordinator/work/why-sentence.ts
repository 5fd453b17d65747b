/** Why a task is where it is, as people say it. */

import { nameTask } from '#work/task-name.ts'
import type { TaskWhy } from '#work/why.ts'
import { type Job, stepOf, taskOf } from '#work/work.ts'
import type { TaskPlace } from '#work/work-events.ts'

const barReasons: Readonly<Record<keyof TaskWhy['barred'], string>> = {
  drained: 'drained',
  kind_missing: 'without its engine',
  device_other: 'rendering on another device',
  memory_short: 'with too little memory',
  vram_short: 'with too little GPU memory',
  price_low: 'asking for more than it pays',
  class_low: 'of a lower class than it asks for',
  audits_only: 'for checking results alone',
  same_owner: 'of an owner that may not have it',
  failed_often: 'with too many failures of the job',
  condemned: 'with wrong results for the job',
  failed_it: 'with a failure of this very task',
  silent: 'not heard of any more',
  resting: 'kept by an owner for now',
}

/** Nodes that may not have a task, as people say it: `2 nodes without its engine`. */
export const nodesBarred = (bar: keyof TaskWhy['barred'], count: number): string =>
  `${count} ${count === 1 ? 'node' : 'nodes'} ${barReasons[bar]}`

export function whySentence(job: Job, place: TaskPlace, why: TaskWhy): string {
  const name = nameTask(job, place)
  const who = why.nodeIds.join(' and ')
  switch (why.state) {
    case 'blocked':
      return `${capital(name)} waits for the end of ${stepsBefore(job, place)}.`
    case 'leased':
      return `${who} ${why.nodeIds.length > 1 ? 'race with' : 'has'} ${name}.`
    case 'committed':
      return `${who} made ${name}; its files are on their way.`
    case 'verifying':
      return `The result of ${name} is here and is being checked.`
    case 'done':
      return `${capital(name)} is done, by ${taskOf(job, place).result?.nodeId ?? 'an earlier job'}.`
    case 'failed':
      return `${capital(name)} failed and is not tried again until somebody asks for it: "shoal job ${job.status === 'paused' ? 'resume' : 'requeue'} ${job.jobId}".`
    case 'cancelled':
      return `${capital(name)} was cancelled with its job.`
    case 'ready':
      return `${capital(name)} is ready. ${whyNobody(job, why)}`
  }
}

function whyNobody(job: Job, { job: ofJob, barred, open, busy }: TaskWhy): string {
  if (ofJob === 'paused') return `The job is paused: ${pauseOf(job)}`
  if (ofJob === 'cap_reached') {
    return `What it may cost is more than is left of the job’s cap. Raise that: "shoal job cap ${job.jobId} USD".`
  }
  const others = Object.entries(barred)
    .filter(([, count]) => (count ?? 0) > 0)
    .map(([bar, count]) => nodesBarred(bar as keyof typeof barReasons, count ?? 0))
  const rest = others.length === 0 ? '' : ` Not for it: ${others.join(', ')}.`
  if (open > busy) return `${count(open - busy)} free for it: one has it in a moment.${rest}`
  if (open > 0) return `${count(open)} open to it and busy: it is begun when its turn comes.${rest}`
  if (others.length === 0) return 'No node of the network takes tasks now.'
  return `No node may have it.${rest}`
}

const count = (nodes: number): string => (nodes === 1 ? '1 node is' : `${nodes} nodes are`)

const pauseOf = ({ pause, jobId }: Job): string =>
  pause === null || pause.reason === 'asked'
    ? `somebody asked for it. "shoal job resume ${jobId}" goes on.`
    : pause.reason === 'cap_reached'
      ? `${pause.detail} "shoal job cap ${jobId} USD" does.`
      : pause.detail

function stepsBefore(job: Job, { step }: TaskPlace): string {
  const open = stepOf(job, step).dependsOn.filter((before) => stepOf(job, before).tasksOpen > 0)
  return open.map((before) => `step "${stepOf(job, before).name}"`).join(' and ')
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
