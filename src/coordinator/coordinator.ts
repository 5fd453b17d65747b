/**
 * The shell around the deciders: takes turns, makes them durable in groups, then lets their effects out.
 *
 * A turn changes memory at once and queues its entry. While one flush is on its way to the disk the next group
 * gathers. Replies leave only when everything they could have seen is durable, in the order of the turns. A flush
 * that fails is fatal: memory is ahead of the journal, and only a replay brings them together again.
 */
import type { Host, Journal, JournalEntry } from '#host/host.ts'
import { assert } from '#kernel/assert.ts'
import type { TimestampMs } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'
import { type CoordinatorEvent, formatRecord, readRecord } from './coordinator-events.ts'
import { type CoordinatorState, evolve } from './coordinator-state.ts'
import { createSnapshotText } from './snapshot-text.ts'
import { createSnapshots, type Snapshots } from './snapshots.ts'
import { startTurn, type Turn } from './turn.ts'

export interface Coordinator {
  readonly state: CoordinatorState
  readonly journal: Journal
  /** Number of the newest entry whose effects are in `state`. */
  sequence(): number
  /**
   * Takes a turn now; `reply` runs with its result once all that it could have seen is durable. A turn without a reply that
   * changes nothing leaves no trace.
   */
  execute<T>(useCase: (turn: Turn) => T, reply?: (result: T) => void): void
  /** Runs after each group became durable, with the newest durable sequence. */
  onDurable(run: (sequence: number) => void): void
  /**
   * False once another may have taken the epoch: memory is then history, and no answer made from it may leave. Also
   * stops the coordinator, as a failed flush does.
   */
  mayAnswer(): boolean
  /** Cell time: the time of a turn that was taken now. */
  nowMs(): TimestampMs
  /** Runs for every event, in order, replayed ones not included. */
  onEvent(run: (event: CoordinatorEvent, sequence: number) => void): void
  /** Waits for what is queued, keeps a snapshot and closes the journal. */
  close(): Promise<void>
}

export interface CoordinatorOptions {
  /** The process cannot go on: the caller logs and dies at once. */
  readonly onFatal: (problem: Problem) => void
  /** A snapshot is taken after this many entries. */
  readonly snapshotEvery: number
}

const REPLAY_BATCH = 256

/** Rebuilds the state from snapshot and journal, then serves. Starting after a crash is this same function. */
export async function openCoordinator(
  host: Pick<Host, 'clock' | 'journals' | 'blobs' | 'secrets' | 'log'>,
  options: CoordinatorOptions,
): Promise<Coordinator> {
  const journal = await host.journals.open('journal')
  const snapshots = createSnapshots(host, journal)
  const loaded = await snapshots.load(journal.lastSequence)
  return await lead(host, { ...loaded, journal, snapshots, snapshotSequence: loaded.sequence }, options)
}

/** What a process knows when it begins to lead. */
export interface Knowledge {
  readonly journal: Journal
  readonly state: CoordinatorState
  /** The last entry that `state` includes. */
  readonly sequence: number
  readonly snapshots: Snapshots
  /** The last entry that the kept snapshot includes; 0 when there is none. */
  readonly snapshotSequence: number
}

/** Brings `state` up to the journal's last entry, then serves. The journal is this process's own from here on. */
export async function lead(
  host: Pick<Host, 'clock' | 'log'>,
  known: Knowledge,
  options: CoordinatorOptions,
): Promise<Coordinator> {
  const { journal, state, sequence, snapshotSequence } = known
  const startedMs = host.clock.elapsedMs()
  await replay(journal, state, sequence)
  const cellTime = createCellTime(host, await lastInstant(journal))
  host.log.info('coordinator.opened', {
    epoch: journal.epoch,
    sequence: journal.lastSequence,
    snapshotSequence,
    knownSequence: sequence,
    replayMs: Math.round(host.clock.elapsedMs() - startedMs),
  })
  return createCoordinator({ cellTime, host, ...known, options })
}

/** Applies every journal entry after `sequence` to `state`. */
export async function replay(
  journal: Pick<Journal, 'lastSequence' | 'read'>,
  state: CoordinatorState,
  sequence: number,
): Promise<void> {
  const { lastSequence } = journal
  const fetch = (from: number): Promise<readonly JournalEntry[]> => {
    const batch = from > lastSequence ? Promise.resolve([]) : journal.read(from, REPLAY_BATCH)
    batch.catch(() => {}) // Whoever awaits it hears of it, but that may come too late for the runtime.
    return batch
  }
  let next = sequence + 1
  let batch = fetch(next)
  while (next <= lastSequence) {
    const entries = await batch
    assert(entries.length > 0, `the journal ends at ${next - 1}, before its last entry`)
    // The journal's thread reads ahead while this one applies.
    batch = fetch(next + entries.length)
    for (const entry of entries) {
      assert(entry.sequence === next, `the journal jumps from ${next - 1} to ${entry.sequence}`)
      for (const event of readRecord(entry.payload).events) evolve(state, event)
      next++
    }
  }
}

/** When the newest entry was decided; 0 for an empty journal. */
async function lastInstant(journal: Journal): Promise<TimestampMs> {
  const [entry] = journal.lastSequence > 0 ? await journal.read(journal.lastSequence, 1) : []
  return entry ? readRecord(entry.payload).atMs : 0
}

/**
 * The time of all turns: wall time as of the start, from then on by the monotonic clock, and never before what the
 * journal already says. So a wall clock that is set while holds and tokens are alive neither ends nor prolongs them.
 */
function createCellTime({ clock, log }: Pick<Host, 'clock' | 'log'>, lastMs: TimestampMs): () => TimestampMs {
  const wallMs = clock.nowMs()
  if (wallMs < lastMs) {
    const behindMs = lastMs - wallMs
    const message = `The clock of this machine is ${Math.ceil(behindMs / 1_000)} s behind the newest entry of the journal. Time goes on from that entry; set the clock and start again.`
    log.warn('clock.behind_journal', { behindMs, message })
  }
  const startMs = Math.max(wallMs, lastMs) - clock.elapsedMs()
  return () => Math.floor(startMs + clock.elapsedMs())
}

const leaseLost = (): Problem =>
  new Problem(
    'lease_lost',
    'This coordinator could not renew its lease in time, so that another may lead by now. It stops, and stands by when it is started again.',
  )

interface Pending {
  readonly sequence: number
  readonly run: () => void
}

function createCoordinator(
  parts: Omit<Knowledge, 'sequence'> & {
    cellTime: () => TimestampMs
    host: Pick<Host, 'clock' | 'log'>
    options: CoordinatorOptions
  },
): Coordinator {
  const { cellTime, host, journal, state, snapshots, options } = parts
  const { clock } = host
  const snapshotText = createSnapshotText(host)
  let sequence = journal.lastSequence
  let durable = sequence
  let snapshotAt = parts.snapshotSequence
  /** Taken, and kept as soon as its last entry is durable. */
  let snapshot: { readonly text: string; readonly sequence: number } | null = null
  let isFlushing = false
  let isReleasing = false
  let isDead = false
  let gathered: string[] = []
  const replies: Pending[] = []
  const durableListeners: ((sequence: number) => void)[] = []
  const eventListeners: ((event: CoordinatorEvent, sequence: number) => void)[] = []

  function die(problem: Problem): void {
    if (isDead) return
    isDead = true
    options.onFatal(problem)
  }
  journal.onLost(die)

  function mayAnswer(): boolean {
    if (isDead) return false
    if (clock.elapsedMs() < journal.heldUntilMs()) return true
    die(leaseLost())
    return false
  }

  function flush(): void {
    if (isFlushing || isDead || gathered.length === 0) return
    const group = gathered
    const upTo = sequence
    gathered = []
    isFlushing = true
    journal.append(group, (problem) => {
      if (isDead) return
      isFlushing = false
      if (problem) return die(problem)
      durable = upTo
      flush()
      releaseReplies()
      for (const run of durableListeners) run(durable)
      snapshotWhenDue()
    })
  }

  function releaseReplies(): void {
    if (!replies[0] || replies[0].sequence > durable || !mayAnswer()) return
    isReleasing = true
    while (replies[0] && replies[0].sequence <= durable) {
      // Turns are taken in order, so what is ready is a prefix; turns taken meanwhile queue up behind it.
      const waiting = replies.findIndex((pending) => pending.sequence > durable)
      const ready = replies.splice(0, waiting === -1 ? replies.length : waiting)
      for (const pending of ready) pending.run()
    }
    isReleasing = false
  }

  function snapshotWhenDue(): void {
    // Under load memory is always ahead of the disk, so the text is taken now and waits for its entries.
    if (!snapshot && sequence - snapshotAt >= options.snapshotEvery) {
      const text = snapshotText.take(state)
      snapshot = text === null ? null : { text, sequence }
      snapshotAt = sequence
    }
    if (!snapshot || snapshot.sequence > durable) return
    snapshots.save(snapshot.text, snapshot.sequence)
    snapshot = null
  }

  function execute<T>(useCase: (turn: Turn) => T, reply?: (result: T) => void): void {
    if (isDead) return
    const events: CoordinatorEvent[] = []
    const nowMs = cellTime()
    const effects: (() => void)[] = []
    const result = useCase(startTurn(state, nowMs, events, effects))
    if (reply) effects.push(() => reply(result))
    if (events.length > 0) {
      sequence++
      gathered.push(formatRecord({ version: 1, atMs: nowMs, events }))
      for (const run of eventListeners) for (const event of events) run(event, sequence)
    }
    if (effects.length === 0) return flush()
    const run = (): void => {
      for (const effect of effects) effect()
    }
    if (sequence === durable && !isReleasing) {
      if (mayAnswer()) run()
      return
    }
    replies.push({ sequence, run })
    flush()
  }

  return {
    state,
    journal,
    sequence: () => sequence,
    execute,
    nowMs: cellTime,
    mayAnswer,
    onDurable: (run) => void durableListeners.push(run),
    onEvent: (run) => void eventListeners.push(run),
    async close() {
      while (!isDead && sequence !== durable) await new Promise<void>((resolve) => execute(() => {}, resolve))
      const text = !isDead && sequence !== snapshotAt ? snapshotText.take(state) : null
      if (text !== null) snapshots.save(text, sequence)
      isDead = true
      await snapshots.settle()
      await journal.close()
    },
  }
}
