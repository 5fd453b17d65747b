/** `shoal jobs`: the organisation's jobs, newest first. */
import { Command, Option } from 'commander'
import { JobPage, JobStatus } from '#protocol/job.ts'
import { wholeNumber } from '../arguments.ts'
import type { CliContext } from '../context.ts'
import { runSession, type Session, show, showNext, showTable } from '../session.ts'
import { createJobClient, type JobFacts } from './job-client.ts'
import { jobColumns } from './job-fields.ts'

interface ListOptions {
  readonly all?: true
  readonly status?: JobFacts['status']
  readonly limit: number
  readonly before?: string
}

const LIMIT_DEFAULT = 20

export const jobsCommand = (context: CliContext): Command =>
  new Command('jobs')
    .description('list jobs, newest first: those that go on, unless asked for others')
    .option('--all', 'those that are over too')
    .addOption(new Option('--status <status>', 'only such jobs').choices(JobStatus.options).conflicts('all'))
    .option('--limit <count>', 'how many at most', wholeNumber(1, 1_000), LIMIT_DEFAULT)
    .option('--before <cursor>', 'go on where a list ended')
    .action((options: ListOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const page = await listJobs(session, options)
        const isPart = options.all !== true && options.status === undefined
        show(session, JobPage, page, () => {
          const empty = isPart
            ? 'No jobs go on. See all with --all.'
            : 'No jobs. Begin one: shoal render SCENE.blend'
          return (
            showTable(session, jobColumns(context.clock.nowMs()), page.items, empty) +
            showNext(session, page.next)
          )
        })
      }),
    )

/** Those that go on are one list, as its cursor is of the last that is shown. */
function listJobs(session: Session, options: ListOptions) {
  const { all, limit, before } = options
  const status = options.status ?? ('open' as const)
  const query = { limit, ...(!all && { status }), ...(before !== undefined && { before }) }
  return createJobClient(session).listJobs({ query })
}
