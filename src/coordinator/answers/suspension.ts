import type { Bar } from '#protocol/cell.ts'
import type { AnswerChecks } from '#verify/answers.ts'

/** Why the node gets no work after a verdict on its answers; `null` while it may. */
export function suspensionOf({ nodes }: Pick<AnswerChecks, 'nodes'>, nodeId: string): Bar | null {
  const record = nodes.get(nodeId)
  const verdict = record?.cases.at(-1)
  if (!record || record.suspendedUntilMs === null || !verdict) return null
  const until = new Date(record.suspendedUntilMs).toISOString()
  return {
    code: 'suspended',
    message: `Suspended until ${until}: ${verdict.reason}. "shoal nodes audits ${nodeId}" has the evidence and the way back.`,
  }
}
