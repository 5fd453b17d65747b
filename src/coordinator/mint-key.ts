import type { Crypto, Secrets } from '#host/host.ts'
import { base32, formatId, ID_BYTES } from '#kernel/id.ts'
import type { KeyCommand } from '#organisations/decide-keys.ts'
import type { OrganisationRefusal } from '#organisations/organisation-refusal.ts'
import type { Turn } from './turn.ts'

const KEY_BYTES = 30
const HINT_CHARACTERS = 14

export interface KeyParts {
  readonly crypto: Pick<Crypto, 'hmacSha256'>
  readonly secrets: Pick<Secrets, 'randomBytes'>
  /** Under which keys are hashed. */
  readonly keySecret: string
}

/** What a key is to be like; see the decider's command. */
export type WantedKey = Omit<
  KeyCommand & { kind: 'create_key' },
  'kind' | 'keyId' | 'hash' | 'hint' | 'nowMs'
>

/** A key that is nobody's yet. The key itself stays nowhere: the journal gets its HMAC. */
export function drawKey({ crypto, secrets, keySecret }: KeyParts): {
  key: string
  keyId: string
  hash: string
  hint: string
} {
  const keyId = formatId('key', secrets.randomBytes(ID_BYTES))
  const key = `sk-shoal-${base32(secrets.randomBytes(KEY_BYTES))}`
  const hash = Buffer.from(crypto.hmacSha256(keySecret, key)).toString('hex')
  return { key, keyId, hash, hint: `${key.slice(0, HINT_CHARACTERS)}…` }
}

/** Makes an API key, which leaves with the result. */
export function mintKey(
  turn: Turn,
  parts: KeyParts,
  wanted: WantedKey,
): { key: string; keyId: string; refusal: OrganisationRefusal | null } {
  const { key, ...drawn } = drawKey(parts)
  const refusal = turn.organisations({ kind: 'create_key', ...wanted, ...drawn, nowMs: turn.nowMs })
  return { key, keyId: drawn.keyId, refusal }
}
