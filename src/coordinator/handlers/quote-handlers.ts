import { Problem } from '#protocol/problem.ts'
import type { Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import type { HandlerParts } from './handler-parts.ts'

export function quoteHandlers(_parts: HandlerParts): Pick<Handlers<ControlRoutes>, 'askQuote' | 'getQuote'> {
  const none = (): never => {
    throw new Problem('not_supported', 'This network takes no jobs.')
  }
  return { askQuote: none, getQuote: none }
}
