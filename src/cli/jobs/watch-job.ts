/** A job, watched until it is over or stands still: what it does, and its results as they come. */
import { SECOND_MS } from '#kernel/time.ts'
import { Problem } from '#protocol/problem.ts'
import type { Session } from '../session.ts'
import { styleFor } from '../style.ts'
import { barLines, plainLine } from './job-bar.ts'
import { isJobOver, type JobClient, type JobFacts } from './job-client.ts'
import { formatBytes, printableLines } from './job-words.ts'
import type { LiveLines } from './live-lines.ts'
import { newsSoFar } from './news-so-far.ts'
import { patiently } from './patience.ts'
import type { Results } from './results.ts'

export interface Watching {
  readonly session: Session
  readonly jobs: JobClient
  readonly first: JobFacts
  /** `null`: nothing is fetched. */
  readonly results: Results | null
  /** The command that goes on with what this one does. */
  readonly comeBack: string
  readonly lines: LiveLines
}

const EVERY_MS = SECOND_MS
/** Between two lines in a log, unless something ended. */
const PLAIN_EVERY_MS = 10 * SECOND_MS
const COLUMNS_DEFAULT = 80
/** What is worth a line of its own. */
const TOLD: readonly string[] = ['failed', 'lost', 'paused', 'rejected', 'condemned']

/** The job as it was last, when it is over or paused. Ctrl-C ends the watching and not the job. */
export async function watchJob(watching: Watching): Promise<JobFacts> {
  const { session, jobs, first, results, comeBack } = watching
  const { jobId } = first
  const news = createNews(watching)
  const board = createBoard(watching)
  try {
    for (let job = first; ; job = await patiently(session, () => jobs.getJob({ params: { jobId } }))) {
      const isStill = isJobOver(job) || job.status === 'paused'
      await news()
      await results?.sync(job, { isFinal: isStill })
      board(job)
      if (isStill) return job
      await session.context.sleep(EVERY_MS, session.signal)
    }
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'cancelled') throw error
    const message = `${jobId} goes on without you. Come back: ${comeBack}. End it: shoal job cancel ${jobId}`
    throw new Problem('cancelled', message, { cause: error })
  }
}

function createBoard({ session, results, lines }: Watching): (job: JobFacts) => void {
  const { stderr, clock, env } = session.context
  let told = ''
  let toldAtMs = Number.NEGATIVE_INFINITY
  return (job) => {
    const more = results ? [`${results.files.length} fetched (${formatBytes(results.bytes)})`] : []
    if (lines.isLive) {
      const columns = stderr.columns ?? COLUMNS_DEFAULT
      return lines.draw(barLines(job, { columns, style: styleFor(stderr, env), more }))
    }
    const nowMs = clock.elapsedMs()
    const line = plainLine(job, more)
    if (line === told || (nowMs - toldAtMs < PLAIN_EVERY_MS && job.status === 'active')) return
    stderr.write(`${line}\n`)
    told = line
    toldAtMs = nowMs
  }
}

/** Tells what went wrong since the last call; nothing of what was before the first. */
function createNews({ session, jobs, first, lines }: Watching): () => Promise<void> {
  const { stderr } = session.context
  let after: number | null = null
  return async () => {
    const params = { jobId: first.jobId }
    if (after === null) {
      for await (const { next } of newsSoFar(session, jobs, first.jobId)) after = next
      return
    }
    const query = { after }
    const page = await patiently(session, () => jobs.followJob({ params, query }))
    const items = page.items.filter(({ kind }) => TOLD.includes(kind))
    after = page.next
    if (items.length > 0) lines.clear()
    for (const { text } of items) stderr.write(`${printableLines(text)}\n`)
  }
}
