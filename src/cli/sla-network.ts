/** What everybody may know of how the network does, and what its operators say of it. */
import { Command, InvalidArgumentError } from 'commander'
import { routes } from '#protocol/routes.ts'
import type { Incident, Maintenance, StatusPage } from '#protocol/sla-api.ts'
import { duration } from './arguments.ts'
import type { CliContext } from './context.ts'
import { formatCount, formatShare, formatTime } from './format.ts'
import { runSession, type Session, show, showFields, showTable } from './session.ts'
import { type Column, printable } from './table.ts'

export const statusPageCommand = (context: CliContext): Command =>
  new Command('status-page')
    .description('show how the network does, as everybody can see it at /status')
    .action((_options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const page = await session.anyone.getStatusPage()
        show(session, routes.getStatusPage.reply, page, () => showPage(session, page))
      }),
    )

function showPage(session: Session, page: StatusPage): string {
  const { network, state, days, incidents, maintenance } = page
  return [
    showFields(session, [
      ['network', network],
      ['state', state],
      ['page', `${session.connection.apiUrl}/status`],
    ]),
    showTable(session, dayColumns, days.slice(-14).reverse(), 'No requests yet.'),
    showTable(session, incidentColumns, incidents, 'No incidents.'),
    showTable(session, maintenanceColumns, maintenance, 'No maintenance.'),
  ].join('\n')
}

const dayColumns: Column<StatusPage['days'][number]>[] = [
  { title: 'DAY (UTC)', text: ({ startMs }) => formatTime(startMs).slice(0, 10) },
  { title: 'AVAILABLE', isRight: true, text: ({ availabilityPpb }) => formatShare(availabilityPpb) },
  { title: 'REQUESTS', isRight: true, text: ({ valid }) => formatCount(valid) },
  { title: 'FAILED', isRight: true, text: ({ errors }) => formatCount(errors) },
]

const incidentColumns: Column<Incident>[] = [
  { title: 'INCIDENT', text: ({ incidentId }) => incidentId },
  { title: 'SINCE (UTC)', text: ({ startedAtMs }) => formatTime(startedAtMs) },
  { title: 'UNTIL', text: ({ endedAtMs }) => (endedAtMs === null ? 'open' : formatTime(endedAtMs)) },
  { title: 'KIND', text: ({ isOutage }) => (isOutage ? 'outage' : 'degraded') },
  { title: 'TITLE', text: ({ title }) => title },
]

const maintenanceColumns: Column<Maintenance>[] = [
  { title: 'MAINTENANCE', text: ({ maintenanceId }) => maintenanceId },
  { title: 'FROM (UTC)', text: ({ fromMs }) => formatTime(fromMs) },
  { title: 'TO', text: ({ toMs }) => formatTime(toMs) },
  { title: 'STATE', text: ({ cancelledAtMs }) => (cancelledAtMs === null ? 'announced' : 'cancelled') },
  { title: 'TITLE', text: ({ title }) => title },
]

/** A time as `2026-11-23T10:00Z`. */
function instant(text: string): number {
  const atMs = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?Z$/.test(text) ? Date.parse(text) : Number.NaN
  if (atMs >= 0) return atMs
  throw new InvalidArgumentError('Expected a time in UTC such as 2026-11-23T10:00Z.')
}

export function incidentCommand(context: CliContext): Command {
  const command = new Command('incident').description('open, note and close incidents (operators)')
  const told = (session: Session, incident: Incident): void =>
    show(session, routes.openIncident.reply, incident, () =>
      printable(
        `${incident.incidentId} (${incident.title}) is ${incident.endedAtMs === null ? 'open' : 'closed'}.`,
      ),
    )
  command
    .command('open')
    .description('open one; an outage counts against the network, for everybody, until it is closed')
    .argument('<title>', 'what everybody reads')
    .option('--outage', 'nobody can be served')
    .option('--since <time>', 'when it began, in UTC (default: now)', instant)
    .option('--until <time>', 'when it ended, of one that is over', instant)
    .action((title: string, options: { outage?: boolean; since?: number; until?: number }, self: Command) =>
      runSession(context, self, async (session) => {
        const { outage = false, since, until } = options
        const body = {
          ...{ title, isOutage: outage },
          ...(since !== undefined && { startedAtMs: since }),
          ...(until !== undefined && { endedAtMs: until }),
        }
        told(session, await session.operator.openIncident({ body }))
      }),
    )
  command
    .command('note')
    .description('add a note that everybody reads')
    .argument('<incident>', 'its id')
    .argument('<text>', 'what is known')
    .action((incidentId: string, text: string, _options: unknown, self: Command) =>
      runSession(context, self, async (session) =>
        told(session, await session.operator.noteIncident({ params: { incidentId }, body: { text } })),
      ),
    )
  command
    .command('close')
    .description('close one as of now')
    .argument('<incident>', 'its id')
    .action((incidentId: string, _options: unknown, self: Command) =>
      runSession(context, self, async (session) =>
        told(session, await session.operator.closeIncident({ params: { incidentId } })),
      ),
    )
  return command
}

export function maintenanceCommand(context: CliContext): Command {
  const command = new Command('maintenance').description('announce and cancel maintenance (operators)')
  const told = (session: Session, maintenance: Maintenance): void =>
    show(session, routes.announceMaintenance.reply, maintenance, () => {
      const { maintenanceId, fromMs, toMs, cancelledAtMs } = maintenance
      const state = cancelledAtMs === null ? 'announced' : 'cancelled'
      return printable(`${maintenanceId} is ${state}: ${formatTime(fromMs)} to ${formatTime(toMs)} UTC.`)
    })
  command
    .command('announce')
    .description('announce maintenance, a day ahead at least: what fails in it does not count')
    .argument('<title>', 'what everybody reads')
    .requiredOption('--from <time>', 'when it begins, in UTC', instant)
    .requiredOption('--for <duration>', 'how long it takes, such as 2h', duration)
    .action((title: string, options: { from: number; for: number }, self: Command) =>
      runSession(context, self, async (session) => {
        const body = { title, fromMs: options.from, toMs: options.from + options.for }
        told(session, await session.operator.announceMaintenance({ body }))
      }),
    )
  command
    .command('cancel')
    .description('cancel maintenance that has not begun')
    .argument('<maintenance>', 'its id')
    .action((maintenanceId: string, _options: unknown, self: Command) =>
      runSession(context, self, async (session) =>
        told(session, await session.operator.cancelMaintenance({ params: { maintenanceId } })),
      ),
    )
  return command
}
