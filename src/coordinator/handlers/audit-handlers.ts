import { noHead } from '#audit/audit.ts'
import type { Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import {
  freshly,
  type HandlerParts,
  listedOrganisation,
  organisationFor,
  pageRequest,
} from './handler-parts.ts'

type Names = 'listAudit' | 'exportAudit'

export function auditHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, Names> {
  const { projector, queries, coordinator } = parts
  return {
    async listAudit({ query }, caller) {
      const organisationId = listedOrganisation(caller, query.organisationId)
      await freshly(parts)
      const filter = { organisationId, act: query.act ?? null }
      return { ...(await queries.audit(filter, pageRequest(query))), lagEntries: projector.lag() }
    },

    async exportAudit({ params, query }, caller) {
      const organisationId = organisationFor(parts, caller, params.organisationId)
      await freshly(parts)
      const head = coordinator.state.audit.heads.get(organisationId) ?? noHead
      const page = await queries.auditChain(organisationId, pageRequest(query))
      return { organisationId, ...page, head, lagEntries: projector.lag() }
    },
  }
}
