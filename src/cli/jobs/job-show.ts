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
import { type NewsPage, newsSoFar } from './news-so-far.ts'
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
        const told: NewsPage['items'][number][] = []
        let after = 0
        for await (const page of newsSoFar(session, jobs, jobId)) {
          tell(session, page)
          told.push(...page.items)
          after = page.next
        }
        // News are kept in memory, and why a job is paused is not.
        const { pause } = await patiently(session, () => jobs.getJob({ params: { jobId } }))
        if (pause !== null && pause.detail !== '' && !told.some(({ kind }) => kind === 'paused'))
          tellLines(session, { atMs: pause.atMs, kind: 'paused', nodeId: null, text: pause.detail })
        else if (told.length === 0)
          context.stderr.write('Nothing is known of it since the coordinator began.\n')
        if (follow) await followLogs(session, jobs, { jobId, after })
      }),
    )

/** One document for the first page with `--json`, and one more for each that follows. */
function tell(session: Session, page: NewsPage): void {
  if (session.isJson) return show(session, JobNewsPage, page, () => '')
  for (const item of page.items) tellLines(session, item)
}

/** With `--json` it is no part of what is printed. */
function tellLines(
  { context: { stdout, stderr }, isJson, style }: Session,
  { atMs, kind, nodeId, text }: Pick<NewsPage['items'][number], 'atMs' | 'kind' | 'nodeId' | 'text'>,
): void {
  const node = nodeId === null || text.includes(nodeId) ? '' : ` ${nodeId}`
  const line = `${style('dim', `${formatTime(atMs)} ${printable(kind + node)}`)} ${printableLines(text)}\n`
  void (isJson ? stderr : stdout).write(line)
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
