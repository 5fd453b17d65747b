import type { Obstacle } from '#models/choose-host.ts'
import type { Shortage } from '#models/plan-placement.ts'

const texts = {
  away: 'away, drained or parked',
  takes_no_models: 'taking no models from the network (shoal provide --models auto)',
  not_accepted: 'not letting this model in (shoal provide --models)',
  class_too_low: 'of a lower class',
  has_it: 'having it already',
  failed_lately: 'having failed to load it, or asked too much for it, a while ago',
  too_many_loads: 'having loaded too much in the last hour',
  too_little_memory: 'without the memory for it',
  too_little_disk: 'without the room on disk for its file',
  size_unknown: 'waiting until the first node has read its file',
} as const satisfies Record<Obstacle, string>

const LENGTH_MAX = 300

/** Which condition kept how many nodes from a model, in one sentence; the most frequent first; and what the last node said that failed. */
export function shortageText(shortage: Shortage | undefined, lastProblem?: string): string {
  if (!shortage || shortage.size === 0) return 'The network has no node.'
  const parts = [...shortage]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .map(([obstacle, count]) => `${count} ${texts[obstacle]}`)
  const last = lastProblem === undefined ? '' : ` The last to fail said: ${lastProblem}`
  return `Of the nodes: ${parts.join('; ')}.${last}`.slice(0, LENGTH_MAX)
}
