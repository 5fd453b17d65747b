import { Command } from 'commander'
import { formatDuration } from '#kernel/time.ts'
import type { ModelOffer, NetworkStatus, ShownCertificate } from '#protocol/network-status.ts'
import { routes } from '#protocol/routes.ts'
import type { CliContext } from './context.ts'
import { formatMoneyRange, formatSpeed, formatTime } from './format.ts'
import { runSession, show, showFields, showTable } from './session.ts'
import type { Column } from './table.ts'

/** `shoal status`: the network at a glance. */
export const statusCommand = (context: CliContext): Command =>
  new Command('status')
    .description('show the network at a glance: nodes, models, prices, load')
    .action((_options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const status = await session.operator.getStatus()
        const at = { apiUrl: session.connection.apiUrl, nowMs: context.clock.nowMs() }
        show(session, routes.getStatus.reply, status, () =>
          [
            showFields(session, statusFields(status, at)),
            '',
            showTable(session, modelColumns, status.models, 'No model is served now: no node is online.'),
          ].join('\n'),
        )
      }),
    )

function statusFields(
  status: NetworkStatus,
  { apiUrl, nowMs }: { apiUrl: string; nowMs: number },
): [string, string][] {
  const { nodes, processes } = status
  const set = [
    ...(nodes.drained > 0 ? [`${nodes.drained} drained`] : []),
    ...(nodes.banned > 0 ? [`${nodes.banned} banned`] : []),
    ...(nodes.parked ? [`${nodes.parked} parked`] : []),
  ]
  const presence = `${nodes.online} online, ${nodes.suspect} suspect, ${nodes.absent} absent`
  const gateway = processes.gateway === null ? '' : `, gateway ${processes.gateway}`
  return [
    ['network', `${status.networkName}, at ${apiUrl}`],
    ['version', `${status.version}, epoch ${status.epoch}, up for ${formatDuration(status.uptimeMs)}`],
    ['nodes', [presence, ...set].join('; ')],
    ['requests', requestsText(status)],
    ['read model', lagText(status.readModel.lagEntries)],
    ['processes', `coordinator ${processes.coordinator}${gateway}`],
    ...(status.certificate
      ? [['certificate', certificateText(status.certificate, nowMs)] as [string, string]]
      : []),
    ...(status.dataFolder === null ? [] : [['data folder', status.dataFolder] as [string, string]]),
  ]
}

function certificateText({ names, expiresAtMs, isExpiring }: ShownCertificate, nowMs: number): string {
  const what = `for ${names.join(', ')}, until ${formatTime(expiresAtMs)} UTC`
  if (nowMs >= expiresAtMs) return `${what}: it has expired, and nobody accepts it; renew it now`
  return isExpiring ? `${what}: renew it, ${formatDuration(expiresAtMs - nowMs)} are left` : what
}

const requestsText = ({ requestsInFlight, requestsUnbilled = 0 }: NetworkStatus): string =>
  `${requestsInFlight} in flight${requestsUnbilled === 0 ? '' : `, ${requestsUnbilled} not billed yet`}`

const lagText = (lagEntries: number): string =>
  lagEntries === 0 ? 'up to date' : `${lagEntries} journal entries behind`

const modelColumns: Column<ModelOffer>[] = [
  { title: 'MODEL', text: ({ model }) => model },
  {
    title: 'NODES',
    isRight: true,
    text: ({ nodes, parkedNodes = 0 }) =>
      parkedNodes === 0 ? `${nodes}` : `${nodes} (${parkedNodes} parked)`,
    tone: ({ nodes }) => (nodes === 0 ? 'warning' : 'plain'),
  },
  { title: 'TOKENS/S', isRight: true, text: ({ tokensPerSecond: { min, max } }) => speedRange(min, max) },
  {
    title: 'PROMPT/1M',
    isRight: true,
    text: ({ promptPerMillion }) => formatMoneyRange(promptPerMillion),
  },
  {
    title: 'COMPLETION/1M',
    isRight: true,
    text: ({ completionPerMillion }) => formatMoneyRange(completionPerMillion),
  },
]

const speedRange = (min: number, max: number): string =>
  min === max ? formatSpeed(min) : `${formatSpeed(min)} to ${formatSpeed(max)}`
