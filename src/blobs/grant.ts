/**
 * What lets a node at objects of an organisation: a short-lived text, signed by the network, made for one node and one
 * piece of work. It is sent where others send an API key.
 */
import { z } from 'zod'
import type { TimestampMs } from '#kernel/time.ts'

const Grant = z.strictObject({
  organisationId: z.string().min(1).max(64),
  nodeId: z.string().min(1).max(64),
  /** What may be read: objects, and trees with all their files. */
  read: z
    .array(z.strictObject({ kind: z.enum(['object', 'tree']), sha256: z.string().regex(/^[0-9a-f]{64}$/) }))
    .max(16),
  /** Whether results may be sent. */
  mayWrite: z.boolean(),
  /** Of the attempt that it was made for: it may also read what that takes beside its tree. */
  fence: z.int().positive().optional(),
  expiresAtMs: z.int(),
})
export type BlobGrant = z.output<typeof Grant>

export type GrantRefusal = 'malformed' | 'wrong_signature' | 'expired'

/** Hex of an HMAC under a key that only the network has. */
export type SignGrant = (text: string) => string

export const GRANT_PREFIX = 'grant_'
/** Signatures for this mean nothing elsewhere. */
const CONTEXT = 'shoal blob grant 1\n'

export function writeGrant(grant: BlobGrant, sign: SignGrant): string {
  const text = btoa(JSON.stringify(Grant.parse(grant)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
  return `${GRANT_PREFIX}${text}.${sign(CONTEXT + text)}`
}

export function readGrant(
  token: string,
  { sign, nowMs }: { sign: SignGrant; nowMs: TimestampMs },
): BlobGrant | GrantRefusal {
  const [, text = '', signature = ''] = /^grant_([\w-]{1,8192})\.([0-9a-f]{64})$/.exec(token) ?? []
  if (text === '') return 'malformed'
  if (!isSame(sign(CONTEXT + text), signature)) return 'wrong_signature'
  const parsed = Grant.safeParse(JSON.parse(atob(text.replaceAll('-', '+').replaceAll('_', '/'))))
  if (!parsed.success) return 'malformed'
  return nowMs < parsed.data.expiresAtMs ? parsed.data : 'expired'
}

/** Takes as long wherever they differ. */
function isSame(a: string, b: string): boolean {
  let difference = a.length ^ b.length
  for (let index = 0; index < a.length; index++) difference |= a.charCodeAt(index) ^ b.charCodeAt(index)
  return difference === 0
}
