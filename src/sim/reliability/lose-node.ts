import type { AgentSlot, SimWorld } from '../sim-world.ts'

/** Longer than any side waits for a sign of life. */
const SILENT_MS = 60_000

/**
 * Kills a node's agent: `process` is a kill -9, whose machine ends the connections; `power` takes the machine with it, so
 * that nobody hears a word.
 */
export function loseNode(world: SimWorld, slot: AgentSlot, how: 'process' | 'power'): void {
  if (how === 'power') world.network.cut(slot.process, SILENT_MS)
  world.killAgent(slot)
}
