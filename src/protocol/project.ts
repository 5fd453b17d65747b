import { z } from 'zod'
import { Id, Name, TimestampMs } from './field.ts'
import { pageOf } from './page.ts'

export const Project = z
  .object({
    projectId: Id,
    organisationId: Id,
    name: z.string(),
    isDefault: z.boolean().describe('Keys that name no project belong to it.'),
    createdAtMs: TimestampMs,
    archivedAtMs: TimestampMs.nullable(),
  })
  .meta({ id: 'Project', description: 'What keys and usage of an organisation are counted for.' })
export type Project = z.output<typeof Project>

export const ProjectPage = z.object(pageOf(Project)).meta({ id: 'ProjectPage' })

export const CreateProject = z
  .strictObject({
    name: Name,
    organisationId: Id.optional().describe('Another organisation than the caller’s own: operators only.'),
  })
  .meta({ id: 'CreateProject' })
