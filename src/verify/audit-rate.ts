/**
 * How often a node's results are looked at, and how much of its pay stands in for those that are not. Both follow from
 * one inequality: to cheat must cost more than it brings. See `docs/concepts/verification.md`.
 */
import type { NodeClass } from '#protocol/node-class.ts'

/** Of a new node, and of one that failed: so many in a row are looked at, all of them. */
export const FIRST_CHECKED = 10

export interface AuditPolicy {
  /** However long a node was good, so many of its results are looked at: in hundredths of a percent. */
  readonly floorBps: number
  /** Of those who audit it, the part that may be the same hand under another name. */
  readonly colludingBps: number
}

/**
 * The part of false frames that an audit finds out: the lowest of any fraud on any scene that `npm run bench -- render-fraud`
 * measures is above it.
 */
export const DETECTION_BPS = 9_880

/** A vetted node is audited by vetted nodes alone, whose owners are known; a community node by anybody else. */
const policies: Readonly<Record<NodeClass, AuditPolicy>> = {
  community: { floorBps: 500, colludingBps: 1_667 },
  vetted: { floorBps: 200, colludingBps: 0 },
  attested: { floorBps: 200, colludingBps: 0 },
}

export const auditPolicy = (nodeClass: NodeClass): AuditPolicy => policies[nodeClass]

/** The chance that the node's next result is looked at, in hundredths of a percent: all at first, then ever fewer, never under the floor. */
export function auditRateBps({ passes }: { readonly passes: number }, nodeClass: NodeClass): number {
  if (passes < FIRST_CHECKED) return 10_000
  return Math.max(auditPolicy(nodeClass).floorBps, Math.ceil(10_000 / (1 + passes)))
}

/**
 * How many tasks' pay is held back, so that a false result loses money: with `q` the chance to be found out, one earns a task's pay in
 * `1 - q` of all cases and loses what is held back in `q` of them, so that at least `(1 - q) / q` must be.
 */
export function minHoldback({ floorBps, colludingBps }: AuditPolicy, detectionBps = DETECTION_BPS): number {
  const found = floorBps * detectionBps * (10_000 - colludingBps)
  return Math.ceil((1e12 - found) / found)
}

/** As `minHoldback`, for a node of this class. */
export const holdbackTasks = (nodeClass: NodeClass): number => minHoldback(auditPolicy(nodeClass))
