import type { Host } from '#host/host.ts'
import { type CoordinatorState, emptyState, parseState } from './coordinator-state.ts'

/** Where a snapshot is: its blob, and the journal entry that it includes as the last. */
interface SnapshotRef {
  readonly version: 1
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
 */
export function createSnapshots(
  { blobs, secrets, log }: Pick<Host, 'blobs' | 'secrets' | 'log'>,
  journalId: string,
): Snapshots {
  let saving: Promise<void> | null = null

  async function load(lastSequence: number): Promise<{ state: CoordinatorState; sequence: number }> {
    const text = secrets.read(SECRET)
    if (text !== null) {
      try {
        const ref = JSON.parse(text) as SnapshotRef
        const isOurs = ref.version === 1 && ref.journalId === journalId && ref.sequence <= lastSequence
        const bytes = isOurs ? await blobs.get(ref.hash) : null
        if (bytes) return { state: parseState(decoder.decode(bytes)), sequence: ref.sequence }
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
      const hash = await blobs.put(encoder.encode(text))
      secrets.write(SECRET, JSON.stringify({ version: 1, journalId, sequence, hash } satisfies SnapshotRef))
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

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
