import { assert } from '#kernel/assert.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { useAt } from '#organisations/key-use.ts'
import { isLive, type ApiKey as StoredKey } from '#organisations/organisations.ts'
import { type ApiKey, type ApiKeyDetail, KEY_OVERLAP_MS_DEFAULT } from '#protocol/api-key.ts'
import type { KeyLimits } from '#protocol/key-limits.ts'
import type { Caller, Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { drawKey, mintKey } from '../mint-key.ts'
import { act } from './act.ts'
import {
  createdAtMs,
  execute,
  type HandlerParts,
  listedOrganisation,
  maySee,
  newestPage,
  notFound,
  organisationFor,
  projectFilter,
} from './handler-parts.ts'
import { ownerOf } from './organisation-handlers.ts'
import { organisationProblem } from './organisation-problem.ts'
import { checkKeyClass } from './sla-handlers.ts'

type Names = 'createKey' | 'getOwnKey' | 'listKeys' | 'getKey' | 'rotateKey' | 'changeKeyLimits' | 'revokeKey'

export function keyHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, Names> {
  const { organisations } = parts.coordinator.state

  function detail(keyId: string, caller: Caller, nowMs: TimestampMs): ApiKeyDetail {
    const key = organisations.keys.get(keyId)
    if (!key || !maySee(caller, key.organisationId)) throw notFound('API key', keyId)
    const lastAlert = organisations.told.get(key.budgetId)?.last
    const use = useAt(organisations.use.get(key.budgetId), nowMs)
    return { ...toApiKey(key, nowMs), use, ...(lastAlert && { lastAlert }) }
  }

  return {
    createKey: ({ body }, caller, context) => {
      const { name, scopes, holder, limits = {}, expiresInMs, projectId, slaClass } = body
      const details = {
        name,
        scopes: scopes.join(' '),
        ...(holder && { holder: holder.id }),
        ...(projectId !== undefined && { projectId }),
        ...(expiresInMs !== undefined && { expiresInMs: String(expiresInMs) }),
        ...(slaClass && { slaClass }),
        ...limitDetails(limits),
      }
      return act(parts, { caller, context }, { details }, (turn, doing) => {
        const organisationId = organisationFor(parts, caller, body.organisationId)
        doing.organisationId = organisationId
        checkKeyClass(turn, organisationId, slaClass)
        const { key, keyId, refusal } = mintKey(turn, parts, {
          organisationId,
          name,
          scopes,
          limits,
          actorKeyId: caller.keyId,
          ...(projectId !== undefined && { projectId }),
          ...(holder && { holder }),
          ...(expiresInMs !== undefined && { expiresAtMs: turn.nowMs + expiresInMs }),
          ...(slaClass && { slaClass }),
        })
        const ids = { organisation: organisationId, project: projectId, [holder?.kind ?? '']: holder?.id }
        if (refusal) throw organisationProblem(refusal, ids)
        doing.objectId = keyId
        return { ...toApiKey(organisations.keys.get(keyId), turn.nowMs), key }
      })
    },

    getOwnKey: (_input, caller) => execute(parts, (turn) => detail(caller.keyId, caller, turn.nowMs)),
    getKey: ({ params }, caller) => execute(parts, (turn) => detail(params.keyId, caller, turn.nowMs)),

    listKeys: ({ query }, caller) =>
      execute(parts, (turn) => {
        const organisationId = listedOrganisation(caller, query.organisationId)
        const projectId = projectFilter(parts, caller, query.projectId)
        const keys = [...organisations.keys.values()]
          .filter((key) => organisationId === null || key.organisationId === organisationId)
          .filter((key) => projectId === null || key.projectId === projectId)
          .map((key) => toApiKey(key, turn.nowMs))
        return newestPage(keys, query, { atMsOf: createdAtMs, idOf: (key) => key.keyId })
      }),

    rotateKey: ({ params: { keyId }, body }, caller, context) => {
      const { overlapMs = KEY_OVERLAP_MS_DEFAULT, expiresInMs } = body
      const about = { objectId: keyId, details: { overlapMs: String(overlapMs) } }
      return act(parts, { caller, context }, about, (turn, doing) => {
        const organisationId = ownerOf(caller, organisations.keys.get(keyId))
        doing.organisationId = organisationId
        const { key, keyId: newKeyId, hash, hint } = drawKey(parts)
        const refusal = turn.organisations({
          kind: 'rotate_key',
          keyId,
          organisationId,
          newKeyId,
          hash,
          hint,
          overlapMs,
          ...(expiresInMs !== undefined && { expiresAtMs: turn.nowMs + expiresInMs }),
          actorKeyId: caller.keyId,
          nowMs: turn.nowMs,
        })
        if (refusal) throw organisationProblem(refusal, { key: keyId })
        doing.details = { ...doing.details, newKeyId }
        return { ...toApiKey(organisations.keys.get(newKeyId), turn.nowMs), key }
      })
    },

    changeKeyLimits: ({ params: { keyId }, body: { limits } }, caller, context) =>
      act(parts, { caller, context }, { objectId: keyId, details: limitDetails(limits) }, (turn, doing) => {
        const organisationId = ownerOf(caller, organisations.keys.get(keyId))
        doing.organisationId = organisationId
        const { nowMs } = turn
        const limited = { keyId, organisationId, limits, actorKeyId: caller.keyId, nowMs }
        const refusal = turn.organisations({ kind: 'limit_key', ...limited })
        if (refusal) throw organisationProblem(refusal, { key: keyId })
        // A limit below what was spent already stops the key: no reading will follow that could tell it.
        turn.organisations({ kind: 'reach_budget', keyId, added: 0n, nowMs })
        return toApiKey(organisations.keys.get(keyId), nowMs)
      }),

    revokeKey: ({ params: { keyId } }, caller, context) =>
      act(parts, { caller, context }, { objectId: keyId }, (turn, doing) => {
        const organisationId = ownerOf(caller, organisations.keys.get(keyId))
        doing.organisationId = organisationId
        const { nowMs } = turn
        const revoked = { keyId, organisationId, actorKeyId: caller.keyId, nowMs }
        const refusal = turn.organisations({ kind: 'revoke_key', ...revoked })
        // A key that has ended is what the caller wanted.
        const isOver = refusal === 'key_revoked' || refusal === 'key_expired'
        if (refusal && !isOver) throw organisationProblem(refusal, { key: keyId })
        return toApiKey(organisations.keys.get(keyId), nowMs)
      }),
  }
}

/** Limits as text, for the audit log. */
function limitDetails(limits: KeyLimits): Record<string, string> {
  const details: Record<string, string> = {}
  for (const [name, value] of Object.entries(limits)) {
    if (value !== undefined) details[name] = Array.isArray(value) ? value.join(' ') : String(value)
  }
  return details
}

export function toApiKey(key: StoredKey | undefined, nowMs: TimestampMs): ApiKey {
  assert(key, 'the key is there')
  const { id: keyId, organisationId, projectId, holder, name, hint, scopes, limits, slaClass } = key
  const { rotatedFromKeyId, rotatedToKeyId, createdAtMs, expiresAtMs, revokedAtMs } = key
  return {
    keyId,
    organisationId,
    projectId,
    memberId: holder?.kind === 'member' ? holder.id : null,
    serviceAccountId: holder?.kind === 'service_account' ? holder.id : null,
    name,
    hint,
    scopes: [...scopes],
    limits,
    ...(slaClass !== null && { slaClass }),
    state: revokedAtMs !== null ? 'revoked' : isLive(key, nowMs) ? 'live' : 'expired',
    rotatedFromKeyId,
    rotatedToKeyId,
    createdAtMs,
    expiresAtMs,
    revokedAtMs,
  }
}
