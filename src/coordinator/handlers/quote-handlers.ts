import { Problem } from '#protocol/problem.ts'
import type { Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { act } from './act.ts'
import { execute, type HandlerParts, newId } from './handler-parts.ts'
import { jobParts } from './job-parts.ts'

export function quoteHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, 'askQuote' | 'getQuote'> {
  const desk = () => {
    const { quoteDesk } = jobParts(parts)
    if (quoteDesk) return quoteDesk
    throw new Problem('not_supported', 'This network makes no quotes.')
  }
  return {
    askQuote: ({ body }, caller, context) => {
      const quoteId = newId('quote', parts)
      const { organisationId } = caller
      const details = { name: body.name, tier: body.tier }
      return act(
        parts,
        { caller, context },
        { organisationId, objectId: quoteId, details },
        (turn, doing) => {
          // The quote itself is in memory alone.
          doing.isOutside = true
          return desk().ask(turn, { organisationId, body, quoteId })
        },
      )
    },

    getQuote: ({ params: { quoteId } }, caller) =>
      execute(parts, (turn) => desk().read(turn, quoteId, caller)),
  }
}
