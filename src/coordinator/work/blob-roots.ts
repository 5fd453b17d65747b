/** What jobs need of an organisation's files, told to whoever keeps them before any is removed. */
import type { Bus, Clock, Log, Subscription } from '#host/host.ts'
import { DAY_MS } from '#kernel/time.ts'
import { subjects } from '#protocol/cell.ts'
import { toProblem } from '#protocol/problem.ts'
import { jsonWriter } from '#protocol/wire-form.ts'
import { BlobRoots, BlobRootsReply } from '#protocol/work-check.ts'
import type { Work } from '#work/work.ts'
import type { Coordinator } from '../coordinator.ts'
import type { Projector } from '../read-models/projector.ts'
import type { ReadModelQueries } from '../read-models/queries.ts'

/** What a job made is kept for so long after it ended, unless its owner deletes it; its inputs for as long as it is in memory. */
export const RESULTS_KEPT_MS = 30 * DAY_MS

type Root = BlobRootsReply['roots'][number]

export interface BlobRootsParts {
  readonly bus: Pick<Bus, 'serve'>
  readonly clock: Pick<Clock, 'after'>
  readonly log: Log
  readonly coordinator: Pick<Coordinator, 'execute' | 'sequence'>
  readonly projector: Pick<Projector, 'reach'>
  readonly queries: Pick<ReadModelQueries, 'keptOutputs'>
  /** Trees that jobs of an organisation's quotes would need. */
  readonly quotedInputs?: (organisationId: string) => readonly string[]
}

/** Tables that lag behind for longer get no answer given: then nothing is removed. */
const REACH_WITHIN_MS = 5_000
/** Of one answer; who asked goes on after the last of them. */
const ROOTS_MAX = 5_000
const write = jsonWriter(BlobRootsReply)

/** Answers once what it says is durable, and not at all where it does not know everything. */
export function serveBlobRoots(parts: BlobRootsParts): Subscription {
  const { bus, log, coordinator, projector, queries, quotedInputs = () => [] } = parts

  async function keptSince(organisationId: string, sinceMs: number): Promise<readonly string[]> {
    // A job that left the memory is in the tables that include that.
    const sequence = coordinator.sequence()
    if (!(await projector.reach(sequence, REACH_WITHIN_MS))) throw new Error('the tables lag behind')
    return (await queries.keptOutputs(organisationId, sinceMs)).hashes
  }

  async function allRoots(
    { organisationId, liveOnly = false }: BlobRoots,
    live: ReadonlyMap<string, Root>,
    nowMs: number,
  ): Promise<Root[]> {
    const kept = liveOnly ? [] : await keptSince(organisationId, nowMs - RESULTS_KEPT_MS)
    const roots = new Map(live)
    for (const sha256 of kept) addRoot(roots, 'object', sha256)
    for (const sha256 of quotedInputs(organisationId)) addRoot(roots, 'tree', sha256)
    return [...roots.keys()].sort().flatMap((key) => roots.get(key) ?? [])
  }

  return bus.serve(subjects.blobRoots, (message, reply) => {
    const parsed = BlobRoots.safeParse(parseJson(message))
    if (!parsed.success) return log.error('bus.message_malformed', { subject: subjects.blobRoots })
    const { organisationId, after } = parsed.data
    coordinator.execute(
      ({ state, nowMs }) => ({ live: liveRoots(state.work, organisationId), nowMs }),
      ({ live, nowMs }) => {
        allRoots(parsed.data, live, nowMs).then(
          (all) => reply(write(pageOf(all, after))),
          (error: unknown) =>
            log.warn('blob.roots_unknown', { organisationId, message: toProblem(error).message }),
        )
      },
    )
  })
}

/** Inputs of all its jobs in memory, and whatever their tasks made, by kind and hash. */
export function liveRoots({ jobs }: Pick<Work, 'jobs'>, organisationId: string): Map<string, Root> {
  const roots = new Map<string, Root>()
  for (const job of jobs.values()) {
    if (job.organisationId !== organisationId) continue
    for (const { inputRoot, tasks } of job.steps) {
      if (inputRoot !== '') addRoot(roots, 'tree', inputRoot)
      for (const { result } of tasks)
        for (const { sha256 } of result?.outputs ?? []) addRoot(roots, 'object', sha256)
    }
  }
  return roots
}

const keyOf = ({ kind, sha256 }: Root): string => `${sha256} ${kind}`

const addRoot = (roots: Map<string, Root>, kind: Root['kind'], sha256: string): void =>
  void roots.set(keyOf({ kind, sha256 }), { kind, sha256 })

function pageOf(all: readonly Root[], after: string | undefined): BlobRootsReply {
  const from = after === undefined ? 0 : all.findIndex((root) => keyOf(root) > after)
  const roots = from === -1 ? [] : all.slice(from, from + ROOTS_MAX)
  const last = roots.at(-1)
  const isMore = from !== -1 && from + ROOTS_MAX < all.length
  return { roots, ...(isMore && last && { next: keyOf(last) }) }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // The schema refuses it.
  }
}
