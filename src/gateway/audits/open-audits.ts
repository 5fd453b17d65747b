import type { Host } from '#host/host.ts'
import type { EngineRequest } from '#protocol/engine-request.ts'
import type { Place } from '../attempt.ts'
import type { Directory } from '../directory.ts'
import type { NodeLinks } from '../node-links.ts'
import type { RunRequest } from '../run-request.ts'
import { exemptionOf } from '../sla-desk.ts'
import { createAnswerAuditor, type PreparedAnswer } from './answer-auditor.ts'
import { createAuditReporter } from './audit-reporter.ts'
import { type CanaryParts, startCanaries } from './canaries.ts'

/** All that a gateway does to look at answers. */
export interface Audits {
  /** How `place` is to be asked, and what of its answer is looked at. */
  prepare(request: EngineRequest, place: Place, of: RunRequest): PreparedAnswer
  /** Its claim was cut: the network counted fewer. */
  overclaimed(nodeId: string, of: Overclaim): void
  close(): void
}

export interface Overclaim {
  readonly requestId: string
  readonly model: string
  readonly claimed: number
  readonly counted: number
}

const START_BYTES = 9

export function openAudits(
  { bus, clock, crypto, log, random, secrets }: Host,
  of: { gatewayId: string; directory: Directory; nodes: NodeLinks; ask: CanaryParts['ask'] },
): Audits {
  const { gatewayId, directory, nodes } = of
  const start = Buffer.from(secrets.randomBytes(START_BYTES)).toString('base64url')
  const reporter = createAuditReporter({ bus, clock, log }, { gatewayId, start })
  const canaries = startCanaries({
    ...{ clock, random, secrets, directory, ask: of.ask },
    nodes: () => nodes.ready(),
  })
  const auditor = createAnswerAuditor({
    ...{ clock, crypto, random, secrets, directory },
    nodes: () => nodes.ready(),
    tell: reporter.tell,
    onAnswer: canaries.answered,
  })
  return {
    prepare(request, { node, offer }, asked) {
      const { organisationId, preferences, promptTokensMax, isCanary = false } = asked
      // What no credit is a part of lowers none when it comes back.
      const slaClass = exemptionOf(asked, false) === null ? asked.slaClass : undefined
      if (!isCanary) canaries.seen(request)
      return auditor.prepare(request, {
        ...{ nodeId: node.nodeId, roundTripMs: node.roundTripMs, offer, organisationId, isCanary, slaClass },
        promptTokensMax,
        // What the network asks this one node, any other may look at.
        preferences: isCanary ? undefined : preferences,
      })
    },
    overclaimed(nodeId, { requestId, model, claimed, counted }) {
      const [found, expected] = [`${claimed} tokens claimed`, `${counted} tokens counted`]
      const fault = { fault: 'tokens_overclaimed', found, expected } as const
      reporter.tell({ kind: 'finding', auditId: `${requestId}:${nodeId}`, nodeId, model, ...fault })
    },
    close() {
      canaries.close()
      auditor.close()
      reporter.close()
    },
  }
}
