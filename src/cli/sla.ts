import { Argument, Command } from 'commander'
import { routes } from '#protocol/routes.ts'
import { SlaClass } from '#protocol/sla.ts'
import type { SlaMonth, SlaReport } from '#protocol/sla-api.ts'
import type { SlaStatement } from '#protocol/sla-statement.ts'
import { PPB, tiers } from '#sla/tiers.ts'
import type { CliContext } from './context.ts'
import { formatCount, formatMoney, formatNoun, formatShare } from './format.ts'
import { groupCommand } from './group.ts'
import { runSession, type Session, show, showFields, showTable } from './session.ts'
import { bundleCommand, recomputeCommand } from './sla-bundle.ts'
import { incidentCommand, maintenanceCommand, statusPageCommand } from './sla-network.ts'
import type { Column } from './table.ts'

/** `shoal sla`: what is promised, how it was kept to, and the evidence. */
export const slaCommand = (context: CliContext): Command =>
  groupCommand(
    {
      name: 'sla',
      description: 'what is promised and kept: report, class, evidence, incidents, maintenance',
    },
    reportCommand(context),
    [
      classCommand(context),
      bundleCommand(context),
      recomputeCommand(context),
      statusPageCommand(context),
      incidentCommand(context),
      maintenanceCommand(context),
    ],
  )

interface ReportOptions {
  readonly organisation?: string
}

const reportCommand = (context: CliContext): Command =>
  new Command('report')
    .description('show what the organisation is promised, this month so far, and what was credited')
    .option('--organisation <id>', "another organisation than the key's own (operators only)")
    .action((_word: undefined, { organisation }: ReportOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const client = organisation === undefined ? session.member : session.operator
        const query = organisation === undefined ? {} : { organisationId: organisation }
        const report = await client.getSla({ query })
        show(session, routes.getSla.reply, report, () => showReport(session, report))
      }),
    )

function showReport(session: Session, report: SlaReport): string {
  const { slaClass, months, statements, organisationId, jobs } = report
  const tier = tiers[slaClass]
  const promised =
    slaClass === 'none'
      ? 'nothing; an operator changes that with "shoal sla class"'
      : `${formatShare(tier.targetPpb)} of requests answered, first tokens within ${tier.firstTokenMs / 1_000} s, ${tier.tokensPerSecond} tokens/s`
  const fields = showFields(session, [
    ['organisation', organisationId],
    ['class', slaClass],
    ['promised', promised],
    ...(jobs > 0 ? ([['jobs', `${formatNoun(jobs, 'job')} not settled yet`]] as const) : []),
  ])
  return [
    fields,
    showTable(session, monthColumns, months, 'Nothing was counted this month.'),
    showTable(session, statementColumns, statements, 'No month is closed yet.'),
  ].join('\n')
}

const attained = ({ met, of }: { met: number; of: number }): string =>
  of === 0 ? '–' : formatShare(Math.floor((met / of) * PPB))

const notCounted = ({ notCounted: reasons }: SlaMonth): string =>
  Object.entries(reasons)
    .map(([reason, count]) => `${reason} ${formatCount(count)}`)
    .join(', ') || '–'

const monthColumns: Column<SlaMonth>[] = [
  { title: 'MONTH', text: ({ month }) => month },
  { title: 'CLASS', text: (month) => month.slaClass },
  {
    title: 'UPTIME',
    isRight: true,
    text: (month) => formatShare(month.uptimePpb),
    tone: ({ uptimePpb, targetPpb }) => (uptimePpb < targetPpb ? 'bad' : 'good'),
  },
  { title: 'TARGET', isRight: true, text: (month) => formatShare(month.targetPpb) },
  { title: 'REQUESTS', isRight: true, text: ({ valid }) => formatCount(valid) },
  { title: 'FAILED', isRight: true, text: ({ errors }) => formatCount(errors) },
  {
    title: 'BUDGET LEFT',
    isRight: true,
    text: ({ budgetLeftPpb }) => `${Math.floor(budgetLeftPpb / (PPB / 100))} %`,
    tone: ({ budgetLeftPpb }) => (budgetLeftPpb < 0 ? 'bad' : budgetLeftPpb < PPB / 2 ? 'warning' : 'good'),
  },
  { title: 'FIRST TOKEN', isRight: true, text: ({ firstToken }) => attained(firstToken) },
  { title: 'SPEED', isRight: true, text: ({ speed }) => attained(speed) },
  { title: 'CHARGES', isRight: true, text: ({ charges }) => formatMoney(charges) },
  { title: 'CREDIT SO FAR', isRight: true, text: ({ credit }) => formatMoney(credit) },
  { title: 'NOT COUNTED', text: notCounted },
]

const statementColumns: Column<SlaStatement>[] = [
  { title: 'CLOSED', text: ({ month }) => month },
  { title: 'CLASS', text: (statement) => statement.slaClass },
  {
    title: 'UPTIME',
    isRight: true,
    text: ({ uptimePpb }) => formatShare(uptimePpb),
    tone: ({ uptimePpb, targetPpb }) => (uptimePpb < targetPpb ? 'bad' : 'good'),
  },
  { title: 'TARGET', isRight: true, text: ({ targetPpb }) => formatShare(targetPpb) },
  { title: 'REQUESTS', isRight: true, text: ({ valid }) => formatCount(valid) },
  { title: 'FAILED', isRight: true, text: ({ errors }) => formatCount(errors) },
  { title: 'CHARGES', isRight: true, text: ({ charges }) => formatMoney(charges) },
  {
    title: 'JOBS LATE',
    isRight: true,
    text: ({ jobs }) => formatCount(jobs.filter((job) => job.creditBps > 0).length),
  },
  { title: 'POSTED', isRight: true, text: ({ posted }) => formatMoney(posted) },
  { title: 'TRANSFER', text: ({ transferId }) => transferId ?? '–' },
]

const classCommand = (context: CliContext): Command =>
  new Command('class')
    .description('say what an organisation is promised from now on (operators)')
    .addArgument(new Argument('<class>', 'what it is promised').choices(SlaClass.options))
    .option('--organisation <id>', "another organisation than the key's own")
    .action((slaClass: SlaClass, { organisation }: ReportOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const client = session.operator
        const organisationId = organisation ?? (await client.getOwnKey()).organisationId
        const told = await client.setSlaClass({ params: { organisationId }, body: { slaClass } })
        show(
          session,
          routes.setSlaClass.reply,
          told,
          () => `${told.organisationId} has the class ${told.slaClass}.`,
        )
      }),
    )
