/**
 * What nodes say of their tasks, as their gateways bring it. Signs of life stay in memory; only what becomes of attempts
 * enters the turn. Whatever comes twice changes nothing the second time.
 */
import { wrongPath } from '#blobs/tree.ts'
import type { Node } from '#fleet/fleet.ts'
import { MINUTE_MS, type TimestampMs } from '#kernel/time.ts'
import type { TaskFailure } from '#protocol/task-failure.ts'
import type { WorkerFacts, WorkNews, WorkSay } from '#protocol/work-link.ts'
import { hasRoom } from '#work/grant.ts'
import type { TaskPlace } from '#work/work-events.ts'
import type { CoordinatorEvent } from '../coordinator-events.ts'
import type { CoordinatorState } from '../coordinator-state.ts'
import { barOf, barTouched } from '../node-bars.ts'
import type { Turn } from '../turn.ts'
import { nodeFactsOf } from './node-facts.ts'
import { namesTooLong, nameTaken, outputsMaxOf } from './plan-refusal.ts'
import { grantOf } from './task-grant.ts'
import type { WorkDesk } from './work-desk.ts'

export interface NodeSays {
  hear(turn: Turn, news: WorkNews): void
  /** What the fleet has decided of nodes. */
  note(event: CoordinatorEvent): void
}

type Say<Kind extends WorkSay['kind']> = Extract<WorkSay, { kind: Kind }>

/** A node whose tasks fail for no fault of theirs is given the next one so much later, each time four times as much. */
const REST_MS_MIN = 250
const REST_MS_MAX = MINUTE_MS

export function createNodeSays(desk: WorkDesk, state: CoordinatorState, nowMs: () => TimestampMs): NodeSays {
  const { floor, limits } = desk
  const { fleet } = state
  const isBarred = (nodeId: string): boolean => barOf(state, nodeId, nowMs()) !== null
  const standingOf = (nodeId: string): number | undefined => {
    const record = state.reputation.nodes.get(nodeId)
    return record && record.standing / 100
  }
  /** Said before the fleet knew that the node is here. */
  const early = new Map<string, { readonly facts: WorkerFacts; readonly cached: readonly string[] }>()
  /** Nodes that want nothing now, though they have room. */
  const unwilling = new Set<string>()
  /** Failures in a row that no task is to blame for. */
  const luckless = new Map<string, number>()

  function forget(nodeId: string): void {
    floor.leave(nodeId)
    early.delete(nodeId)
    unwilling.delete(nodeId)
    luckless.delete(nodeId)
  }

  function amendBarred(touched: string): void {
    for (const nodeId of touched === 'all' ? fleet.nodes.keys() : [touched]) {
      const isDrained = fleet.nodes.get(nodeId)?.isDrained === true
      floor.amend(nodeId, { isDrained: isDrained || isBarred(nodeId) })
    }
  }

  function hello(turn: Turn, node: Node, { facts, cached }: Say<'hello'>): void {
    unwilling.delete(node.id)
    if (node.presence !== 'online') return void early.set(node.id, { facts, cached })
    floor.seat(nodeFactsOf(node, facts, isBarred(node.id), standingOf(node.id)), new Set(cached), turn.nowMs)
    desk.serve(turn, node.id)
  }

  function beat(turn: Turn, nodeId: string, { held, room }: Say<'beat'>): void {
    const { work } = turn.state
    const own = held.filter(({ fence }) => work.attempts.get(fence)?.nodeId === nodeId)
    // It missed that these are over.
    for (const { fence } of held)
      if (work.attempts.get(fence)?.nodeId !== nodeId) desk.order(turn, nodeId, { kind: 'cancel', fence })
    if (!floor.hear(nodeId, own, turn.nowMs)) return desk.order(turn, nodeId, { kind: 'who' })
    const isOpen = hasRoom({ work, limits }, nodeId)
    floor.noteRoom(nodeId, room > 0 || !isOpen, turn.nowMs)
    if (room === 0) {
      floor.serve(nodeId)
      if (isOpen) unwilling.add(nodeId)
      return
    }
    unwilling.delete(nodeId)
    if (isOpen) desk.serve(turn, nodeId)
  }

  /** A gateway that started after the grant knows no more of the attempt than its node mentions. */
  function tellAgain(turn: Turn, nodeId: string, fence: number): void {
    const { work } = turn.state
    const attempt = work.attempts.get(fence)
    if (attempt?.nodeId === nodeId) desk.order(turn, nodeId, grantOf(work, attempt))
  }

  function commit(turn: Turn, nodeId: string, say: Say<'commit'>): string | null {
    const { fence, outputs } = say
    const attempt = turn.state.work.attempts.get(fence)
    const wrong = attempt?.nodeId === nodeId ? wrongOutputs(turn, attempt, say) : null
    if (wrong) {
      desk.carryOut(turn, { kind: 'fail', fence, nodeId, failure: wrong, nowMs: turn.nowMs })
      return wrong.signature
    }
    luckless.delete(nodeId)
    return desk.carryOut(turn, {
      kind: 'commit',
      fence,
      nodeId,
      outputs,
      wallMs: say.wallMs,
      nowMs: turn.nowMs,
    })
  }

  function fail(turn: Turn, nodeId: string, { fence, failure }: Say<'fail'>): string | null {
    const refusal = desk.carryOut(turn, { kind: 'fail', fence, nodeId, failure, nowMs: turn.nowMs })
    if (refusal === null && failure.class === 'infrastructure') {
      const times = luckless.get(nodeId) ?? 0
      luckless.set(nodeId, times + 1)
      floor.rest(nodeId, turn.nowMs + Math.min(REST_MS_MAX, REST_MS_MIN * 4 ** times))
    }
    return refusal
  }

  function take(turn: Turn, node: Node, say: WorkSay): void {
    const { id: nodeId } = node
    if (say.kind === 'hello') return hello(turn, node, say)
    if (say.kind === 'beat') return beat(turn, nodeId, say)
    const { kind: to, fence } = say
    const refusal = node.bannedReason !== null ? 'node_banned' : answerTo(turn, nodeId, say)
    desk.order(turn, nodeId, { kind: 'answer', to, fence, refusal })
    if (!unwilling.has(nodeId)) desk.serve(turn, nodeId)
  }

  function answerTo(turn: Turn, nodeId: string, say: Say<'commit' | 'deliver' | 'fail'>): string | null {
    if (say.kind === 'commit') return commit(turn, nodeId, say)
    if (say.kind === 'fail') return fail(turn, nodeId, say)
    return desk.carryOut(turn, { kind: 'deliver', fence: say.fence, nodeId, nowMs: turn.nowMs })
  }

  return {
    hear(turn, { said, unknown = [] }) {
      for (const { nodeId, say } of said) {
        const node = fleet.nodes.get(nodeId)
        if (!node) continue
        // It is told nothing and given nothing, but that what it brings is not taken.
        if (node.bannedReason !== null && (say.kind === 'hello' || say.kind === 'beat')) continue
        take(turn, node, say)
      }
      if (turn.hasChanged()) desk.serveWaiting(turn)
      for (const { nodeId, fence } of unknown) tellAgain(turn, nodeId, fence)
    },

    note(event) {
      const touched = barTouched(event)
      if (touched !== null) amendBarred(touched)
      switch (event.type) {
        case 'fleet.node_online': {
          const { nodeId, atMs } = event
          const told = early.get(nodeId)
          const node = fleet.nodes.get(nodeId)
          if (!told || !node) return
          early.delete(nodeId)
          floor.seat(
            nodeFactsOf(node, told.facts, isBarred(nodeId), standingOf(nodeId)),
            new Set(told.cached),
            atMs,
          )
          // The next review has something for it.
          return floor.wait(nodeId)
        }
        case 'fleet.node_suspect':
          return floor.cutOff(event.nodeId)
        case 'fleet.node_lost':
        case 'fleet.node_banned':
          return forget(event.nodeId)
        case 'fleet.node_drained':
          return floor.amend(event.nodeId, { isDrained: true })
        case 'fleet.node_undrained':
          return floor.amend(event.nodeId, { isDrained: isBarred(event.nodeId) })
        case 'reputation.graded':
          for (const { nodeId, standing } of event.grades) floor.amend(nodeId, { standing: standing / 100 })
          return
        case 'fleet.node_classed':
          return floor.amend(event.nodeId, { nodeClass: event.nodeClass })
      }
    },
  }
}

/** What is wrong with what an attempt is said to have made. The names come from whatever ran: it is the task's failure. */
function wrongOutputs(
  { state }: Turn,
  place: TaskPlace & { readonly jobId: string },
  { outputs }: Say<'commit'>,
): TaskFailure | null {
  const max = outputsMaxOf(state.work, place)
  const names = outputs.map(({ name }) => name)
  const wrong = wrongPath(names) ?? nameTaken(state.work, place, names)
  const tooLong = namesTooLong(state.work, place, names)
  if (wrong === null && tooLong === null && outputs.length <= max) return null
  const message =
    wrong ?? tooLong ?? `It made ${outputs.length} files, and later steps can take ${max} of each task.`
  return { class: 'task', signature: 'outputs_wrong', message, tail: '' }
}
