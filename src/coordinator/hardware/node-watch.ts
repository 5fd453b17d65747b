/** What happened to nodes since the last step that decides whether they are asked for a proof. */
import { MINUTE_MS } from '#kernel/time.ts'
import { durationMs } from '#work/placement.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import type { CoordinatorState } from '../coordinator-state.ts'
import type { OwedProofs } from './owed-proofs.ts'
import type { ProofSeats } from './proof-seats.ts'

/** A task that is expected to take so long is begun by a node that proved itself shortly before. */
const LONG_TASK_MS = 10 * MINUTE_MS

export interface Watched {
  /** Their cards may be reported after what they can prove. */
  readonly reported: ReadonlySet<string>
  /** Here again, on a connection that outlived a silence. */
  readonly returned: ReadonlySet<string>
  /** Were given what runs for long. */
  readonly leased: ReadonlySet<string>
}

export interface NodeWatch {
  note(event: CoordinatorEvent): void
  /** As if it had reported anew. */
  lookAgain(nodeId: string): void
  /** Everything since the last call. */
  take(): Watched
}

export function createNodeWatch(
  { fleet, work }: Pick<CoordinatorState, 'fleet' | 'work'>,
  { seats, owed }: { readonly seats: ProofSeats; readonly owed: OwedProofs },
): NodeWatch {
  const fresh = () => ({
    reported: new Set<string>(),
    returned: new Set<string>(),
    leased: new Set<string>(),
  })
  let watched = fresh()

  function goAway(event: CoordinatorEvent & { type: 'fleet.node_suspect' | 'fleet.node_lost' }): void {
    const { nodeId, reason } = event
    const seat = seats.get(nodeId)
    // News of an older connection may come behind what was said on a newer one.
    if (!seat || seat.session !== fleet.nodes.get(nodeId)?.session) return
    // It keeps its seat: a connection that merely fell silent may come back as it was, and says nothing anew then.
    seat.isAway = true
    for (const open of [...seat.open.values()]) {
      open.isExcused ||= reason === 'gateway_lost'
      if (event.type === 'fleet.node_suspect') continue
      owed.note(nodeId, open)
      seats.end(seat, open)
    }
  }

  return {
    note(event) {
      switch (event.type) {
        case 'fleet.node_reported':
          watched.reported.add(event.nodeId)
          break
        case 'fleet.node_online': {
          const seat = seats.get(event.nodeId)
          if (seat?.session !== event.session) break
          seat.isAway = false
          watched.returned.add(event.nodeId)
          break
        }
        case 'fleet.node_suspect':
        case 'fleet.node_lost':
          goAway(event)
          break
        case 'fleet.node_banned':
          seats.leave(event.nodeId)
          owed.forget(event.nodeId)
          break
        case 'work.granted': {
          const job = work.jobs.get(event.jobId)
          const task = job?.steps[event.step]?.tasks[event.task]
          if (job && task && durationMs(job, task, event.speed) >= LONG_TASK_MS)
            watched.leased.add(event.nodeId)
          break
        }
      }
    },
    lookAgain: (nodeId) => void watched.reported.add(nodeId),
    take() {
      const taken = watched
      watched = fresh()
      return taken
    },
  }
}
