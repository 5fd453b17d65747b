/** What is promised, and how requests are told apart for it. The promises themselves are in `#sla/tiers.ts`. */
import { z } from 'zod'

/** How reliable the network promises to be; `none` promises nothing. Least first. */
export const SlaClass = z.enum(['none', 'standard', 'business', 'enterprise']).meta({ id: 'SlaClass' })
export type SlaClass = z.output<typeof SlaClass>

/** Whichever promises more. */
export const stricter = (a: SlaClass, b: SlaClass): SlaClass =>
  SlaClass.options.indexOf(a) >= SlaClass.options.indexOf(b) ? a : b

/** A calendar month in UTC, as `2026-11`. */
export const Month = z.string().regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'a month is written as 2026-11')

/** What of a request takes it out of the count, whatever becomes of it. */
export const SlaExemption = z.enum(['free', 'restricted', 'batch', 'own_node', 'unoffered'])
export type SlaExemption = z.output<typeof SlaExemption>

/** What a reading of the meter tells for the count. All optional: gateways of earlier releases tell none of it. */
export const slaFacts = {
  /** The class that the request was admitted under. Absent: none. */
  slaClass: SlaClass.optional(),
  /** Why it failed, as a problem's code; absent where it did not. */
  problem: z.string().optional(),
  exempt: SlaExemption.optional(),
  /** How long after its arrival its first token was due at the latest, for a caller that left without one. */
  firstTokenDueMs: z.int().nonnegative().optional(),
  /** From the first token to the last; absent where the reader held it up. */
  decodeMs: z.int().nonnegative().optional(),
}

/** Requests of one organisation that were refused alike in one bin. */
export const RefusedCount = z.object({
  organisationId: z.string(),
  slaClass: SlaClass,
  binStartMs: z.int(),
  problem: z.string(),
  count: z.int().positive(),
  exempt: SlaExemption.optional(),
})
export type RefusedCount = z.output<typeof RefusedCount>

/** A request that a gateway works on. */
export const OpenRequest = z.object({
  requestId: z.string(),
  organisationId: z.string(),
  slaClass: SlaClass,
  startedAtMs: z.int(),
})
export type OpenRequest = z.output<typeof OpenRequest>

/**
 * What a gateway counts besides its readings: what it refused since it told last, and all that it works on. In its spool
 * with them, so that it is applied once and in order.
 */
export const SlaTally = z.object({
  gatewayId: z.string(),
  /** Another one for each start: what an earlier run had open and never told the end of is lost. */
  run: z.string(),
  refused: z.array(RefusedCount),
  open: z.array(OpenRequest),
})
export type SlaTally = z.output<typeof SlaTally>
