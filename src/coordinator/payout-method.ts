/**
 * How money leaves the network. A payout is asked for with the name of a method and a destination; an operator settles
 * it once the money has left. Today there is one method; one that pays by itself takes the same place.
 */
import type { NanoUsd } from '#kernel/money.ts'

export interface PayoutMethod {
  /** How callers name it. */
  readonly name: string
  /** What is wrong with a destination, as a sentence, or `null`: asked before anything is held. */
  checkDestination(destination: string): string | null
}

export const PAYOUT_MIN_DEFAULT: NanoUsd = 10_000_000_000n

/** An operator pays by hand, to whatever the destination says. */
export const manualPayout: PayoutMethod = { name: 'manual', checkDestination: () => null }
