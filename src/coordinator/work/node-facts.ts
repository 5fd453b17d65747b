import type { Node } from '#fleet/fleet.ts'
import { divideUp, type NanoUsd } from '#kernel/money.ts'
import type { WorkerFacts } from '#protocol/work-link.ts'
import type { NodeFacts, NodeTerms } from '#work/floor.ts'

const CPU = 'CPU'
/** More than any machine has, where the reference node has 1: what a node is owed goes by the speed that it tells. */
const CPU_SPEED_MAX = 100
const GPU_SPEED_MAX = 1_000

/** What the node says of its machine, with what the fleet knows of the node: of that nothing is taken from itself. One that is barred is as if drained. */
export function nodeFactsOf(node: Node, told: WorkerFacts, isBarred = false, standing?: number): NodeFacts {
  const { kinds, memoryMib, vramMib, bytesPerSecond, askPerHour, onlyAudits, cpuSpeed } = told
  // One of before that has a GPU did not say which: most are that.
  const { device = vramMib > 0 ? 'CUDA' : CPU } = told
  const speed = Math.min(told.speed, device === CPU ? CPU_SPEED_MAX : GPU_SPEED_MAX)
  return {
    nodeId: node.id,
    kinds,
    speed,
    device,
    ...(device !== CPU && cpuSpeed !== undefined && { cpu: termsOf(askPerHour, cpuSpeed) }),
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

function termsOf(ask: NanoUsd, toldSpeed: number): NodeTerms {
  const speed = Math.min(toldSpeed, CPU_SPEED_MAX)
  return { speed, askPerHour: perReferenceHour(ask, speed) }
}

const PARTS = 1_000_000

/** What an hour of a node of speed 1 costs on a machine that asks `ask` for an hour of its own; rounded up. */
export const perReferenceHour = (ask: NanoUsd, speed: number): NanoUsd =>
  divideUp(ask * BigInt(PARTS), BigInt(Math.max(1, Math.round(speed * PARTS))))
