import type { Node } from '#fleet/fleet.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { isOpen } from '#organisations/organisations.ts'
import type { FollowedKey, FollowedNode, FollowReply } from '#protocol/cell.ts'
import { answerRateBps, isBadAuditor } from '#verify/answer-rules.ts'
import { answerRecordOf } from '#verify/answers.ts'
import { recordOf } from '#verify/verify.ts'
import { isOperators } from './answers/operator.ts'
import type { Coordinator } from './coordinator.ts'
import type { CoordinatorEvent } from './coordinator-events.ts'
import type { CoordinatorState } from './coordinator-state.ts'
import { isLong, partFrom, type Tellers, type Told } from './feed-part.ts'
import { followedModels, wantedModels } from './model-orders.ts'
import { barOf, barTouched } from './node-bars.ts'
import { followedStanding, restanding } from './reputation/followed-standing.ts'
import { classOfKey } from './sla/class-of-key.ts'
import { keyTouched, promisedByBudget } from './work/job-spend.ts'

export interface Feed {
  /** Sequence of the newest change that readers should fetch. */
  newest(): number
  /**
   * Nodes, keys and models that changed after `version` of this `epoch`; all of them for another epoch's reader, and for one
   * that missed very much. With `from`, all of them come in parts.
   */
  since(reader: {
    epoch: number
    version: number
    from?: string | undefined
  }): Omit<FollowReply, 'wantsPresence' | 'gateways'>
}

/** What gateways copy: each node and key with the journal sequence of its last change; and where the coordinator's API is. */
export function createFeed(
  coordinator: Coordinator,
  apiUrl?: string,
  { auditsAnswers }: { auditsAnswers: boolean } = { auditsAnswers: false },
): Feed {
  const { state } = coordinator
  const changedNodes = new Map<string, number>()
  const changedKeys = new Map<string, number>()
  let newest = coordinator.sequence()
  /** Of the catalogue's last change. */
  let catalogued = newest
  /** Of the last change to a key that is forgotten: whoever has not heard of that is told everything. */
  let untold = 0

  coordinator.onEvent((event, sequence) => {
    const barred = barTouched(event)
    if (barred === 'all') {
      untold = sequence
      newest = sequence
    }
    const nodeId = changedNode(event) ?? (barred === 'all' ? null : barred)
    // Re-inserted, so that the newest changes stand last, as they are told.
    if (nodeId) {
      changedNodes.delete(nodeId)
      changedNodes.set(nodeId, sequence)
      newest = sequence
    }
    for (const id of [...restanding(state, event), ...wrongAuditors(event)]) {
      changedNodes.delete(id)
      changedNodes.set(id, sequence)
      newest = sequence
    }
    if (changesCatalogue(event)) {
      catalogued = sequence
      newest = sequence
    }
    if (event.type === 'organisation.keys_forgotten') {
      for (const forgotten of event.keyIds) {
        untold = Math.max(untold, changedKeys.get(forgotten) ?? 0)
        changedKeys.delete(forgotten)
      }
    }
    // Keys of an organisation have its class: all of them are told anew.
    if (event.type === 'sla.class_set') {
      untold = sequence
      newest = sequence
    }
    const keyId = changedKey(state, event)
    if (keyId) {
      changedKeys.delete(keyId)
      changedKeys.set(keyId, sequence)
      newest = sequence
    }
  })

  return {
    newest: () => newest,
    since({ epoch, version, from }) {
      const { keySecretCheck } = state.organisations
      const nowMs = coordinator.nowMs()
      let sums: Map<string, NanoUsd> | null = null
      const promised = (budgetId: string): NanoUsd | undefined => {
        sums ??= promisedByBudget(state)
        return sums.get(budgetId)
      }
      const tell: Tellers = {
        node: (id) => followedNode(state, id, { nowMs, auditsAnswers }),
        key: (id) => followedKey(state, id, promised),
      }
      const told = toldSince(
        { isBehind: epoch !== coordinator.journal.epoch || version < untold, version, from },
        tell,
      )
      const { isComplete } = told
      // Of everything they are in its first part.
      const isFirst = from === undefined || from === ''
      return {
        epoch: coordinator.journal.epoch,
        version: coordinator.sequence(),
        nowMs,
        takesTallies: true,
        ...told,
        ...((isComplete ? isFirst : version < catalogued) && { models: followedModels(state.models) }),
        ...(apiUrl === undefined ? {} : { apiUrl }),
        ...(isComplete && keySecretCheck !== null && { keySecretCheck }),
      }
    },
  }

  function toldSince(
    { isBehind, version, from }: { isBehind: boolean; version: number; from: string | undefined },
    tell: Tellers,
  ): Told & { isComplete: boolean } {
    if (!isBehind && !from) {
      // Every gateway asks every second, and nearly always there is nothing new.
      const hasNews = version < newest
      const nodeIds = hasNews ? after(changedNodes, version) : []
      const keyIds = hasNews ? after(changedKeys, version) : []
      const told = { nodes: [...nodeIds].flatMap(tell.node), keys: [...keyIds].flatMap(tell.key) }
      if (from === undefined || !isLong(told)) return { isComplete: false, ...told }
    }
    const nodeIds = state.fleet.nodes.keys()
    const keyIds = openKeys(state)
    if (from !== undefined) return { isComplete: true, ...partFrom(from, { nodeIds, keyIds }, tell) }
    return { isComplete: true, nodes: [...nodeIds].flatMap(tell.node), keys: [...keyIds].flatMap(tell.key) }
  }
}

/** Whoever is told everything has none that ended. */
function* openKeys({ organisations }: CoordinatorState): Iterable<string> {
  for (const key of organisations.keys.values()) if (isOpen(key)) yield key.id
}

function* after(changes: Map<string, number>, version: number): Iterable<string> {
  for (const [id, sequence] of changes) if (sequence > version) yield id
}

/** The node whose followed fields `event` changes; that one of its own is gone a gateway sees for itself, and no other. */
function changedNode(event: CoordinatorEvent): string | null {
  switch (event.type) {
    case 'fleet.node_enrolled':
    case 'fleet.node_online':
    case 'fleet.node_lost':
    case 'fleet.node_reported':
    case 'fleet.node_drained':
    case 'fleet.node_undrained':
    case 'fleet.node_banned':
    case 'fleet.node_unbanned':
    case 'fleet.node_classed':
    case 'model.placed':
    case 'model.evicted':
      return event.nodeId
    case 'verify.answer_checked':
    case 'verify.answer_faulted':
      return event.rateBps === undefined ? null : event.nodeId
    default:
      return null
  }
}

const wrongAuditors = (event: CoordinatorEvent): readonly string[] =>
  event.type === 'verify.answer_checked' ? event.wrong : []

const changesCatalogue = ({ type }: CoordinatorEvent): boolean =>
  type === 'model.added' || type === 'model.changed' || type === 'model.removed'

/** The key whose followed fields `event` changes. */
function changedKey(state: CoordinatorState, event: CoordinatorEvent): string | null {
  switch (event.type) {
    case 'organisation.key_created':
    case 'organisation.key_revoked':
    case 'organisation.key_expired':
    case 'organisation.key_rotated':
    case 'organisation.key_limited':
      return event.keyId
    case 'usage.recorded':
      // What one gateway let through counts at the others, too.
      return event.record.budgetId === undefined ? null : event.record.keyId
    default:
      // So does what its jobs cost, and may yet.
      return keyTouched(state, event) ?? null
  }
}

function followedNode(
  state: CoordinatorState,
  id: string,
  { nowMs, auditsAnswers }: { nowMs: TimestampMs; auditsAnswers: boolean },
): FollowedNode[] {
  const node = state.fleet.nodes.get(id)
  if (!node) return []
  const { organisationId, publicKey, session, isDrained, bannedReason, capability, nodeClass } = node
  const models = capability?.models.map((model) => model.id) ?? []
  const isBanned = bannedReason !== null
  const told = { id, organisationId, publicKey, session, isDrained, isBanned, models, nodeClass }
  const barred = barOf(state, id, nowMs)
  const standing = followedStanding(state, id, nowMs)
  const audited = auditsAnswers ? auditFacts(state, node) : {}
  return [
    {
      ...told,
      ...audited,
      ...standing,
      ...(barred && { barred }),
      ...(capability?.hosting && { wanted: wantedModels(state.models, id) }),
    },
  ]
}

/** How often its answers are looked at; nobody audits the operator, whose word needs no other. */
function auditFacts(
  state: CoordinatorState,
  { id, organisationId, nodeClass }: Node,
): Pick<FollowedNode, 'auditBps' | 'isReference' | 'isBadAuditor'> {
  if (isOperators(state, organisationId)) return { isReference: true }
  const record = answerRecordOf(state.verify.answers, id)
  const auditBps = answerRateBps(record, nodeClass)
  return isBadAuditor(recordOf(state.verify, id), record) ? { auditBps, isBadAuditor: true } : { auditBps }
}

function followedKey(
  state: CoordinatorState,
  id: string,
  promisedOf: (budgetId: string) => NanoUsd | undefined,
): FollowedKey[] {
  const key = state.organisations.keys.get(id)
  if (!key) return []
  const { organisationId, hash, scopes, expiresAtMs, limits, budgetId } = key
  const use = state.organisations.use.get(budgetId)
  const slaClass = classOfKey(state, key)
  const { spendPerDay, spendPerMonth } = limits
  const isSpendLimited = spendPerDay !== undefined || spendPerMonth !== undefined
  const promised = isSpendLimited ? promisedOf(budgetId) : undefined
  return [
    {
      id,
      organisationId,
      hash,
      scopes: [...scopes],
      isRevoked: !isOpen(key),
      ...(expiresAtMs !== null && { expiresAtMs }),
      ...(slaClass !== 'none' && { slaClass }),
      ...(Object.keys(limits).length > 0 && {
        ...{ limits, budgetId },
        ...(use && { use }),
        ...(promised !== undefined && { promised }),
      }),
    },
  ]
}
