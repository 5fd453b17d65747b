/**
 * Keeps the standing of nodes: notes who was seen at work, grades them now and then, and halts versions of the agent that
 * fail. Only what changes is journalled, for all nodes together.
 */
import { MINUTE_MS, SECOND_MS, type TimestampMs } from '#kernel/time.ts'
import type { ToldHealth } from '#protocol/node-health.ts'
import type { CoordinatorEvent, UsageEvent } from '../coordinator-events.ts'
import type { CoordinatorState } from '../coordinator-state.ts'
import type { Turn } from '../turn.ts'
import { countedUsage } from './counted-usage.ts'
import { createVersionWatch } from './version-watch.ts'

export interface ReputationDesk {
  /** To be told of every event as it happens. */
  note(event: CoordinatorEvent): void
  /** Grades and halts what is due; every second. */
  step(turn: Turn): void
  /** What a node says of its devices, as its gateway brings it. */
  hear(turn: Turn, told: ToldHealth): void
}

const GRADE_EVERY_MS = 10 * SECOND_MS
/** All nodes, seen or not: what was counted long ago counts less. */
const GRADE_ALL_EVERY_MS = 10 * MINUTE_MS
const JUDGE_EVERY_MS = 5 * SECOND_MS

export function createReputationDesk(state: CoordinatorState): ReputationDesk {
  const watch = createVersionWatch()
  const seen = new Set<string>()
  const versionOf = (nodeId: string): string | undefined =>
    state.fleet.nodes.get(nodeId)?.capability?.agentVersion
  let gradedAtMs = 0
  let gradedAllAtMs = 0
  let judgedAtMs = 0

  function saw(nodeId: string, isGood: boolean, nowMs: TimestampMs): void {
    seen.add(nodeId)
    const node = state.fleet.nodes.get(nodeId)
    const version = node?.capability?.agentVersion
    if (version === undefined) return
    watch.saw(version, { nodeId, organisationId: node?.organisationId ?? '' }, isGood, nowMs)
  }

  function noteUsage({ record, atMs = 0 }: UsageEvent): void {
    const { parts, failed = [], outcome } = countedUsage(state, record)
    const failedIds = new Set(failed.map(({ nodeId }) => nodeId))
    for (const nodeId of failedIds) saw(nodeId, false, atMs)
    if (outcome === 'completed')
      for (const { nodeId } of parts) if (!failedIds.has(nodeId)) saw(nodeId, true, atMs)
  }

  function grade(turn: Turn): void {
    const { nowMs } = turn
    if (nowMs - gradedAtMs < GRADE_EVERY_MS) return
    gradedAtMs = nowMs
    const isAll = nowMs - gradedAllAtMs >= GRADE_ALL_EVERY_MS
    if (isAll) gradedAllAtMs = nowMs
    const nodeIds = isAll ? [...state.reputation.nodes.keys()] : [...seen]
    seen.clear()
    if (nodeIds.length > 0) turn.reputation({ kind: 'grade', nodeIds: nodeIds.sort(), versionOf, nowMs })
  }

  function judge(turn: Turn): void {
    const { nowMs } = turn
    if (nowMs - judgedAtMs < JUDGE_EVERY_MS) return
    judgedAtMs = nowMs
    for (const failing of watch.failing(nowMs)) turn.reputation({ kind: 'halt_version', ...failing, nowMs })
    for (const [agentVersion, { atMs }] of [...state.reputation.halted]) {
      const isRun = [...state.fleet.nodes.values()].some(
        ({ capability }) => capability?.agentVersion === agentVersion,
      )
      const by = isRun ? 'recovered' : 'gone'
      if (!isRun || watch.hasRecovered(agentVersion, atMs, nowMs))
        turn.reputation({ kind: 'clear_version', agentVersion, by, nowMs })
    }
  }

  return {
    note(event) {
      switch (event.type) {
        case 'usage.recorded':
          return noteUsage(event)
        // All of its nodes stand otherwise now.
        case 'reputation.version_halted':
        case 'reputation.version_cleared':
          for (const nodeId of state.fleet.nodes.keys())
            if (versionOf(nodeId) === event.agentVersion) seen.add(nodeId)
          return
      }
    },
    step(turn) {
      judge(turn)
      grade(turn)
    },
    hear(turn, { nodeId, faults }) {
      turn.reputation({ kind: 'tell_health', nodeId, faults, nowMs: turn.nowMs })
    },
  }
}
