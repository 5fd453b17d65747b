import { Command } from 'commander'
import type { NodeAudits } from '#protocol/node-audits.ts'
import { routes } from '#protocol/routes.ts'
import type { CliContext } from './context.ts'
import { formatCount, formatMoney, formatTime } from './format.ts'
import { runSession, type Session, show, showFields, showTable } from './session.ts'
import type { Column } from './table.ts'
import { printable } from './table.ts'

const NODE_ARGUMENT = 'its id, from `shoal nodes`'

/** `shoal nodes audits`: what was found out about its answers, why it was judged, and the way back. */
export const auditsCommand = (context: CliContext): Command =>
  new Command('audits')
    .description(
      'show what audits found out about a node, its verdicts with their evidence, and the way back',
    )
    .argument('<node-id>', NODE_ARGUMENT)
    .action((nodeId: string, _options: unknown, command: Command) =>
      runSession(context, command, async (session) => {
        const audits = await session.operator.getNodeAudits({ params: { nodeId } })
        show(session, routes.getNodeAudits.reply, audits, () => textOf(session, audits))
      }),
    )

/** `shoal nodes lift`: operators take verdicts back. */
export const liftCommand = (context: CliContext): Command =>
  new Command('lift')
    .description("take verdicts on a node's answers back (operators only); lost pay stays lost")
    .argument('<node-id>', NODE_ARGUMENT)
    .requiredOption('--reason <text>', 'why, for the audit log')
    .action((nodeId: string, { reason }: { reason: string }, command: Command) =>
      runSession(context, command, async (session) => {
        const audits = await session.operator.liftNodeCases({ params: { nodeId }, body: { reason } })
        show(session, routes.liftNodeCases.reply, audits, () =>
          printable(`No verdict stands against ${nodeId} any more.`),
        )
      }),
    )

function textOf(session: Session, audits: NodeAudits): string {
  const { cases, faults } = audits
  const seen = Object.entries(faults).map(([fault, count]) => `${formatCount(count)} × ${fault}`)
  const fields = showFields(session, [
    ['looked at', `${audits.auditPercent} % of its answers from now on`],
    ['fitted', `${formatCount(audits.passed)} answers, ${formatCount(audits.passes)} in a row`],
    ['undecided', `${formatCount(audits.doubted)} doubted, ${formatCount(audits.unheard)} with nobody there`],
    ['against it', `${audits.evidence.toFixed(1)} of ${audits.evidenceMax.toFixed(1)}`],
    ...(seen.length > 0 ? [['seen', seen.join(', ')] as const] : []),
    ['held back', formatMoney(audits.heldBack)],
    ...(audits.suspendedUntilMs === null
      ? []
      : [['suspended', `until ${formatTime(audits.suspendedUntilMs)} UTC`] as const]),
    ['way back', audits.wayBack],
  ])
  if (cases.length === 0) return fields
  const proofs = cases.flatMap((one) => one.proofs.map((proof) => ({ ...proof, caseId: one.caseId })))
  return `${fields}\n\n${showTable(session, caseColumns, cases, '')}\n\n${showTable(session, proofColumns, proofs, '')}`
}

const caseColumns: Column<NodeAudits['cases'][number]>[] = [
  { title: 'WHEN (UTC)', text: ({ atMs }) => formatTime(atMs) },
  {
    title: 'PENALTY',
    text: ({ penalty, liftedAtMs }) => (liftedAtMs === null ? penalty : `${penalty}, lifted`),
  },
  { title: 'LOST', isRight: true, text: ({ forfeited }) => formatMoney(forfeited) },
  {
    title: 'WHY',
    text: ({ reason, liftedReason }) =>
      liftedReason === undefined ? reason : `${reason} (lifted: ${liftedReason})`,
  },
]

const proofColumns: Column<NodeAudits['cases'][number]['proofs'][number]>[] = [
  { title: 'ANSWER', text: ({ auditId }) => auditId },
  { title: 'MODEL', text: ({ model }) => model },
  { title: 'EVIDENCE', isRight: true, text: ({ evidence }) => evidence.toFixed(1) },
  { title: 'HASH', text: ({ evidenceHash }) => evidenceHash.slice(0, 16) },
]
