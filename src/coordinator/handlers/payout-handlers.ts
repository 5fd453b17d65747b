import type { z } from 'zod'
import { formatId, ID_BYTES } from '#kernel/id.ts'
import { formatUsd } from '#kernel/money.ts'
import type { Hold, Ledger } from '#ledger/ledger.ts'
import { providerAccount } from '#ledger/ledger.ts'
import type { LedgerRefusal } from '#ledger/ledger-refusal.ts'
import { holdbackHold, isHoldback, payoutOwner, type Payout as StoredPayout } from '#ledger/payouts.ts'
import { paginate } from '#protocol/page.ts'
import type { Holdback, Payout, RequestPayout } from '#protocol/payout.ts'
import { Problem } from '#protocol/problem.ts'
import type { Caller, Handlers } from '#protocol/route.ts'
import type { ControlRoutes } from '#protocol/routes.ts'
import { manualPayout, PAYOUT_MIN_DEFAULT } from '../payout-method.ts'
import { organisationOf, toAccount, visibleAccount } from './account-parts.ts'
import { act } from './act.ts'
import {
  execute,
  freshly,
  type HandlerParts,
  listedOrganisation,
  maySee,
  notFound,
  organisationFor,
  pageRequest,
} from './handler-parts.ts'

type Names =
  | 'holdBackPay'
  | 'listHoldbacks'
  | 'releaseHoldback'
  | 'getEarnings'
  | 'requestPayout'
  | 'listPayouts'
  | 'getPayout'
  | 'payPayout'
  | 'refusePayout'

export function payoutHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, Names> {
  return { ...holdbackHandlers(parts), ...earningsHandlers(parts), ...settlingHandlers(parts) }
}

type HoldbackNames = 'holdBackPay' | 'listHoldbacks' | 'releaseHoldback'

function holdbackHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, HoldbackNames> {
  const { ledger } = parts.coordinator.state
  return {
    holdBackPay: ({ params: { accountId }, body }, caller, context) => {
      const { holdbackId, amount, reason } = body
      const details = { accountId, amount: String(amount), reason }
      return act(parts, { caller, context }, { objectId: holdbackId, details }, (turn, doing) => {
        const account = providers(ledger, accountId)
        doing.organisationId = organisationOf(account)
        assertByHand(holdbackId)
        const { nowMs } = turn
        const refusal = turn.ledger({ kind: 'hold_back', holdbackId, accountId, amount, nowMs })
        if (refusal) throw payoutProblem(refusal, parts)
        return { holdbackId, accountId, amount }
      })
    },

    listHoldbacks: ({ params: { accountId }, query }, caller) =>
      execute(parts, () => {
        visibleAccount(ledger, accountId, caller)
        const holdbacks = holdsOf(ledger, accountId).filter(isHoldback).map(toHoldback)
        holdbacks.sort((a, b) => (a.holdbackId < b.holdbackId ? -1 : 1))
        // Verification releases its own all the time, also between two pages.
        return paginate(holdbacks, query, (holdback) => holdback.holdbackId, 'by_cursor')
      }),

    releaseHoldback: ({ params: { holdbackId } }, caller, context) =>
      act(parts, { caller, context }, { objectId: holdbackId }, (turn, doing) => {
        const hold = ledger.holds.get(holdbackHold(holdbackId))
        const account = hold && ledger.accounts.get(hold.accountId)
        if (!account) throw notFound('holdback', holdbackId)
        Object.assign(doing, {
          organisationId: organisationOf(account),
          details: { accountId: account.id, amount: String(hold.left) },
        })
        assertByHand(holdbackId)
        const refusal = turn.ledger({ kind: 'release_holdback', holdbackId })
        if (refusal) throw notFound('holdback', holdbackId)
        return toAccount(account)
      }),
  }
}

/** How `answerPayId` and `payHoldId` begin. */
const BY_VERIFICATION = /^(answers|task):/

/** Verification counts on what it holds back to the last nano: by hand nothing of it comes or goes. */
function assertByHand(holdbackId: string): void {
  if (!BY_VERIFICATION.test(holdbackId)) return
  throw new Problem(
    'conflict',
    `${holdbackId} is the name of a holdback of verification, which makes it and releases it by itself once the work is looked at or old enough. Holdbacks made by hand have other names: see shoal payouts hold-back.`,
  )
}

function earningsHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, 'getEarnings'> {
  const { ledger } = parts.coordinator.state
  return {
    getEarnings: ({ params: { accountId } }, caller) =>
      execute(parts, () => {
        const account = visibleAccount(ledger, accountId, caller)
        const organisationId = organisationOf(account)
        if (account.kind !== 'provider' || organisationId === null) throw notAProvider(accountId)
        const { earned, paid } = ledger.earnings.get(accountId) ?? { earned: 0n, paid: 0n }
        const holds = holdsOf(ledger, accountId)
        return {
          organisationId,
          accountId,
          earned,
          available: account.available,
          heldBack: sumOf(holds.filter(isHoldback)),
          requested: sumOf(holds.filter(({ ownerId }) => ownerId === payoutOwner)),
          paid,
          payoutMin: parts.payoutMin ?? PAYOUT_MIN_DEFAULT,
          methods: methodsOf(parts).map(({ name }) => name),
        }
      }),
  }
}

type SettlingNames = 'requestPayout' | 'listPayouts' | 'getPayout' | 'payPayout' | 'refusePayout'

function settlingHandlers(parts: HandlerParts): Pick<Handlers<ControlRoutes>, SettlingNames> {
  const { coordinator, projector, queries } = parts
  const { ledger } = coordinator.state

  return {
    async requestPayout({ body }, caller, context) {
      const earlier = await forgottenRepeat(parts, body, caller)
      if (earlier) return earlier
      const { amount, destination, createdAtMs } = body
      const method = methodsOf(parts).find(({ name }) => name === (body.method ?? manualPayout.name))
      const details = { amount: String(amount), method: body.method ?? manualPayout.name, destination }
      return act(parts, { caller, context }, { details }, (turn, doing) => {
        const organisationId = organisationFor(parts, caller, body.organisationId)
        const payoutId = payoutIdOf(parts, organisationId, body.requestId)
        Object.assign(doing, { organisationId, objectId: payoutId })
        if (!method) throw unknownMethod(parts, body.method ?? '')
        const fault = method.checkDestination(destination)
        if (fault !== null) throw new Problem('invalid_request', fault, { details: { param: 'destination' } })
        const accountId = providerAccount(organisationId)
        const wanted = { payoutId, accountId, amount, method: method.name, destination, createdAtMs }
        const minimum = parts.payoutMin ?? PAYOUT_MIN_DEFAULT
        const refusal = turn.ledger({ kind: 'request_payout', ...wanted, minimum, nowMs: turn.nowMs })
        if (refusal) throw payoutProblem(refusal, parts)
        return known(ledger, payoutId)
      })
    },

    async listPayouts({ query }, caller) {
      const organisationId = listedOrganisation(caller, query.organisationId)
      await freshly(parts)
      const filter = { organisationId, state: query.state ?? null }
      return { ...(await queries.payouts(filter, pageRequest(query))), lagEntries: projector.lag() }
    },

    async getPayout({ params: { payoutId } }, caller) {
      const live = await execute(parts, () => ledger.payouts.get(payoutId))
      // A payout that memory forgot is in the tables.
      if (!live) await freshly(parts)
      const payout = live ? toPayout(live) : await queries.payout(payoutId)
      if (!payout || !maySee(caller, payout.organisationId)) throw notFound('payout', payoutId)
      return payout
    },

    payPayout: ({ params: { payoutId }, body: { externalReference } }, caller, context) =>
      act(
        parts,
        { caller, context },
        { objectId: payoutId, details: { externalReference } },
        (turn, doing) => {
          doing.organisationId = known(ledger, payoutId).organisationId
          const { nowMs } = turn
          const refusal = turn.ledger({ kind: 'pay_payout', payoutId, externalReference, nowMs })
          if (refusal) throw settledAlready(ledger, payoutId)
          return known(ledger, payoutId)
        },
      ),

    refusePayout: ({ params: { payoutId }, body: { reason } }, caller, context) =>
      act(parts, { caller, context }, { objectId: payoutId, details: { reason } }, (turn, doing) => {
        doing.organisationId = known(ledger, payoutId).organisationId
        const refusal = turn.ledger({ kind: 'refuse_payout', payoutId, reason, nowMs: turn.nowMs })
        if (refusal) throw settledAlready(ledger, payoutId)
        return known(ledger, payoutId)
      }),
  }
}

const methodsOf = ({ payoutMethods }: HandlerParts) => payoutMethods ?? [manualPayout]

/** Two organisations that use one request id have two payouts, and learn nothing of each other. */
function payoutIdOf({ crypto, keySecret }: HandlerParts, organisationId: string, requestId: string): string {
  const bytes = crypto.hmacSha256(keySecret, `payout\n${organisationId}\n${requestId}`)
  return formatId('payout', bytes.slice(0, ID_BYTES))
}

/**
 * What was asked for under the same id so long ago that the ledger has forgotten it, and the tables alone know: it is not asked
 * for again, whatever time the caller says that his request is of. Throws a `Problem` for another payout of that id.
 */
async function forgottenRepeat(
  parts: HandlerParts,
  body: z.output<typeof RequestPayout>,
  caller: Caller,
): Promise<Payout | null> {
  const { coordinator, queries } = parts
  const { ledger } = coordinator.state
  const organisationId = body.organisationId ?? caller.organisationId
  const hasForgotten = await execute(parts, () => ledger.payoutsKnownSinceMs > 0)
  if (!hasForgotten || !maySee(caller, organisationId)) return null
  const payoutId = payoutIdOf(parts, organisationId, body.requestId)
  if (ledger.payouts.has(payoutId)) return null
  await freshly(parts)
  const earlier = await queries.payout(payoutId)
  if (!earlier) return null
  const { amount, destination, method } = earlier
  if (
    amount === body.amount &&
    destination === body.destination &&
    method === (body.method ?? manualPayout.name)
  )
    return earlier
  throw payoutProblem('payout_exists', parts)
}

function providers(ledger: Ledger, accountId: string) {
  const account = ledger.accounts.get(accountId)
  if (!account) throw notFound('account', accountId)
  if (account.kind !== 'provider') throw notAProvider(accountId)
  return account
}

function known(ledger: Ledger, payoutId: string): Payout {
  const payout = ledger.payouts.get(payoutId)
  if (!payout) throw notFound('payout', payoutId)
  return toPayout(payout)
}

const holdsOf = (ledger: Ledger, accountId: string): Hold[] =>
  [...ledger.holds.values()].filter((hold) => hold.accountId === accountId)

const sumOf = (holds: readonly Hold[]): bigint => holds.reduce((sum, hold) => sum + hold.left, 0n)

const toHoldback = (hold: Hold): Holdback => ({
  holdbackId: hold.id.slice(hold.id.indexOf(':') + 1),
  accountId: hold.accountId,
  amount: hold.left,
})

function toPayout({ id, accountId, ...rest }: StoredPayout): Payout {
  const organisationId = accountId.slice(accountId.indexOf(':') + 1)
  return { payoutId: id, organisationId, accountId, ...rest }
}

const notAProvider = (accountId: string): Problem =>
  new Problem('invalid_request', `${accountId} is no provider's account: nothing is earned on it.`)

const unknownMethod = (parts: HandlerParts, method: string): Problem => {
  const names = methodsOf(parts).map(({ name }) => name)
  const message = `This network does not pay out by ${JSON.stringify(method)}. It pays by: ${names.join(', ')}.`
  return new Problem('invalid_request', message, { details: { param: 'method' } })
}

function settledAlready(ledger: Ledger, payoutId: string): Problem {
  const { state, externalReference } = known(ledger, payoutId)
  const how = state === 'paid' ? `paid as ${externalReference}` : 'refused'
  return new Problem('conflict', `Payout ${payoutId} was ${how} before, and stays so.`)
}

function payoutProblem(refusal: LedgerRefusal, parts: Pick<HandlerParts, 'payoutMin'>): Problem {
  switch (refusal) {
    case 'amount_below_minimum': {
      const least = formatUsd(parts.payoutMin ?? PAYOUT_MIN_DEFAULT)
      return new Problem('invalid_request', `The least that is paid out at once is $${least}.`)
    }
    case 'funds_insufficient':
      return new Problem(
        'funds_insufficient',
        'The account does not have that much available. What is held back or asked for already does not count.',
      )
    case 'payout_exists':
      return new Problem(
        'conflict',
        'This request id was used for another payout. Take a new id for a new payout.',
      )
    case 'payout_too_old':
      return new Problem(
        'conflict',
        'This request is older than the ledger remembers, so it may be a repeat. Look at the payouts, then use a new id.',
      )
    case 'hold_exists':
      return new Problem('conflict', 'There is a holdback of that id with another amount or account.')
    default:
      return new Problem('conflict', `The ledger refused it: ${refusal.replaceAll('_', ' ')}.`)
  }
}
