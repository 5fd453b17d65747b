/**
 * Under which spool, and from which number on, a gateway's readings are known to the ledger. Usually the spool is the
 * journal itself. When one of the two was restored from a backup, their numbers no longer fit: then the readings go on
 * under a new spool id, counted from one, so that no old number ever names a new reading.
 */
import { z } from 'zod'
import type { Secrets } from '#host/host.ts'
import { formatId, ID_BYTES } from '#kernel/id.ts'

export interface SpoolNumbers {
  readonly spoolId: string
  /** Journal sequence minus the number in the spool. */
  readonly base: number
}

const Kept = z.object({ journalId: z.string(), spoolId: z.string(), base: z.int().nonnegative() })
const NAME = 'spool-numbers'

export function readSpoolNumbers({ secrets }: { secrets: Secrets }, journalId: string): SpoolNumbers {
  const text = secrets.read(NAME)
  const kept = text === null ? null : Kept.parse(JSON.parse(text))
  return kept?.journalId === journalId ? kept : { spoolId: journalId, base: 0 }
}

/** A new spool that begins after journal entry `base`; remembered before it is used. */
export function renumberSpool(
  { secrets }: { secrets: Secrets },
  journalId: string,
  base: number,
): SpoolNumbers {
  const spoolId = formatId('spool', secrets.randomBytes(ID_BYTES))
  secrets.write(NAME, JSON.stringify({ journalId, spoolId, base } satisfies z.output<typeof Kept>))
  return { spoolId, base }
}
