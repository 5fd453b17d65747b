/** Why a job pauses over a task that failed, as people read it: what, where, the end of the log, and what to do next. */
import type { TaskFailure } from '#protocol/task-failure.ts'
import { nameTask } from './task-name.ts'
import type { Job } from './work.ts'
import type { TaskPlace } from './work-events.ts'

export interface TriedTask {
  readonly job: Job
  readonly place: TaskPlace
  /** Those that failed so. */
  readonly nodeIds: readonly string[]
  /** All of them tell of the same error, of this task or of others; else no other node could do it. */
  readonly isSame: boolean
  readonly failure: TaskFailure
}

export function failureDetail({ job, place, nodeIds, isSame, failure }: TriedTask): string {
  const name = nameTask(job, place)
  // Most engines name it themselves.
  const isNamed = failure.message.toLowerCase().startsWith(name.toLowerCase())
  const what = capital(isNamed ? failure.message : `${name} failed: ${failure.message}`)
  const where = isSame
    ? `The same error came from ${listed(nodeIds)}.`
    : `It was tried by ${listed(nodeIds)}, and no other node could do it.`
  const log = lastLines(failure.tail)
  return [
    `${ended(what)} ${where}`,
    ...(log === '' ? [] : [`The last lines of its log:\n${log}`]),
    nextOf(job, failure),
  ].join('\n')
}

function nextOf({ jobId, purpose }: Job, failure: TaskFailure): string {
  const isNodes = failure.class === 'node'
  if (purpose === 'probe')
    return isNodes
      ? 'Give the same command again once a node is there that can do it: what was sent is not sent again.'
      : 'Mend the scene, save it, and give the same command again: what was sent is not sent again.'
  const again = isNodes ? 'Once a node is there that can do it' : 'To try it again as it is'
  // Its inputs are others then, and nothing of it is the same task.
  const anew = `"shoal job cancel ${jobId}" (what is done is paid, and "shoal job fetch ${jobId}" gets it), then submit what is left.`
  return `${again}: "shoal job resume ${jobId}". With the scene mended it is a new job: ${anew}`
}

const LINES_MAX = 8
const LINE_CHARACTERS_MAX = 200

const lastLines = (tail: string): string =>
  tail
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== '')
    .slice(-LINES_MAX)
    .map((line) => `  ${line.slice(0, LINE_CHARACTERS_MAX)}`)
    .join('\n')

const NODES_MAX = 3

function listed(nodeIds: readonly string[]): string {
  const more = nodeIds.length - NODES_MAX
  const named = [...nodeIds.slice(0, NODES_MAX), ...(more > 0 ? [`${more} more`] : [])]
  return named.length < 2 ? named.join('') : `${named.slice(0, -1).join(', ')} and ${named.at(-1)}`
}

const ended = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`)
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
