import { z } from 'zod'
import { Id, Name, TimestampMs } from './field.ts'
import { pageOf } from './page.ts'
import { Scope } from './scope.ts'

const members = {
  keyId: Id,
  organisationId: Id,
  name: z.string(),
  hint: z.string().describe('The key’s first characters, so that its owner recognises it.'),
  scopes: z.array(Scope),
  createdAtMs: TimestampMs,
  revokedAtMs: TimestampMs.nullable(),
}

export const ApiKey = z.object(members).meta({ id: 'ApiKey', description: 'A key, without the key itself.' })
export type ApiKey = z.output<typeof ApiKey>

export const ApiKeyPage = z.object(pageOf(ApiKey)).meta({ id: 'ApiKeyPage' })

export const CreateApiKey = z
  .strictObject({
    name: Name,
    scopes: z.array(Scope).min(1).max(Scope.options.length),
    organisationId: Id.optional().describe('Another organisation than the caller’s own: operators only.'),
  })
  .meta({ id: 'CreateApiKey' })
export type CreateApiKey = z.output<typeof CreateApiKey>

export const CreatedApiKey = z
  .object({ ...members, key: z.string().describe('The key itself. Shown this once; only its HMAC is kept.') })
  .meta({ id: 'CreatedApiKey' })
export type CreatedApiKey = z.output<typeof CreatedApiKey>
