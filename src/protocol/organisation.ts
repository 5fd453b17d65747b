import { z } from 'zod'
import { Id, Name, TimestampMs } from './field.ts'
import { pageOf } from './page.ts'

export const Organisation = z
  .object({ organisationId: Id, name: z.string(), createdAtMs: TimestampMs })
  .meta({ id: 'Organisation', description: 'Owns keys, accounts and nodes.' })
export type Organisation = z.output<typeof Organisation>

export const OrganisationPage = z.object(pageOf(Organisation)).meta({ id: 'OrganisationPage' })

export const CreateOrganisation = z.strictObject({ name: Name }).meta({ id: 'CreateOrganisation' })
export type CreateOrganisation = z.output<typeof CreateOrganisation>
