import { HOUR_MS } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'
import type { Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import type { SlaClass } from '#protocol/sla.ts'
import type { slaRoutes } from '#protocol/sla-routes.ts'
import { BIN_MS } from '#sla/bins.ts'
import { MAINTENANCE_MS_MAX, NOTICE_MS_MIN, type SlaCommand, type SlaRefusal } from '#sla/decide-sla.ts'
import { classOf } from '#sla/sla.ts'
import { isWithinClass } from '#sla/tiers.ts'
import type { ControlPage } from '../control-pages.ts'
import { readEvidence } from '../sla/evidence.ts'
import { renderStatusPage } from '../sla/render-status-page.ts'
import { slaReport, statusPage, toIncident, toMaintenance } from '../sla/sla-report.ts'
import { slaIn } from '../sla/step-sla.ts'
import type { Turn } from '../turn.ts'
import { act } from './act.ts'
import {
  execute,
  freshly,
  type HandlerParts,
  newId,
  notFound,
  organisationFor,
  pageRequest,
} from './handler-parts.ts'

export function slaHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, keyof typeof slaRoutes> {
  const { coordinator, networkName, projector } = parts
  const { sla } = coordinator.state

  return {
    getStatusPage: () => execute(parts, ({ nowMs }) => statusPage(sla, { network: networkName, nowMs })),

    getSla: ({ query }, caller) =>
      execute(parts, ({ nowMs }) =>
        slaReport(sla, organisationFor(parts, caller, query.organisationId), nowMs),
      ),

    async getSlaEvidence({ query }, caller) {
      const organisationId = organisationFor(parts, caller, query.organisationId)
      const { month, slaClass } = query
      await freshly(parts)
      const page = await readEvidence(parts, { organisationId, month, slaClass }, pageRequest(query))
      return { ...page, lagEntries: projector.lag() }
    },

    setSlaClass({ params, body }, caller, context) {
      const { slaClass } = body
      return act(parts, { caller, context }, { details: { slaClass } }, (turn, doing) => {
        const organisationId = organisationFor(parts, caller, params.organisationId)
        Object.assign(doing, { organisationId, objectId: organisationId })
        run(turn, { kind: 'set_class', organisationId, slaClass, nowMs: turn.nowMs })
        return { organisationId, slaClass }
      })
    },

    openIncident({ body }, caller, context) {
      const { title, isOutage = false, startedAtMs, endedAtMs } = body
      const details = { title, isOutage: String(isOutage) }
      return act(parts, { caller, context }, { details }, (turn, doing) => {
        const { nowMs } = turn
        const incidentId = newId('inc', parts)
        doing.objectId = incidentId
        run(turn, {
          kind: 'open_incident',
          incidentId,
          title,
          isOutage,
          startedAtMs: startedAtMs ?? nowMs,
          ...(endedAtMs !== undefined && { endedAtMs }),
          nowMs,
        })
        return incidentOf(incidentId)
      })
    },

    noteIncident: ({ params: { incidentId }, body: { text } }, caller, context) =>
      act(parts, { caller, context }, { objectId: incidentId, details: { text } }, (turn) => {
        run(turn, { kind: 'note_incident', incidentId, text, nowMs: turn.nowMs })
        return incidentOf(incidentId)
      }),

    closeIncident: ({ params: { incidentId } }, caller, context) =>
      act(parts, { caller, context }, { objectId: incidentId }, (turn) => {
        run(turn, { kind: 'close_incident', incidentId, nowMs: turn.nowMs })
        return incidentOf(incidentId)
      }),

    announceMaintenance({ body }, caller, context) {
      const { title, fromMs, toMs } = body
      const details = { title, fromMs: String(fromMs), toMs: String(toMs) }
      return act(parts, { caller, context }, { details }, (turn, doing) => {
        const maintenanceId = newId('maint', parts)
        doing.objectId = maintenanceId
        run(turn, { kind: 'announce_maintenance', maintenanceId, title, fromMs, toMs, nowMs: turn.nowMs })
        return maintenanceOf(maintenanceId)
      })
    },

    cancelMaintenance: ({ params: { maintenanceId } }, caller, context) =>
      act(parts, { caller, context }, { objectId: maintenanceId }, (turn) => {
        run(turn, { kind: 'cancel_maintenance', maintenanceId, nowMs: turn.nowMs })
        return maintenanceOf(maintenanceId)
      }),
  }

  function incidentOf(incidentId: string) {
    const incident = sla.incidents.get(incidentId)
    if (!incident) throw notFound('incident', incidentId)
    return toIncident(incident)
  }

  function maintenanceOf(maintenanceId: string) {
    const maintenance = sla.maintenance.get(maintenanceId)
    if (!maintenance) throw notFound('maintenance', maintenanceId)
    return toMaintenance(maintenance)
  }
}

/** The status page for people. */
export const statusHtml = async (
  parts: Pick<HandlerParts, 'coordinator' | 'networkName'>,
): Promise<ControlPage> => {
  const { coordinator, networkName: network } = parts
  const page = await execute(parts, ({ nowMs }) => statusPage(coordinator.state.sla, { network, nowMs }))
  return { contentType: 'text/html; charset=utf-8', body: renderStatusPage(page) }
}

/** Throws what is wrong with the command. */
function run(turn: Turn, command: SlaCommand): void {
  const refusal = slaIn(turn, command)
  if (refusal) throw refused(refusal, command)
}

const hours = (ms: number): string => `${ms / HOUR_MS} hours`

function refused(refusal: SlaRefusal, command: SlaCommand): Problem {
  const id =
    'incidentId' in command ? command.incidentId : 'maintenanceId' in command ? command.maintenanceId : ''
  const conflict = (message: string): Problem => new Problem('conflict', message)
  const invalid = (message: string, param: string): Problem =>
    new Problem('invalid_request', message, { details: { param } })
  switch (refusal) {
    case 'incident_unknown':
      return notFound('incident', id)
    case 'maintenance_unknown':
      return notFound('maintenance', id)
    case 'incident_exists':
    case 'maintenance_exists':
      return conflict(`There is ${id} already.`)
    case 'incident_closed':
      return conflict(`The incident ${id} is closed. Open another one.`)
    case 'maintenance_cancelled':
      return conflict(`The maintenance ${id} is cancelled already.`)
    case 'maintenance_begun':
      return conflict(`The maintenance ${id} has begun: what it left out of the count stays out.`)
    case 'start_invalid':
      return invalid(
        'An incident begins now or before, and in a month whose credits are not posted yet.',
        'startedAtMs',
      )
    case 'end_invalid':
      return invalid('An incident that is over ended after it began, and not later than now.', 'endedAtMs')
    case 'span_invalid':
      return invalid(
        `Maintenance ends after it begins, and lasts ${hours(MAINTENANCE_MS_MAX)} at most.`,
        'toMs',
      )
    case 'notice_too_short':
      return invalid(`Maintenance is announced ${hours(NOTICE_MS_MIN)} ahead at least.`, 'fromMs')
    case 'maintenance_too_long':
      return conflict(
        `All maintenance of a month leaves out ${MAINTENANCE_MS_MAX / BIN_MS} bins of five minutes (${hours(MAINTENANCE_MS_MAX)}) at most: begin it at a whole five minutes, or make it shorter.`,
      )
  }
}

/** Throws unless a key of the organisation may have this class. */
export function checkKeyClass(
  { state }: Pick<Turn, 'state'>,
  organisationId: string,
  asked: SlaClass | undefined,
): void {
  const allowed = classOf(state.sla, organisationId)
  if (asked === undefined || isWithinClass(asked, allowed)) return
  throw new Problem(
    'conflict',
    `A key may have a class up to that of its organisation, which is '${allowed}', not '${asked}'. An operator changes it with "shoal sla class ${asked} --organisation ${organisationId}".`,
    { details: { param: 'slaClass' } },
  )
}
