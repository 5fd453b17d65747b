/**
 * Which nodes a request with a promise is for, best first. Reliability is spent where it was sold: a second try, and whoever
 * goes on after a failure, stand apart from the first (another owner, network, region and version of the agent, so that
 * what took one does not take the other), and the strictest promise is not begun on a node that may leave within the hour.
 */
import { HOUR_MS, type TimestampMs } from '#kernel/time.ts'
import type { SlaClass } from '#protocol/sla.ts'
import type { NodeFacts } from '../preferences.ts'

/** Whether a node is among those of one step. */
export type Fit = (node: NodeFacts) => boolean

/** Below this a node is not asked first. */
const STANDING_MIN = 0.5
const FRESH_MS = HOUR_MS

/** More than the ordinary was promised: no node proves itself by such a request. */
export const isPromised = (slaClass: SlaClass | undefined): boolean =>
  slaClass === 'business' || slaClass === 'enterprise'

const any: Fit = () => true
const isSound: Fit = ({ isHalted = false }) => !isHalted
const onlyAny: readonly Fit[] = [any]
const soundFirst: readonly Fit[] = [isSound, any]

/**
 * Steps to go through until one has a node with room: nodes of the first will do best, those of the last only just.
 * `before`: the nodes that work on the request or failed it.
 */
export function carefulSteps(
  slaClass: SlaClass | undefined,
  before: readonly NodeFacts[],
  nowMs: TimestampMs,
): readonly Fit[] {
  if (slaClass === undefined || slaClass === 'none') return onlyAny
  if (slaClass === 'standard') return soundFirst
  const isWell: Fit = (node) => isSound(node) && (node.standing ?? 1) >= STANDING_MIN
  const isFit: Fit = slaClass === 'enterprise' ? (node) => isWell(node) && !isFresh(node, nowMs) : isWell
  const steps: Fit[] = [isFit, isWell, isSound, any]
  if (before.length === 0) return steps
  const isApart: Fit = (node) => before.every((other) => sharedDomains(node, other) === 0)
  const isOfAnother: Fit = (node) =>
    before.every(({ organisationId }) => organisationId !== node.organisationId)
  return [(node) => isFit(node) && isApart(node), (node) => isFit(node) && isOfAnother(node), ...steps]
}

const isFresh = ({ upSinceMs }: NodeFacts, nowMs: TimestampMs): boolean =>
  upSinceMs === undefined || nowMs - upSinceMs < FRESH_MS

/** How many things may take both at once: what is not known of either is not shared. */
export function sharedDomains(a: NodeFacts, b: NodeFacts): number {
  const isSame = (one: string | null | undefined, other: string | null | undefined): number =>
    one != null && one === other ? 1 : 0
  return (
    isSame(a.organisationId, b.organisationId) +
    isSame(a.network, b.network) +
    isSame(a.region, b.region) +
    isSame(a.agentVersion, b.agentVersion)
  )
}
