import type { Node } from '#fleet/fleet.ts'
import { divideUp, type NanoUsd } from '#kernel/money.ts'
import type { WorkerFacts } from '#protocol/work-link.ts'
import type { NodeFacts } from '#work/floor.ts'

/** What the node says of its machine, with what the fleet knows of the node: of that nothing is taken from itself. One that is barred is as if drained. */
export function nodeFactsOf(node: Node, told: WorkerFacts, isBarred = false, standing?: number): NodeFacts {
  const { kinds, speed, memoryMib, vramMib, bytesPerSecond, askPerHour, onlyAudits } = told
  return {
    nodeId: node.id,
    kinds,
    speed,
    memoryMib,
    vramMib,
    bytesPerSecond,
    askPerHour: perReferenceHour(askPerHour, speed),
    upSinceMs: node.presenceSinceMs,
    organisationId: node.organisationId,
    nodeClass: node.nodeClass,
    isDrained: node.isDrained || isBarred,
    ...(onlyAudits && { onlyAudits }),
    ...(standing !== undefined && { standing }),
  }
}

const PARTS = 1_000_000

/** What an hour of a node of speed 1 costs on a machine that asks `ask` for an hour of its own; rounded up. */
export const perReferenceHour = (ask: NanoUsd, speed: number): NanoUsd =>
  divideUp(ask * BigInt(PARTS), BigInt(Math.max(1, Math.round(speed * PARTS))))
