import type { Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { freshly, type HandlerParts, listedOrganisation, pageRequest } from './handler-parts.ts'

export function alertHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, 'listAlerts'> {
  const { projector, queries } = parts
  return {
    async listAlerts({ query }, caller) {
      const organisationId = listedOrganisation(caller, query.organisationId)
      await freshly(parts)
      return {
        ...(await queries.alerts({ organisationId }, pageRequest(query))),
        lagEntries: projector.lag(),
      }
    },
  }
}
