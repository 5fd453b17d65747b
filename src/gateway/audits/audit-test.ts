import type { AnswerTest } from '#protocol/answer-audit.ts'
import type { AuditedAnswer } from './audited-answer.ts'

/** Above it the tokens of an answer are too surprising to tell anything. */
const TEMPERATURE_MAX = 1.2

/**
 * By what an answer can be looked at; `null` where by nothing. What was sampled under constraints (a grammar, penalties, a bias) is
 * not what the model alone finds typical: then only what the node claimed tells something.
 */
export function testOf({ request, hasClaims, areIdsKnown }: AuditedAnswer): AnswerTest | null {
  if (hasClaims) return 'claimed'
  const { sampling } = request
  const isConstrained =
    request.kind === 'chat' && (request.format !== undefined || request.tools !== undefined)
  const isPenalised = sampling.frequencyPenalty !== 0 || sampling.presencePenalty !== 0
  const isBent = isConstrained || isPenalised || sampling.logitBias !== undefined
  // Without ids it is the text that is looked at; its words may have been other tokens.
  if (isBent || sampling.temperature > TEMPERATURE_MAX || (!areIdsKnown && sampling.stop.length > 0))
    return null
  return 'typical'
}
