import type { Host, Journal } from '#host/host.ts'
import { type CoordinatorState, emptyState, parseState } from './coordinator-state.ts'

/** Of the state's shape: a snapshot of another one is replaced by a replay. */
export const STATE_VERSION = 11

/** Where a snapshot is: its blob, and the journal entry that it includes as the last. */
interface SnapshotRef {
  readonly version: typeof STATE_VERSION
  readonly journalId: string
  readonly sequence: number
  readonly hash: string
}

export interface Snapshots {
  /** The newest usable snapshot of this journal, or the empty state at sequence 0. */
  load(lastSequence: number): Promise<{ state: CoordinatorState; sequence: number }>
  /** Begins to keep `text`, the state as of `sequence`, which is durable. A save while another runs is skipped. */
  save(text: string, sequence: number): void
  /** Resolves when no save is under way. */
  settle(): Promise<void>
}

const SECRET = 'snapshot'
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Snapshots only make a restart quick; the journal alone is the truth. So whatever is wrong with one (missing blob,
 * failed hash, another journal's, newer than the journal) means a full replay, said in the log, never an error.
 *
 * Each names the entry that it includes as the last. A journal that was restored to an earlier moment and went on
 * differently has the same id and, after a while, the same numbers: but not that entry.
 */
export function createSnapshots(
  { blobs, secrets, log }: Pick<Host, 'blobs' | 'secrets' | 'log'>,
  journal: Pick<Journal, 'id' | 'read'>,
): Snapshots {
  const journalId = journal.id
  let saving: Promise<void> | null = null

  async function load(lastSequence: number): Promise<{ state: CoordinatorState; sequence: number }> {
    const text = secrets.read(SECRET)
    if (text !== null) {
      try {
        const ref = JSON.parse(text) as SnapshotRef
        const isOurs =
          ref.version === STATE_VERSION && ref.journalId === journalId && ref.sequence <= lastSequence
        const bytes = isOurs ? await blobs.get(ref.hash) : null
        const kept = bytes ? decoder.decode(bytes) : ''
        const head = bytes ? await headOf(journal, ref.sequence) : ''
        // The hash vouches for the blob, and the blob for the number: a reference that rots leads nowhere.
        if (bytes && kept.startsWith(head))
          return { state: parseState(kept.slice(head.length)), sequence: ref.sequence }
        log.warn('snapshot.unusable', { sequence: ref.sequence, lastSequence })
      } catch (error) {
        log.warn('snapshot.unusable', { lastSequence, message: messageOf(error) })
      }
    }
    return { state: emptyState(), sequence: 0 }
  }

  async function keep(text: string, sequence: number): Promise<void> {
    try {
      const previous = secrets.read(SECRET)
      const hash = await blobs.put(encoder.encode((await headOf(journal, sequence)) + text))
      secrets.write(
        SECRET,
        JSON.stringify({ version: STATE_VERSION, journalId, sequence, hash } satisfies SnapshotRef),
      )
      const previousHash = previous === null ? hash : (JSON.parse(previous) as SnapshotRef).hash
      if (previousHash !== hash) await blobs.delete(previousHash)
    } catch (error) {
      log.warn('snapshot.failed', { sequence, message: messageOf(error) })
    }
  }

  return {
    load,
    save(text, sequence) {
      if (saving) return
      saving = keep(text, sequence).finally(() => {
        saving = null
      })
    },
    settle: async () => {
      await saving
    },
  }
}

const FINGERPRINT_LENGTH = 200

/** The first line of a snapshot: which state of what it is. */
async function headOf(journal: Pick<Journal, 'id' | 'read'>, sequence: number): Promise<string> {
  const [entry] = await journal.read(sequence, 1)
  if (entry?.sequence !== sequence) throw new Error(`the journal has no entry ${sequence} any more`)
  const { epoch, payload } = entry
  const start = JSON.stringify(payload.slice(0, FINGERPRINT_LENGTH).toWellFormed())
  return `${journal.id} ${sequence} ${epoch} ${payload.length} ${start}\n`
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
