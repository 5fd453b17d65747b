/** A render job while it goes on: frames come into the folder of results, and some of them are shown. */
import { formatDuration } from '#kernel/time.ts'
import { Job } from '#protocol/job.ts'
import { formatNoun } from '../format.ts'
import { type FetchPlace, fetchCommand } from '../jobs/fetch-command.ts'
import type { JobClient, JobFacts } from '../jobs/job-client.ts'
import { jobFields } from '../jobs/job-fields.ts'
import type { JobFiles, JobTools } from '../jobs/job-tools.ts'
import { failedOf, formatBytes } from '../jobs/job-words.ts'
import type { LiveLines } from '../jobs/live-lines.ts'
import { createResults, type ResultFile, type Results } from '../jobs/results.ts'
import { watchJob } from '../jobs/watch-job.ts'
import { type Session, show, showFields } from '../session.ts'
import { saveSheet, showInTerminal, stripOf } from './pictures.ts'
import { pictureProtocol } from './terminal-picture.ts'

export interface WatchedRender {
  readonly session: Session
  readonly tools: JobTools
  readonly jobs: JobClient
  readonly files: JobFiles
  readonly lines: LiveLines
  readonly job: JobFacts
  readonly folder: string
  /** Where the one file of a step goes instead of the folder. */
  readonly instead?: ReadonlyMap<string, string>
  readonly hasTaskFolders?: boolean
  /** On the clock of this process: what the first picture is timed from. */
  readonly startedAtMs: number
}

const comeBackTo = ({ job, ...place }: Omit<FetchPlace, 'jobId'> & Pick<WatchedRender, 'job'>): string =>
  `${fetchCommand({ ...place, jobId: job.jobId })} --watch`

/** What there is to say where nobody waits for the end. */
export function endOf(watched: WatchedRender): void {
  const { session, job } = watched
  show(session, Job, job, () => showFields(session, jobFields(job)))
  const text = `It goes on without you. Get its results: ${comeBackTo(watched)}`
  session.context.stderr.write(`${session.style('dim', text)}\n`)
}

export async function watchRender(watched: WatchedRender): Promise<JobFacts> {
  const { session, jobs, files, tools, job, folder, lines, instead, hasTaskFolders = false } = watched
  const { stderr } = session.context
  const results = createResults({
    ...{ session, jobs, files, disk: tools.disk, jobId: job.jobId, folder, hasTaskFolders },
    ...(instead && { instead }),
    onFile: firstPicture(watched),
  })
  const last = await watchJob({ session, jobs, first: job, results, comeBack: comeBackTo(watched), lines })
  await showEnd(watched, results)
  const failed = failedOf(last)
  if (failed > 0)
    stderr.write(
      `${session.style('bad', `${formatNoun(failed, 'task')} failed`)}: see shoal job frames ${job.jobId} --failed\n`,
    )
  return last
}

const isPicture = ({ path }: ResultFile): boolean => /\.(png|exr)$/i.test(path)

/** Says how long it took, and shows it, once. */
function firstPicture({
  session,
  tools,
  lines,
  startedAtMs,
}: WatchedRender): (file: ResultFile) => Promise<void> {
  const { context, style } = session
  let isFirst = true
  return async (file) => {
    if (!isFirst || !isPicture(file)) return
    isFirst = false
    lines.clear()
    const after = formatDuration(context.clock.elapsedMs() - startedAtMs)
    context.stderr.write(`${style('dim', `first frame after ${after}: ${file.path}`)}\n`)
    const canShow = pictureProtocol(context) !== null
    const strip = canShow ? await stripOf(tools, [frameOf(file)], 1) : null
    if (strip !== null) showInTerminal(context, strip)
  }
}

const frameOf = ({ path, params }: ResultFile) => ({ path, label: String(params['frame'] ?? '') })

/** The last picture where the terminal shows some, else a sheet of several; and the videos. */
async function showEnd({ session, tools, job, folder }: WatchedRender, results: Results): Promise<void> {
  const { context, style } = session
  const say = (text: string): void => context.stderr.write(`${style('dim', text)}\n`)
  const pictures = results.files.filter(isPicture).toSorted((a, b) => frameNumber(a) - frameNumber(b))
  const last = pictures.at(-1)
  if (last && pictureProtocol(context) !== null) {
    const strip = await stripOf(tools, [frameOf(last)], 1)
    if (strip !== null) showInTerminal(context, strip)
  } else if (pictures.length > 1) {
    const strip = await stripOf(tools, pictures.map(frameOf))
    if (strip !== null)
      say(
        `contact sheet: ${await saveSheet(tools, strip, { folder, name: `contact-sheet-${job.jobId.slice(-6)}` })}`,
      )
  }
  if (results.files.length > 0)
    say(`${formatNoun(results.files.length, 'file')}, ${formatBytes(results.bytes)}, in ${folder}`)
  for (const { path } of results.files.filter((file) => /\.(mp4|mov|webm)$/i.test(file.path)))
    say(`video: ${path}`)
}

const frameNumber = ({ params }: ResultFile): number => Number(params['frame'] ?? 0)
