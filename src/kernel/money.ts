import { assert } from './assert.ts'

/** Billionths of a US dollar. Integers only: sums are exact and replay everywhere alike. */
export type NanoUsd = bigint

export const NANO_PER_USD = 1_000_000_000n

/** `dividend / divisor`, rounded up: what a payer owes. Both must be non-negative, the divisor positive. */
export function divideUp(dividend: bigint, divisor: bigint): bigint {
  assert(dividend >= 0n && divisor > 0n, 'divideUp takes a non-negative dividend and a positive divisor')
  return (dividend + divisor - 1n) / divisor
}

/** Fixed-point text of an amount, trailing zeros trimmed to at least two decimals: `1.25`, `0.000000042`. */
export function formatUsd(amount: NanoUsd): string {
  const sign = amount < 0n ? '-' : ''
  const magnitude = amount < 0n ? -amount : amount
  const whole = magnitude / NANO_PER_USD
  const fraction = (magnitude % NANO_PER_USD)
    .toString()
    .padStart(9, '0')
    .replace(/0{1,7}$/, '')
  return `${sign}${whole}.${fraction}`
}

/** Reads `12`, `12.5`, `0.000000001`, with an optional leading `$`; `null` for anything else or more than 9 decimals. */
export function parseUsd(text: string): NanoUsd | null {
  const match = /^\$?(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text.trim())
  if (!match) return null
  const [, whole = '0', fraction = ''] = match
  return BigInt(whole) * NANO_PER_USD + BigInt(fraction.padEnd(9, '0'))
}

export const minimum = (a: bigint, b: bigint): bigint => (a < b ? a : b)
export const maximum = (a: bigint, b: bigint): bigint => (a > b ? a : b)
