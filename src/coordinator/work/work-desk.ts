/**
 * Where turns decide about jobs: what nodes may do now (the floor, in memory), what a command comes to, the money that
 * follows in the same turn, and the orders to nodes that leave once it is all durable.
 */
import type { TimestampMs } from '#kernel/time.ts'
import { type Around, decideWork, type WorkCommand, type WorkRefusal } from '#work/decide-work.ts'
import { type Desk, enact, hasReady, reviewWork, serveNode, serveWaiting } from '#work/desk.ts'
import { Floor } from '#work/floor.ts'
import { keptTasks, summaryOf } from '#work/job-summary.ts'
import { type Attempt, jobOf } from '#work/work.ts'
import type { WorkEvent } from '#work/work-events.ts'
import { type WorkLimits, workLimits } from '#work/work-limits.ts'
import type { Turn } from '../turn.ts'
import { createOutbox, type OrdersSender } from './outbox.ts'
import { isPaidByCustomer, type PlanRefusal, planRefusal } from './plan-refusal.ts'
import { grantOf } from './task-grant.ts'
import { balanceHolds, type PayRefusal, payFor, payRefusal } from './task-pay.ts'

/** In order of precedence: what the work refuses, then what the plan may not be, then what money refuses. */
export type DeskRefusal = WorkRefusal | PlanRefusal | PayRefusal

/**
 * Called in the turn of an applied event, once the command that led to it is carried out whole. `attempt` is the one that the
 * event is of, as it was; `null` for events of jobs and tasks.
 */
export type WorkListener = (turn: Turn, event: WorkEvent, attempt: Attempt | null) => void

export interface WorkDesk {
  readonly floor: Floor
  readonly limits: WorkLimits
  /** The network's part of what a task costs, in hundredths of a percent. */
  readonly feeBps: number
  /** Events enter the turn together with the money that follows. Refused, nothing has changed. */
  carryOut(turn: Turn, command: WorkCommand): DeskRefusal | null
  /** Gives the node what there is for it. */
  serve(turn: Turn, nodeId: string): void
  /** Gives what is ready to nodes that wait: to be called after a command of people. */
  serveWaiting(turn: Turn): void
  /** What ended without anybody's saying so ends, and what is there is given. */
  review(turn: Turn): void
  /** Tells the node once all that the turn did is durable. */
  order: ReturnType<typeof createOutbox>['order']
  /** For every event from now on; not at replay. A listener may carry out commands of its own. */
  onEvent(run: WorkListener): void
  around(turn: Pick<Turn, 'state'>): Around
}

export interface WorkDeskParts {
  /** When this coordinator began to lead, by cell time. */
  readonly openedAtMs: TimestampMs
  /** The network's part of what a task costs, in hundredths of a percent. */
  readonly feeBps: number
  readonly limits?: WorkLimits
  readonly send: OrdersSender
}

export function createWorkDesk({ openedAtMs, feeBps, limits = workLimits, send }: WorkDeskParts): WorkDesk {
  const floor = new Floor(openedAtMs, limits)
  const outbox = createOutbox(send)
  const listeners: WorkListener[] = []
  let applied: { readonly event: WorkEvent; readonly attempt: Attempt | null }[] = []
  let isTelling = false

  const around = ({ state }: Pick<Turn, 'state'>): Around => ({ work: state.work, floor, limits })

  const deskOf = (turn: Turn): Desk => ({ ...around(turn), apply: (event) => apply(turn, event) })

  function apply(turn: Turn, decided: WorkEvent): void {
    const event = withSummary(turn, decided)
    const { work } = turn.state
    const before = 'fence' in event ? (work.attempts.get(event.fence) ?? null) : null
    const pay = payFor(turn, event, feeBps)
    turn.record([event])
    pay?.()
    const attempt = before ?? ('fence' in event ? (work.attempts.get(event.fence) ?? null) : null)
    if (event.type === 'work.granted') outbox.order(turn, event.nodeId, grantOf(work, event))
    if (event.type === 'work.attempt_ended' && attempt)
      outbox.order(turn, attempt.nodeId, { kind: 'cancel', fence: event.fence })
    applied.push({ event, attempt })
  }

  /** What was applied is told to those who listen, with what they themselves lead to. */
  function settle(turn: Turn): void {
    if (isTelling) return
    isTelling = true
    while (applied.length > 0) {
      const told = applied
      applied = []
      balanceHolds(
        turn,
        told.map(({ event }) => event),
      )
      for (const { event, attempt } of told) for (const listen of listeners) listen(turn, event, attempt)
    }
    isTelling = false
  }

  return {
    floor,
    limits,
    feeBps,
    around,
    order: outbox.order,
    onEvent: (run) => void listeners.push(run),
    carryOut(turn, command) {
      const decision = decideWork(command, around(turn))
      if (!Array.isArray(decision)) return decision
      const refusal = planRefusal(command) ?? payRefusal(turn, command, decision)
      if (refusal) return refusal
      enact(deskOf(turn), decision)
      settle(turn)
      return null
    },
    serve(turn, nodeId) {
      serveNode(deskOf(turn), nodeId, turn.nowMs)
      settle(turn)
    },
    serveWaiting(turn) {
      const desk = deskOf(turn)
      if (floor.waitingCount === 0 || !hasReady(desk)) return
      serveWaiting(desk, turn.nowMs)
      settle(turn)
    },
    review(turn) {
      reviewWork(deskOf(turn), turn.nowMs)
      settle(turn)
    },
  }
}

/** What is kept of a job that is forgotten goes with the news of it. */
function withSummary({ state, nowMs }: Turn, event: WorkEvent): WorkEvent {
  if (event.type !== 'work.job_forgotten' && event.type !== 'work.tasks_forgotten') return event
  const job = jobOf(state.work, event.jobId)
  if (!isPaidByCustomer(job)) return event
  if (event.type === 'work.tasks_forgotten') return { ...event, tasks: keptTasks(job, event.from, event.to) }
  const { unverified = 0 } = state.verify.jobs.get(event.jobId) ?? {}
  return { ...event, summary: summaryOf(job, unverified, event.from), atMs: nowMs }
}
