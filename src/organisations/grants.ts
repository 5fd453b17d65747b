/** What nobody may do: give away or take what they do not have, or leave an organisation without an owner. */
import type { TimestampMs } from '#kernel/time.ts'
import type { Scope } from '#protocol/scope.ts'
import type { KeyHolder, OrganisationEvent } from './organisation-events.ts'
import { allowsAll, isLive, isOpen, isStandingOwner, type Organisations } from './organisations.ts'

/** True when whoever acts has each of `scopes`. `null`, the network itself, has all. */
export function mayGrant(
  state: Organisations,
  { actorKeyId, nowMs }: { actorKeyId?: string | null; nowMs: TimestampMs },
  scopes: readonly Scope[],
): boolean {
  if (actorKeyId === undefined || actorKeyId === null) return true
  const actor = state.keys.get(actorKeyId)
  return actor !== undefined && isLive(actor, nowMs) && allowsAll(actor.scopes, scopes)
}

/** True when the organisation has an owner left once the keys in `ending` are gone; also when it never had one. */
export function keepsOwner(
  state: Organisations,
  organisationId: string,
  ending: ReadonlySet<string>,
): boolean {
  if (!state.organisations.get(organisationId)?.hasOwner) return true
  for (const key of state.keys.values()) {
    if (key.organisationId === organisationId && isStandingOwner(key) && !ending.has(key.id)) return true
  }
  return false
}

type Revoked = OrganisationEvent & { type: 'organisation.key_revoked' }

/** Ends every key that `holder` has: all of them, or those that may do more than `scopes`. */
export function revokeHeld(
  state: Organisations,
  holder: KeyHolder,
  nowMs: TimestampMs,
  scopes?: readonly Scope[],
): Revoked[] | 'last_owner' {
  const ending = [...state.keys.values()].filter(
    (key) =>
      isOpen(key) &&
      key.holder?.kind === holder.kind &&
      key.holder.id === holder.id &&
      !(scopes && allowsAll(scopes, key.scopes)),
  )
  const [first] = ending
  if (first && !keepsOwner(state, first.organisationId, new Set(ending.map(({ id }) => id)))) {
    return 'last_owner'
  }
  const reason = scopes ? 'holder_narrowed' : 'holder_removed'
  return ending.map(({ id }) => ({ type: 'organisation.key_revoked', keyId: id, atMs: nowMs, reason }))
}
