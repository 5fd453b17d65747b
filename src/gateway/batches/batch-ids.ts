/**
 * Ids of files and batches. Each names its *home*, the gateway that keeps it, and then the time at which it was made: in
 * their order, whichever home they are of, they are in the order of time.
 */
import type { Clock, Crypto, Secrets } from '#host/host.ts'
import { base32 } from '#kernel/id.ts'
import type { TimestampMs } from '#kernel/time.ts'

const HOME_LENGTH = 8
const TIME_BYTES = 6
const RANDOM_BYTES = 9
const ID = /^(?:file-|batch_)([0-9a-z]{8})([0-9a-z]{25})$/

export type IdKind = 'file-' | 'batch_'

export const homeTag = (journalId: string, crypto: Pick<Crypto, 'sha256'>): string =>
  base32(crypto.sha256(`batches of ${journalId}`)).slice(0, HOME_LENGTH)

export interface IdMaker {
  readonly home: string
  next(kind: IdKind): string
}

export function createIds(home: string, { clock, secrets }: { clock: Clock; secrets: Secrets }): IdMaker {
  // Two of one millisecond are told apart by chance, and never go back in time when the clock does.
  let lastMs = 0
  return {
    home,
    next(kind) {
      lastMs = Math.max(lastMs, clock.nowMs())
      return `${kind}${home}${timeText(lastMs)}${base32(secrets.randomBytes(RANDOM_BYTES)).slice(0, 15)}`
    },
  }
}

function timeText(ms: TimestampMs): string {
  const bytes = new Uint8Array(TIME_BYTES)
  for (let index = TIME_BYTES - 1, rest = ms; index >= 0; index--) {
    bytes[index] = rest % 256
    rest = Math.floor(rest / 256)
  }
  return base32(bytes)
}

/** The home that an id names; `null` for what is no id of that kind. */
export const homeOf = (id: string, kind: IdKind): string | null =>
  id.startsWith(kind) ? (ID.exec(id)?.[1] ?? null) : null

/** What ids of one kind are ordered by. */
export const orderOf = (id: string): string => ID.exec(id)?.[2] ?? ''
