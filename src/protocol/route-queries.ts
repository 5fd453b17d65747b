/** Filters that several lists take. */
import { Id } from './field.ts'

export const organisationQuery = {
  organisationId: Id.optional().describe(
    'Only this organisation’s; another than the caller’s own: operators only.',
  ),
}
export const projectQuery = { projectId: Id.optional().describe('Only this project’s.') }
