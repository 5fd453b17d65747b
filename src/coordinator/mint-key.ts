import type { Crypto, Secrets } from '#host/host.ts'
import { base32, formatId, ID_BYTES } from '#kernel/id.ts'
import type { OrganisationRefusal } from '#organisations/organisations.ts'
import type { Scope } from '#protocol/scope.ts'
import type { Turn } from './turn.ts'

const KEY_BYTES = 30
const HINT_CHARACTERS = 14

/** Makes an API key. The key itself leaves with the result and stays nowhere: the journal gets its HMAC. */
export function mintKey(
  turn: Turn,
  { crypto, secrets, keySecret }: { crypto: Crypto; secrets: Secrets; keySecret: string },
  wanted: { organisationId: string; name: string; scopes: readonly Scope[] },
): { key: string; keyId: string; refusal: OrganisationRefusal | null } {
  const keyId = formatId('key', secrets.randomBytes(ID_BYTES))
  const key = `sk-shoal-${base32(secrets.randomBytes(KEY_BYTES))}`
  const hash = Buffer.from(crypto.hmacSha256(keySecret, key)).toString('hex')
  const hint = `${key.slice(0, HINT_CHARACTERS)}…`
  const refusal = turn.organisations({ kind: 'create_key', keyId, ...wanted, hash, hint, nowMs: turn.nowMs })
  return { key, keyId, refusal }
}
