/** What a job is and does: `show` and `logs`. */
import { Command } from 'commander'
import { SECOND_MS } from '#kernel/time.ts'
import { Job, JobNewsPage } from '#protocol/job.ts'
import type { CliContext } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { formatTime } from '../format.ts'
import { QuietExit } from '../quiet-exit.ts'
import { runSession, type Session, show, showFields } from '../session.ts'
import { printable } from '../table.ts'
import { createJobClient, isJobOver, type JobClient } from './job-client.ts'
import { jobFields } from './job-fields.ts'
import { printableLines } from './job-words.ts'
import { createLiveLines } from './live-lines.ts'
import { patiently } from './patience.ts'
import { watchJob } from './watch-job.ts'

const JOB_ARGUMENT = 'its id, from `shoal jobs`'

export const showJobCommand = (context: CliContext): Command =>
  new Command('show')
    .description('show a job and how far it is')
    .argument('<job>', JOB_ARGUMENT)
    .option('-w, --watch', 'until it is over')
    .action((jobId: string, { watch }: { watch?: true }, command: Command) =>
      runSession(context, command, async (session) => {
        const jobs = createJobClient(session)
        const first = await jobs.getJob({ params: { jobId } })
        const lines = createLiveLines(context)
        const comeBack = `shoal job show ${jobId} --watch`
        const job = watch ? await watchJob({ session, jobs, first, results: null, comeBack, lines }) : first
        show(session, Job, job, () => showFields(session, jobFields(job)))
        if (watch && job.status !== 'completed') throw new QuietExit(exitCodes.failed)
      }),
    )

export const logsCommand = (context: CliContext): Command =>
  new Command('logs')
    .description('show what happened to a job, oldest first')
    .argument('<job>', JOB_ARGUMENT)
    .option('-f, --follow', 'and what happens from now on, until it is over')
    .action((jobId: string, { follow }: { follow?: true }, command: Command) =>
      runSession(context, command, async (session) => {
        const jobs = createJobClient(session)
        const first = await jobs.followJob({ params: { jobId }, query: {} })
        tell(session, first)
        if (follow) await followLogs(session, jobs, { jobId, after: first.next })
        else if (first.items.length === 0)
          context.stderr.write('Nothing is known of it since the coordinator began.\n')
      }),
    )

type NewsPage = Awaited<ReturnType<JobClient['followJob']>>

/** One document for the first page with `--json`, and one more for each that follows. */
function tell(session: Session, page: NewsPage): void {
  const { stdout } = session.context
  if (session.isJson) return show(session, JobNewsPage, page, () => '')
  for (const { atMs, kind, nodeId, text } of page.items) {
    const node = nodeId === null || text.includes(nodeId) ? '' : ` ${nodeId}`
    stdout.write(
      `${session.style('dim', `${formatTime(atMs)} ${printable(kind + node)}`)} ${printableLines(text)}\n`,
    )
  }
}

const WAIT_MS = 20 * SECOND_MS

async function followLogs(
  session: Session,
  jobs: JobClient,
  from: { readonly jobId: string; readonly after: number },
): Promise<void> {
  const params = { jobId: from.jobId }
  for (let { after } = from; ; ) {
    // The last of it is told before anybody leaves.
    const job = await patiently(session, () => jobs.getJob({ params }))
    const query = { after, waitMs: isJobOver(job) ? 0 : WAIT_MS }
    const page = await patiently(session, () => jobs.followJob({ params, query }))
    if (page.items.length > 0) tell(session, page)
    else if (isJobOver(job)) return
    else await session.context.sleep(SECOND_MS / 4, session.signal)
    after = page.next
  }
}
