/**
 * Under which spool, and from which number on, a gateway's readings are known to the ledger. Every run of a gateway
 * begins a spool of its own, with a new id and counted from one; what an earlier run left keeps the numbers it had. So
 * whatever became of the disk in between (lost, replaced, put back from a backup), no number that the ledger has seen
 * ever names a new reading, and no reading goes to the ledger under a second number.
 */
import { z } from 'zod'
import type { Journal, Secrets } from '#host/host.ts'
import { formatId, ID_BYTES } from '#kernel/id.ts'

/** The readings after journal entry `base` and up to the next spool's. */
export interface Spool {
  readonly spoolId: string
  /** Journal sequence minus the number in the spool. */
  readonly base: number
}

/** Oldest first; the last is this run's. */
export type SpoolNumbers = readonly Spool[]

const SpoolForm = z.object({ spoolId: z.string(), base: z.int().nonnegative() })
/** The newest spool stands by itself, as an older release wrote and reads it. */
const Kept = SpoolForm.extend({ journalId: z.string(), spools: z.array(SpoolForm).optional() })
const NAME = 'spool-numbers'

type Parts = { journal: Pick<Journal, 'id' | 'lastSequence'>; secrets: Secrets }

/** The spools of the readings from `oldest` on, and a new one for this run; remembered before it is used. */
export function beginSpool(parts: Parts, oldest: number): SpoolNumbers {
  const { journal, secrets } = parts
  const text = secrets.read(NAME)
  const kept = text === null ? null : Kept.parse(JSON.parse(text))
  const earlier =
    kept?.journalId === journal.id ? (kept.spools ?? [kept]) : [{ spoolId: journal.id, base: 0 }]
  const needed = earlier.filter(({ base }, index) => {
    const through = earlier[index + 1]?.base ?? journal.lastSequence
    return through > base && through >= oldest
  })
  return keep(parts, [...needed, newSpool(parts, journal.lastSequence)])
}

/** Gives what `spool` has after journal entry `base` to a new spool; remembered before it is used. */
export function renumberSpool(
  parts: Parts,
  numbers: SpoolNumbers,
  at: { spool: Spool; base: number },
): SpoolNumbers {
  return keep(
    parts,
    numbers.map((spool) => (spool === at.spool ? newSpool(parts, at.base) : spool)),
  )
}

const newSpool = ({ secrets }: Parts, base: number): Spool => ({
  spoolId: formatId('spool', secrets.randomBytes(ID_BYTES)),
  base,
})

function keep({ journal, secrets }: Parts, numbers: SpoolNumbers): SpoolNumbers {
  const spools = numbers.map(({ spoolId, base }) => ({ spoolId, base }))
  const newest = spools.at(-1) ?? { spoolId: journal.id, base: 0 }
  secrets.write(
    NAME,
    JSON.stringify({ journalId: journal.id, ...newest, spools } satisfies z.output<typeof Kept>),
  )
  return spools
}
