/** A node that falls sick, and a version of the agent that fails, in the golden history. */
import type { Turn } from '#coordinator/turn.ts'
import { assert } from '#kernel/assert.ts'
import { MINUTE_MS } from '#kernel/time.ts'

const nodeId = 'node_1'
const agentVersion = '0.1.0'
const done = (refusal: string | null): void => assert(refusal === null, `the golden history: ${refusal}`)

export function fallSick(turn: Turn, nowMs: number): void {
  const fault = { device: '0000:01:00', code: 'gpu_fault', message: 'The kernel reports: Xid 62.' } as const
  done(turn.reputation({ kind: 'tell_health', nodeId, faults: [fault], nowMs }))
  done(turn.reputation({ kind: 'halt_version', agentVersion, bad: 6, total: 7, nowMs }))
  done(turn.reputation({ kind: 'grade', nodeIds: [nodeId], versionOf: () => agentVersion, nowMs }))
}

export function getWell(turn: Turn, nowMs: number): void {
  done(turn.reputation({ kind: 'tell_health', nodeId, faults: [], nowMs: nowMs + MINUTE_MS }))
  done(turn.reputation({ kind: 'clear_version', agentVersion, by: 'recovered', nowMs }))
}
