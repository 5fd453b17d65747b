import { z } from 'zod'
import { Id, Name, TimestampMs } from './field.ts'
import { pageOf } from './page.ts'
import { Scope } from './scope.ts'

export const ServiceAccount = z
  .object({
    serviceAccountId: Id,
    organisationId: Id,
    name: z.string(),
    scopes: z.array(Scope).describe('The most that its keys may do.'),
    createdAtMs: TimestampMs,
    removedAtMs: TimestampMs.nullable(),
  })
  .meta({ id: 'ServiceAccount', description: 'A program of an organisation, which holds keys.' })
export type ServiceAccount = z.output<typeof ServiceAccount>

export const ServiceAccountPage = z.object(pageOf(ServiceAccount)).meta({ id: 'ServiceAccountPage' })

export const CreateServiceAccount = z
  .strictObject({
    name: Name,
    scopes: z.array(Scope).min(1).max(Scope.options.length),
    organisationId: Id.optional().describe('Another organisation than the caller’s own: operators only.'),
  })
  .meta({ id: 'CreateServiceAccount' })
