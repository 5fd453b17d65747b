import { unreachable } from '#kernel/assert.ts'
import type { NanoUsd } from '#kernel/money.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { KeyLimits } from '#protocol/key-limits.ts'
import type { Scope } from '#protocol/scope.ts'
import type { SlaClass } from '#protocol/sla.ts'
import { decideReached } from './budget-alerts.ts'
import { keepsOwner, mayGrant } from './grants.ts'
import type { KeyHolder, OrganisationEvent } from './organisation-events.ts'
import type { Acting, OrganisationRefusal } from './organisation-refusal.ts'
import {
  type ApiKey,
  allowsAll,
  defaultProject,
  holderOf,
  isLive,
  isStandingOwner,
  KEY_MEMORY_MS,
  type Organisations,
} from './organisations.ts'

export type KeyCommand =
  | (Acting & {
      kind: 'create_key'
      keyId: string
      organisationId: string
      name: string
      hash: string
      hint: string
      scopes: readonly Scope[]
      /** Absent: the default one. */
      projectId?: string
      holder?: KeyHolder
      expiresAtMs?: TimestampMs
      limits?: KeyLimits
      slaClass?: SlaClass
      nowMs: TimestampMs
    })
  | (Acting & { kind: 'revoke_key'; keyId: string; organisationId: string; nowMs: TimestampMs })
  | (Acting & {
      kind: 'rotate_key'
      keyId: string
      organisationId: string
      newKeyId: string
      hash: string
      hint: string
      /** How long the old key stays good; 0 ends it at once. */
      overlapMs: number
      /** When the new key ends; absent: it lives as long as the old one was given. */
      expiresAtMs?: TimestampMs
      nowMs: TimestampMs
    })
  | (Acting & {
      kind: 'limit_key'
      keyId: string
      organisationId: string
      limits: KeyLimits
      nowMs: TimestampMs
    })
  /** Tells what a key has reached of its limits of money; `added` of what it has spent is new. */
  | { kind: 'reach_budget'; keyId: string; added: NanoUsd; nowMs: TimestampMs }
  /** Notes that a key's time is over; it opened nothing from its expiry on. */
  | { kind: 'expire_key'; keyId: string; nowMs: TimestampMs }
  /** Ends the memory of keys that ended long ago, of some at a time. */
  | { kind: 'forget_keys'; nowMs: TimestampMs }
  /** Says which secret keys are hashed under. Another one shuts every key out: `isNew` says that the old one is lost. */
  | { kind: 'note_key_secret'; check: string; isNew: boolean; nowMs: TimestampMs }

type Decision = OrganisationRefusal | OrganisationEvent[]

export function decideKeys(state: Organisations, command: KeyCommand): Decision {
  switch (command.kind) {
    case 'create_key':
      return decideCreate(state, command)
    case 'expire_key': {
      const key = state.keys.get(command.keyId)
      if (!key) return 'key_unknown'
      if (key.revokedAtMs !== null) return 'key_revoked'
      if (key.expiredAtMs !== null) return []
      if (key.expiresAtMs === null || command.nowMs < key.expiresAtMs) return 'key_not_expired'
      return [{ type: 'organisation.key_expired', keyId: key.id, atMs: command.nowMs }]
    }
    case 'reach_budget':
      return decideReached(state, command)
    case 'forget_keys':
      return decideForget(state, command.nowMs)
    case 'note_key_secret':
      if (state.keySecretCheck === command.check) return []
      if (state.keySecretCheck !== null && !command.isNew) return 'key_secret_differs'
      return [{ type: 'organisation.key_secret_noted', check: command.check, atMs: command.nowMs }]
    case 'revoke_key':
    case 'rotate_key':
    case 'limit_key': {
      const key = state.keys.get(command.keyId)
      // Another organisation's key is as unknown as one that never was.
      if (!key || key.organisationId !== command.organisationId) return 'key_unknown'
      if (key.revokedAtMs !== null) return 'key_revoked'
      if (command.kind === 'revoke_key') return decideRevoke(state, command, key)
      if (!isLive(key, command.nowMs)) return 'key_expired'
      if (command.kind === 'rotate_key') return decideRotate(state, command, key)
      if (!mayGrant(state, command, key.scopes)) return 'scope_escalation'
      return [
        { type: 'organisation.key_limited', keyId: key.id, limits: command.limits, atMs: command.nowMs },
      ]
    }
    default:
      return unreachable(command)
  }
}

/** In one event at most: an entry of the journal has a size. */
const FORGOTTEN_AT_ONCE_MAX = 1_000

function decideForget({ keys }: Organisations, nowMs: TimestampMs): OrganisationEvent[] {
  const keyIds: string[] = []
  for (const { id, revokedAtMs, expiredAtMs } of keys.values()) {
    const endedAtMs = revokedAtMs ?? expiredAtMs
    if (endedAtMs === null || nowMs - endedAtMs < KEY_MEMORY_MS) continue
    keyIds.push(id)
    if (keyIds.length === FORGOTTEN_AT_ONCE_MAX) break
  }
  return keyIds.length === 0 ? [] : [{ type: 'organisation.keys_forgotten', keyIds, atMs: nowMs }]
}

function decideCreate(state: Organisations, command: KeyCommand & { kind: 'create_key' }): Decision {
  const { keyId, organisationId, name, hash, hint, scopes, holder, expiresAtMs, limits, nowMs } = command
  const { slaClass } = command
  const projectId = command.projectId ?? defaultProject(organisationId)
  const project = state.projects.get(projectId)
  if (project?.organisationId !== organisationId) return 'project_unknown'
  if (project.archivedAtMs !== null) return 'project_archived'
  const held = holder && holderOf(state, holder)
  if (holder && held?.organisationId !== organisationId) {
    return holder.kind === 'member' ? 'member_unknown' : 'service_account_unknown'
  }
  if (holder && !held?.isHere) {
    return holder.kind === 'member' ? 'member_not_accepted' : 'service_account_removed'
  }
  if (scopes.length === 0) return 'scopes_empty'
  if (expiresAtMs !== undefined && expiresAtMs <= nowMs) return 'expiry_past'
  if (state.keys.has(keyId) || state.keyIdByHash.has(hash)) return 'key_exists'
  if (!mayGrant(state, command, scopes)) return 'scope_escalation'
  if (held && !allowsAll(held.scopes, scopes)) return 'holder_lacks_scope'
  return [
    {
      type: 'organisation.key_created',
      keyId,
      organisationId,
      name,
      hash,
      hint,
      scopes: [...scopes],
      atMs: nowMs,
      projectId,
      ...(holder && { holder }),
      ...(expiresAtMs !== undefined && { expiresAtMs }),
      ...(limits && Object.keys(limits).length > 0 && { limits }),
      ...(slaClass && { slaClass }),
    },
  ]
}

function decideRevoke(
  state: Organisations,
  command: KeyCommand & { kind: 'revoke_key' },
  key: ApiKey,
): Decision {
  const { nowMs } = command
  if (key.expiredAtMs !== null) return 'key_expired'
  if (!mayGrant(state, command, key.scopes)) return 'scope_escalation'
  if (!keepsOwner(state, key.organisationId, new Set([key.id]))) return 'last_owner'
  return [{ type: 'organisation.key_revoked', keyId: key.id, atMs: nowMs, reason: 'revoked' }]
}

function decideRotate(
  state: Organisations,
  command: KeyCommand & { kind: 'rotate_key' },
  key: ApiKey,
): Decision {
  const { newKeyId, hash, hint, overlapMs, nowMs } = command
  const lifeMs = key.expiresAtMs === null ? null : key.expiresAtMs - key.createdAtMs
  const expiresAtMs = command.expiresAtMs ?? (lifeMs === null ? undefined : nowMs + lifeMs)
  if (expiresAtMs !== undefined && expiresAtMs <= nowMs) return 'expiry_past'
  if (state.keys.has(newKeyId) || state.keyIdByHash.has(hash)) return 'key_exists'
  if (key.rotatedToKeyId !== null) return 'key_rotated'
  if (!mayGrant(state, command, key.scopes)) return 'scope_escalation'
  const isHandedOn = expiresAtMs === undefined && isStandingOwner(key)
  if (!isHandedOn && !keepsOwner(state, key.organisationId, new Set([key.id]))) return 'last_owner'
  const { id: keyId, organisationId, name, projectId, holder, limits, slaClass, scopes } = key
  const endsAtMs = Math.min(nowMs + overlapMs, key.expiresAtMs ?? Number.POSITIVE_INFINITY)
  const events: OrganisationEvent[] = [
    {
      type: 'organisation.key_created',
      keyId: newKeyId,
      organisationId,
      name,
      hash,
      hint,
      scopes: [...scopes],
      atMs: nowMs,
      projectId,
      ...(holder && { holder }),
      ...(expiresAtMs !== undefined && { expiresAtMs }),
      ...(Object.keys(limits).length > 0 && { limits }),
      ...(slaClass !== null && { slaClass }),
      rotatedFromKeyId: keyId,
    },
    { type: 'organisation.key_rotated', keyId, newKeyId, endsAtMs, atMs: nowMs },
  ]
  if (overlapMs === 0) {
    events.push({ type: 'organisation.key_revoked', keyId, atMs: nowMs, reason: 'rotated' })
  }
  return events
}
