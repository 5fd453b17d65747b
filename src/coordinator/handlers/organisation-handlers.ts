import { assert } from '#kernel/assert.ts'
import {
  allows,
  type ApiKey as StoredKey,
  type Organisation as StoredOrganisation,
} from '#organisations/organisations.ts'
import type { ApiKey } from '#protocol/api-key.ts'
import type { Organisation } from '#protocol/organisation.ts'
import { paginate } from '#protocol/page.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller, Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import type { Scope } from '#protocol/scope.ts'
import { mintKey } from '../mint-key.ts'
import { openOrganisation } from '../open-organisation.ts'
import { execute, type HandlerParts, isOperator, newId, notFound } from './handler-parts.ts'

type Names = 'createOrganisation' | 'listOrganisations' | 'createKey' | 'listKeys' | 'revokeKey'

export function organisationHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, Names> {
  const { organisations } = parts.coordinator.state

  return {
    createOrganisation: ({ body }) =>
      execute(parts, (turn) => {
        const organisationId = newId('org', parts)
        const refusal = openOrganisation(turn, { organisationId, name: body.name })
        assert(refusal === null, 'a fresh id names no organisation yet')
        return toOrganisation(organisations.organisations.get(organisationId))
      }),

    listOrganisations: ({ query }) =>
      execute(parts, () => {
        const all = [...organisations.organisations.values()].map(toOrganisation)
        return paginate(all.sort(byNewest), query, (organisation) => organisation.organisationId)
      }),

    createKey: ({ body }, caller) =>
      execute(parts, (turn) => {
        const organisationId = body.organisationId ?? caller.organisationId
        if (organisationId !== caller.organisationId && !isOperator(caller))
          throw notFound('organisation', organisationId)
        refuseEscalation(body.scopes, caller)
        const { key, keyId, refusal } = mintKey(turn, parts, {
          organisationId,
          name: body.name,
          scopes: body.scopes,
        })
        if (refusal === 'organisation_unknown') throw notFound('organisation', organisationId)
        assert(refusal === null, `a fresh key is accepted, not ${refusal}`)
        return { ...toApiKey(organisations.keys.get(keyId)), key }
      }),

    listKeys: ({ query }, caller) =>
      execute(parts, () => {
        const own = [...organisations.keys.values()]
          .filter((key) => key.organisationId === caller.organisationId)
          .map(toApiKey)
        return paginate(own.sort(byNewest), query, (key) => key.keyId)
      }),

    revokeKey: ({ params }, caller) =>
      execute(parts, (turn) => {
        const found = organisations.keys.get(params.keyId)
        const organisationId = isOperator(caller) ? (found?.organisationId ?? '') : caller.organisationId
        const { nowMs } = turn
        const refusal = turn.organisations({ kind: 'revoke_key', keyId: params.keyId, organisationId, nowMs })
        if (refusal === 'key_unknown') throw notFound('API key', params.keyId)
        return toApiKey(organisations.keys.get(params.keyId))
      }),
  }
}

/** Nobody gives away what they do not have. */
function refuseEscalation(scopes: readonly Scope[], caller: Caller): void {
  const missing = scopes.find((scope) => !allows(caller.scopes, scope))
  if (missing) {
    throw new Problem(
      'scope_missing',
      `A key may only be given scopes that the calling key has, and this one lacks '${missing}'.`,
    )
  }
}

const byNewest = (a: { createdAtMs: number }, b: { createdAtMs: number }): number =>
  b.createdAtMs - a.createdAtMs

function toOrganisation(organisation: StoredOrganisation | undefined): Organisation {
  assert(organisation, 'the organisation is there')
  const { id: organisationId, name, createdAtMs } = organisation
  return { organisationId, name, createdAtMs }
}

function toApiKey(key: StoredKey | undefined): ApiKey {
  assert(key, 'the key is there')
  const { id: keyId, organisationId, name, hint, scopes, createdAtMs, revokedAtMs } = key
  return { keyId, organisationId, name, hint, scopes: [...scopes], createdAtMs, revokedAtMs }
}
