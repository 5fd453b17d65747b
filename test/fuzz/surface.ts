/** One way into a network, and what to send there. */
import type { Random } from '#kernel/random.ts'

/** In the order in which they are run. */
export const surfaceNames = [
  'http-json',
  'headers',
  'multipart',
  'websocket',
  'tokens',
  'journal-records',
  'receipts',
] as const

/** What became of one input. A complaint is a failure, and says what was wrong. `unavailable`: a 5xx that the documents know. */
export type Verdict = 'refused' | 'unavailable' | 'accepted' | 'held' | { readonly complaint: string }

export interface Surface {
  readonly name: string
  /** The next input, as bytes that say everything but the secrets of the network, for which `@KEY@` and the like stand. */
  next(random: Random): Buffer
  /** One that is in order, for comparison; absent where a surface is tried without the network. */
  nextGood?(random: Random): Buffer
  attempt(input: Buffer): Promise<Verdict> | Verdict
  dispose?(): void
}

export const complain = (complaint: string): Verdict => ({ complaint })

/** `input` with the secrets filled in. */
export function filled(input: Buffer, secrets: Readonly<Record<string, string>>): Buffer {
  let text = input.toString('latin1')
  for (const [name, secret] of Object.entries(secrets)) text = text.replaceAll(`@${name}@`, secret)
  return Buffer.from(text, 'latin1')
}
