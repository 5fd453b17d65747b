/** Readers of what people type, for commander: they throw its own error, which it prints with the option's name. */
import { InvalidArgumentError } from 'commander'
import { type NanoUsd, parseUsd } from '#kernel/money.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '#kernel/time.ts'

export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`)
  }

export const decimal =
  (min: number, max: number) =>
  (text: string): number => {
    const value = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    throw new InvalidArgumentError(`Expected a number from ${min} to ${max}.`)
  }

/** A positive amount in US dollars. */
export function usd(text: string): NanoUsd {
  const amount = parseUsd(text)
  if (amount !== null && amount > 0n) return amount
  throw new InvalidArgumentError('Expected an amount in US dollars above zero, such as 5 or 0.25.')
}

const unitsMs: Readonly<Record<string, number>> = { s: SECOND_MS, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS }

/** `90s`, `15m`, `2h`, `7d`, in milliseconds. */
export function duration(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  const unitMs = unitsMs[unit]
  if (unitMs !== undefined && Number(count) > 0) return Number(count) * unitMs
  throw new InvalidArgumentError('Expected a duration such as 90s, 15m, 2h or 7d.')
}
