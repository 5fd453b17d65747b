import { z } from 'zod'
import { KeyAlert } from './budget-alert.ts'
import { Id, Name, TimestampMs } from './field.ts'
import { KeyLimits, KeyUse, WantedKeyLimits } from './key-limits.ts'
import { pageOf } from './page.ts'
import { Scope } from './scope.ts'
import { SlaClass } from './sla.ts'

const members = {
  keyId: Id,
  organisationId: Id,
  projectId: Id.describe('What its usage is counted for.'),
  memberId: Id.nullable().describe('The person who holds it.'),
  serviceAccountId: Id.nullable().describe('The program that holds it.'),
  name: z.string(),
  hint: z.string().describe('The key’s first characters, so that its owner recognises it.'),
  scopes: z.array(Scope),
  limits: KeyLimits,
  slaClass: SlaClass.optional().describe(
    'Of what its organisation is promised, at most this; absent: all of it.',
  ),
  state: z.enum(['live', 'expired', 'revoked']),
  rotatedFromKeyId: Id.nullable().describe('The key that it takes the place of, and shares its limits with.'),
  rotatedToKeyId: Id.nullable().describe('The key that takes its place.'),
  createdAtMs: TimestampMs,
  expiresAtMs: TimestampMs.nullable().describe(
    'From then on it opens nothing; `null`: it does not end by itself.',
  ),
  revokedAtMs: TimestampMs.nullable(),
}

export const ApiKey = z.object(members).meta({ id: 'ApiKey', description: 'A key, without the key itself.' })
export type ApiKey = z.output<typeof ApiKey>

export const ApiKeyPage = z.object(pageOf(ApiKey)).meta({ id: 'ApiKeyPage' })

export const ApiKeyDetail = z
  .object({
    ...members,
    use: KeyUse,
    lastAlert: KeyAlert.optional().describe('The newest of its budget; absent while there was none.'),
  })
  .meta({ id: 'ApiKeyDetail', description: 'A key with what was used of its limits, as the ledger has it.' })
export type ApiKeyDetail = z.output<typeof ApiKeyDetail>

/** From a second to five years. */
const LifeMs = z
  .int()
  .min(1_000)
  .max(5 * 366 * 24 * 3_600_000)

export const CreateApiKey = z
  .strictObject({
    name: Name,
    scopes: z.array(Scope).min(1).max(Scope.options.length),
    organisationId: Id.optional().describe('Another organisation than the caller’s own: operators only.'),
    projectId: Id.optional().describe('The organisation’s default project unless given.'),
    holder: z
      .strictObject({ kind: z.enum(['member', 'service_account']), id: Id })
      .optional()
      .describe('The person or program that holds it: the key’s scopes are among theirs.'),
    expiresInMs: LifeMs.optional().describe('It does not end by itself unless given.'),
    limits: WantedKeyLimits.optional(),
    slaClass: SlaClass.optional().describe(
      'What its requests are promised, at most what the organisation is; all of that unless given.',
    ),
  })
  .meta({ id: 'CreateApiKey' })
export type CreateApiKey = z.output<typeof CreateApiKey>

export const CreatedApiKey = z
  .object({ ...members, key: z.string().describe('The key itself. Shown this once; only its HMAC is kept.') })
  .meta({ id: 'CreatedApiKey' })
export type CreatedApiKey = z.output<typeof CreatedApiKey>

export const KEY_OVERLAP_MS_DEFAULT = 24 * 3_600_000

export const RotateApiKey = z
  .strictObject({
    overlapMs: z
      .int()
      .min(0)
      .max(30 * 24 * 3_600_000)
      .optional()
      .describe('How long the old key stays good beside the new one; a day unless given, 0 ends it at once.'),
    expiresInMs: LifeMs.optional().describe('The new key’s life; as long as the old one’s was unless given.'),
  })
  .meta({ id: 'RotateApiKey' })

export const ChangeKeyLimits = z
  .strictObject({ limits: WantedKeyLimits.describe('In place of all it had.') })
  .meta({ id: 'ChangeKeyLimits' })
