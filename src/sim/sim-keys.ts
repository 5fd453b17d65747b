/** The keys of the simulation: made, rotated and revoked, and what is known of each. */
import type { Random } from '#kernel/random.ts'
import type { KeyLimits } from '#protocol/key-limits.ts'
import { noteAct as note, type SimActs } from './sim-acts.ts'
import { simCrypto } from './sim-host.ts'
import { KEY_SECRET } from './sim-world.ts'

const TOKENS_PER_DAY = 3_000
const REQUESTS_PER_MINUTE = 4

export interface SimKey {
  readonly keyId: string
  readonly apiKey: string
  readonly client: number
  readonly limits: KeyLimits
  /** In which journal entry it was made, as acknowledged; `null` until then. */
  madeIn: number | null
  /** In which journal entry it was revoked, as acknowledged. */
  endedIn: number | null
  /** Its end was asked for, so it may have come, long before that is acknowledged. */
  isEnding: boolean
  /** By cell time. */
  expiresAtMs: number | null
  /** In which journal entry it was given that end, at the latest. */
  expiryIn: number | null
}

export interface SimKeys {
  /** Those that were acknowledged, in that order; ended ones among them. */
  readonly keys: readonly SimKey[]
  makeKey(client: number): void
  rotate(key: SimKey): void
  revoke(key: SimKey): void
}

export function createSimKeys(
  parts: { random: Random; acts: SimActs },
  organisationOf: (client: number) => string,
): SimKeys {
  const { random } = parts
  const { insist } = parts.acts
  const keys: SimKey[] = []
  let counter = 0

  function draw(client: number, limits: KeyLimits): SimKey & { hash: string } {
    const keyId = `key_sim${++counter}`
    const apiKey = `sk-sim-${counter}`
    const hash = Buffer.from(simCrypto.hmacSha256(KEY_SECRET, apiKey)).toString('hex')
    return {
      keyId,
      apiKey,
      client,
      limits,
      hash,
      madeIn: null,
      endedIn: null,
      isEnding: false,
      expiresAtMs: null,
      expiryIn: null,
    }
  }

  function makeKey(client: number): void {
    const isShort = random.chance(1, 3)
    const limits = random.chance(1, 2)
      ? { tokensPerDay: TOKENS_PER_DAY, requestsPerMinute: REQUESTS_PER_MINUTE }
      : {}
    const key = draw(client, limits)
    const lifeMs = 20_000 + random.int(120_000)
    insist(
      (turn) => {
        const { keyId, hash } = key
        const organisationId = organisationOf(client)
        if (turn.state.organisations.keys.has(keyId)) return null
        const expiresAtMs = turn.nowMs + lifeMs
        const wanted = { keyId, organisationId, name: 'sim', hash, hint: 'sk', limits }
        const refusal = turn.organisations({
          kind: 'create_key',
          ...wanted,
          scopes: ['developer'],
          ...(isShort && { expiresAtMs }),
          nowMs: turn.nowMs,
        })
        return refusal ?? note(turn, organisationId, 'createKey')
      },
      (sequence, { organisations }) => {
        key.madeIn = sequence
        key.expiryIn = sequence
        key.expiresAtMs = organisations.keys.get(key.keyId)?.expiresAtMs ?? null
        keys.push(key)
      },
    )
  }

  function rotate(key: SimKey): void {
    key.isEnding = true
    const next = draw(key.client, key.limits)
    const overlapMs = random.chance(1, 3) ? 0 : random.int(60_000)
    const organisationId = organisationOf(key.client)
    insist(
      (turn) => {
        if (turn.state.organisations.keys.has(next.keyId)) return null
        const { keyId: newKeyId, hash } = next
        const { nowMs } = turn
        const rotated = { keyId: key.keyId, organisationId, newKeyId, hash, hint: 'sk', overlapMs, nowMs }
        const refusal = turn.organisations({ kind: 'rotate_key', ...rotated })
        // It may have ended meanwhile: then there is nothing to rotate.
        if (refusal === 'key_revoked' || refusal === 'key_expired' || refusal === 'key_rotated') return null
        return refusal ?? note(turn, organisationId, 'rotateKey')
      },
      (sequence, { organisations }) => {
        const { keys: stored } = organisations
        key.expiresAtMs = stored.get(key.keyId)?.expiresAtMs ?? key.expiresAtMs
        key.expiryIn = sequence
        if (!stored.has(next.keyId)) return
        if (overlapMs === 0) key.endedIn = sequence
        next.madeIn = sequence
        next.expiryIn = sequence
        next.expiresAtMs = stored.get(next.keyId)?.expiresAtMs ?? null
        keys.push(next)
      },
    )
  }

  function revoke(key: SimKey): void {
    key.isEnding = true
    const organisationId = organisationOf(key.client)
    insist(
      (turn) => {
        const refusal = turn.organisations({
          kind: 'revoke_key',
          keyId: key.keyId,
          organisationId,
          nowMs: turn.nowMs,
        })
        if (refusal === 'key_revoked' || refusal === 'key_expired') return null
        return refusal ?? note(turn, organisationId, 'revokeKey')
      },
      (sequence) => {
        key.endedIn ??= sequence
      },
    )
  }

  return { keys, makeKey, rotate, revoke }
}
