import { z } from 'zod'
import { Id, Line, TimestampMs } from './field.ts'
import { NanoUsd, PositiveNanoUsd } from './money.ts'
import { freshness, pageOf } from './page.ts'

export const PayoutState = z.enum(['requested', 'paid', 'refused']).meta({ id: 'PayoutState' })

export const Payout = z
  .object({
    payoutId: Id,
    organisationId: Id,
    accountId: Id,
    amount: NanoUsd,
    method: z.string(),
    destination: z.string(),
    state: PayoutState,
    requestedAtMs: TimestampMs,
    settledAtMs: TimestampMs.nullable(),
    externalReference: z
      .string()
      .nullable()
      .describe('What the payment is called outside, once it was made.'),
    reason: z.string().nullable().describe('Why it was refused.'),
  })
  .meta({ id: 'Payout', description: 'Earned money on its way out.' })
export type Payout = z.output<typeof Payout>

export const PayoutPage = z.object({ ...pageOf(Payout), ...freshness }).meta({ id: 'PayoutPage' })

/** Text that must be there: a number of a payment, an address. */
const NonEmptyLine = Line.refine((text) => text !== '', 'expected some text')

export const RequestPayout = z
  .strictObject({
    requestId: Id.describe('Made by the caller. The same id again is the same payout: it is asked for once.'),
    createdAtMs: TimestampMs.describe(
      'When the caller made `requestId`. One older than the ledger’s memory of payouts is refused, for it could be a repeat.',
    ),
    amount: PositiveNanoUsd,
    method: z.string().min(1).max(50).optional().describe('`manual` unless given: an operator pays by hand.'),
    destination: NonEmptyLine.describe('Where it goes: for `manual`, whatever the operator can pay to.'),
    organisationId: Id.optional().describe('Another organisation than the caller’s own: operators only.'),
  })
  .meta({ id: 'RequestPayout' })

export const PayPayout = z
  .strictObject({ externalReference: NonEmptyLine.describe('What the payment is called outside.') })
  .meta({ id: 'PayPayout' })
export const RefusePayout = z.strictObject({ reason: NonEmptyLine }).meta({ id: 'RefusePayout' })

export const Earnings = z
  .object({
    organisationId: Id,
    accountId: Id,
    earned: NanoUsd.describe('All pay for work since the account was opened.'),
    available: NanoUsd.describe('Can be asked for now.'),
    heldBack: NanoUsd.describe('Kept until it is released; cannot be asked for.'),
    requested: NanoUsd.describe('Asked for and not yet settled.'),
    paid: NanoUsd.describe('Paid out since the account was opened.'),
    payoutMin: NanoUsd.describe('The least that is paid out at once.'),
    methods: z.array(z.string()),
  })
  .meta({ id: 'Earnings', description: 'What an organisation earned with its nodes, and where it is.' })
export type Earnings = z.output<typeof Earnings>

export const HoldBackPay = z
  .strictObject({
    holdbackId: Id.describe('Made by the caller. The same id again is the same holdback.'),
    amount: PositiveNanoUsd,
    reason: NonEmptyLine.describe('For the audit log of the account’s owner.'),
  })
  .meta({ id: 'HoldBackPay' })

export const Holdback = z
  .object({ holdbackId: Id, accountId: Id, amount: NanoUsd })
  .meta({ id: 'Holdback', description: 'Pay that is kept back.' })
export type Holdback = z.output<typeof Holdback>
export const HoldbackPage = z.object(pageOf(Holdback)).meta({ id: 'HoldbackPage' })
