/**
 * Who may do what. Every object of the network belongs to an organisation; its API keys act for it within their
 * scopes. A key is shown once, when it is made; only its HMAC is kept, so a stolen journal opens nothing.
 */
import { assert, unreachable } from '#kernel/assert.ts'
import type { TimestampMs } from '#kernel/time.ts'
import type { Scope } from '#protocol/scope.ts'
import type { OrganisationEvent } from './organisation-events.ts'

export interface Organisations {
  organisations: Map<string, Organisation>
  keys: Map<string, ApiKey>
  /** Key hash → key id, of every key that is not revoked. */
  keyIdByHash: Map<string, string>
}

export interface Organisation {
  readonly id: string
  readonly name: string
  readonly createdAtMs: TimestampMs
}

export interface ApiKey {
  readonly id: string
  readonly organisationId: string
  readonly name: string
  readonly hash: string
  readonly hint: string
  readonly scopes: readonly Scope[]
  readonly createdAtMs: TimestampMs
  revokedAtMs: TimestampMs | null
}

export type OrganisationCommand =
  | { kind: 'create_organisation'; organisationId: string; name: string; nowMs: TimestampMs }
  | {
      kind: 'create_key'
      keyId: string
      organisationId: string
      name: string
      hash: string
      hint: string
      scopes: readonly Scope[]
      nowMs: TimestampMs
    }
  | { kind: 'revoke_key'; keyId: string; organisationId: string; nowMs: TimestampMs }

/** Ordered by precedence. */
export type OrganisationRefusal =
  | 'organisation_exists'
  | 'organisation_unknown'
  | 'scopes_empty'
  | 'key_exists'
  | 'key_unknown'
  | 'key_revoked'

export const emptyOrganisations = (): Organisations => ({
  organisations: new Map(),
  keys: new Map(),
  keyIdByHash: new Map(),
})

export function decideOrganisations(
  state: Organisations,
  command: OrganisationCommand,
): OrganisationRefusal | OrganisationEvent[] {
  switch (command.kind) {
    case 'create_organisation': {
      const { organisationId, name, nowMs } = command
      if (state.organisations.has(organisationId)) return 'organisation_exists'
      return [{ type: 'organisation.created', organisationId, name, atMs: nowMs }]
    }
    case 'create_key': {
      const { keyId, organisationId, name, hash, hint, scopes, nowMs } = command
      if (!state.organisations.has(organisationId)) return 'organisation_unknown'
      if (scopes.length === 0) return 'scopes_empty'
      if (state.keys.has(keyId) || state.keyIdByHash.has(hash)) return 'key_exists'
      const created = { keyId, organisationId, name, hash, hint, scopes: [...scopes], atMs: nowMs }
      return [{ type: 'organisation.key_created', ...created }]
    }
    case 'revoke_key': {
      const key = state.keys.get(command.keyId)
      // Another organisation's key is as unknown as one that never was.
      if (!key || key.organisationId !== command.organisationId) return 'key_unknown'
      if (key.revokedAtMs !== null) return 'key_revoked'
      return [{ type: 'organisation.key_revoked', keyId: key.id, atMs: command.nowMs }]
    }
    default:
      return unreachable(command)
  }
}

export function evolveOrganisations(state: Organisations, event: OrganisationEvent): void {
  switch (event.type) {
    case 'organisation.created': {
      const { organisationId: id, name, atMs } = event
      state.organisations.set(id, { id, name, createdAtMs: atMs })
      break
    }
    case 'organisation.key_created': {
      const { keyId: id, organisationId, name, hash, hint, scopes, atMs } = event
      state.keys.set(id, {
        id,
        organisationId,
        name,
        hash,
        hint,
        scopes,
        createdAtMs: atMs,
        revokedAtMs: null,
      })
      state.keyIdByHash.set(hash, id)
      break
    }
    case 'organisation.key_revoked': {
      const key = state.keys.get(event.keyId)
      assert(key, 'decide checked that the key exists')
      key.revokedAtMs = event.atMs
      state.keyIdByHash.delete(key.hash)
      break
    }
    default:
      unreachable(event)
  }
}

/** Throws unless every live key, and no other, can be found by its hash and belongs to a known organisation. */
export function checkOrganisations(state: Organisations): void {
  let live = 0
  for (const key of state.keys.values()) {
    assert(state.organisations.has(key.organisationId), `key ${key.id} belongs to nobody`)
    if (key.revokedAtMs !== null) continue
    live++
    assert(state.keyIdByHash.get(key.hash) === key.id, `key ${key.id} cannot be found by its hash`)
  }
  assert(state.keyIdByHash.size === live, 'a revoked key can still be found')
}

/** What each scope includes besides itself. An operator runs the network and may do whatever an owner may. */
const included = {
  operator: ['owner', 'billing', 'developer', 'viewer', 'provider'],
  owner: ['billing', 'developer', 'viewer', 'provider'],
  billing: ['viewer'],
  developer: ['viewer'],
  provider: ['viewer'],
  viewer: [],
} satisfies Record<Scope, Scope[]>

/** True when one of `scopes` is `needed` or includes it. */
export const allows = (scopes: readonly Scope[], needed: Scope): boolean =>
  scopes.some((scope) => scope === needed || (included[scope] as Scope[]).includes(needed))
