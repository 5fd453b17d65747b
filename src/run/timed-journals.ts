/** Journals that count what they write, and how long each group takes until it is durable. */
import type { Clock, Journal, Journals, SharedJournals } from '#host/host.ts'
import type { Metrics } from '#host/metrics.ts'
import type { journalMetrics } from './metric-tables.ts'

type Parts = { readonly clock: Pick<Clock, 'elapsedMs'>; readonly metrics: Metrics<typeof journalMetrics> }

export const timeJournals = (journals: Journals, parts: Parts): Journals => ({
  open: async (name) => timed(await journals.open(name), name, parts),
})

export const timeSharedJournals = (journals: SharedJournals, parts: Parts): SharedJournals => ({
  open: async (name, options) => timed(await journals.open(name, options), name, parts),
  follow: (name) => journals.follow(name),
})

function timed(journal: Journal, name: string, { clock, metrics }: Parts): Journal {
  const flush = metrics.flush.of(name)
  const entries = metrics.entries.of(name)
  return {
    get id() {
      return journal.id
    },
    get epoch() {
      return journal.epoch
    },
    get lastSequence() {
      return journal.lastSequence
    },
    get rivalMs() {
      return journal.rivalMs
    },
    heldUntilMs: () => journal.heldUntilMs(),
    onLost: (run) => journal.onLost(run),
    append(payloads, done) {
      const startedMs = clock.elapsedMs()
      journal.append(payloads, (problem) => {
        if (!problem) {
          flush.observe((clock.elapsedMs() - startedMs) / 1_000)
          entries.add(payloads.length)
        }
        done(problem)
      })
    },
    read: (fromSequence, countMax) => journal.read(fromSequence, countMax),
    trim: (sequence) => journal.trim(sequence),
    close: () => journal.close(),
  }
}
