/** Fields that many objects of the API share. */
import { z } from 'zod'

/** An id in a path or a body; what does not exist is `not_found`, whatever it looks like. */
export const Id = z.string().min(1).max(200)

/** The last instant whose year has four digits: what comes later is no time but another unit, such as microseconds. */
const INSTANT_MS_MAX = 253_402_300_799_999

/** Milliseconds since the Unix epoch. */
export const TimestampMs = z
  .int()
  .nonnegative()
  .max(INSTANT_MS_MAX)
  .describe('Milliseconds since the Unix epoch.')

/** A name that people give: one line, no control characters. */
export const Name = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^\P{Cc}+$/u, 'expected one line without control characters')

/** One line of text, possibly empty. */
export const Line = z
  .string()
  .trim()
  .max(200)
  .regex(/^\P{Cc}*$/u, 'expected one line without control characters')

export const hexOf = (bytes: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`), `expected ${bytes} bytes in lower-case hex`)
