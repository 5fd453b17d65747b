/** `shoal job fetch`: the results of a job, those that are not here yet. */
import { Command } from 'commander'
import { Job } from '#protocol/job.ts'
import type { CliContext } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { formatNoun } from '../format.ts'
import { QuietExit } from '../quiet-exit.ts'
import { VIDEO_STEP } from '../render/render-plan.ts'
import { watchRender } from '../render/watch-render.ts'
import { runSession, show, showFields } from '../session.ts'
import { createJobClient } from './job-client.ts'
import { jobFields } from './job-fields.ts'
import { openJobFiles } from './job-files.ts'
import { formatBytes } from './job-words.ts'
import { createLiveLines } from './live-lines.ts'
import { createResults } from './results.ts'

interface FetchOptions {
  readonly out?: string
  readonly video?: string
  readonly watch?: true
  readonly taskFolders?: true
}

export const fetchJobCommand = (context: CliContext): Command =>
  new Command('fetch')
    .description('get what is done of a job and not here yet')
    .argument('<job>', 'its id, from `shoal jobs`')
    .option('-o, --out <folder>', 'where to (default: a folder named like the job)')
    .option('-w, --watch', 'until it is over, each result as it is done')
    .option('--video <file>', 'where its video goes instead')
    .option('--task-folders', "each task's files in a folder of its own")
    .action((jobId: string, options: FetchOptions, command: Command) =>
      runSession(context, command, async (session) => {
        const startedAtMs = context.clock.elapsedMs()
        const { tools, files } = await openJobFiles(session)
        const jobs = createJobClient(session)
        const job = await jobs.getJob({ params: { jobId } })
        const folder = options.out?.replace(/(.)\/+$/, '$1') ?? jobId
        const hasTaskFolders = options.taskFolders === true
        const instead = new Map(options.video === undefined ? [] : [[VIDEO_STEP, options.video]])
        const lines = createLiveLines(context)
        if (options.watch) {
          const last = await watchRender({
            session,
            tools,
            files,
            jobs,
            lines,
            job,
            folder,
            instead,
            hasTaskFolders,
            startedAtMs,
          })
          show(session, Job, last, () => showFields(session, jobFields(last)))
          if (last.status !== 'completed') throw new QuietExit(exitCodes.failed)
          return
        }
        let fresh = 0
        const results = createResults({
          ...{ session, jobs, files, disk: tools.disk, jobId, folder, instead, hasTaskFolders },
          async onFile({ path }) {
            fresh++
            lines.draw([`fetching: ${path}`])
          },
        })
        await results.sync(job, { isFinal: true })
        lines.clear()
        const all = `${formatNoun(results.files.length, 'file')}, ${formatBytes(results.bytes)}, in ${folder}`
        show(
          session,
          Job,
          job,
          () =>
            `${all}; ${fresh === 0 ? 'all were here already' : `${formatNoun(fresh, 'file')} fetched now`}`,
        )
      }),
    )
