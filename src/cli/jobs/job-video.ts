/** `shoal job video`: a video of the frames of a job, made on the network from what is there already. */
import { Command } from 'commander'
import { TREE_BYTES_MAX, type TreeFile, writeTree } from '#blobs/tree.ts'
import { byFrame } from '#images/frame-number.ts'
import { FPS_MAX, FPS_MIN } from '#protocol/ffmpeg-settings.ts'
import { Job } from '#protocol/job.ts'
import { Problem } from '#protocol/problem.ts'
import { decimal } from '../arguments.ts'
import type { CliContext } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { formatNoun } from '../format.ts'
import { QuietExit } from '../quiet-exit.ts'
import { askForQuote } from '../render/ask-quote.ts'
import { formatFrames } from '../render/frame-ranges.ts'
import { videoForm } from '../render/render-options.ts'
import { runSession, type Session, show, showFields } from '../session.ts'
import { beginJob, checkAnswerable } from './begin-job.ts'
import { fetchCommand } from './fetch-command.ts'
import { createJobClient, eachTask, type JobClient, type JobFacts } from './job-client.ts'
import { jobFields } from './job-fields.ts'
import { openJobFiles } from './job-files.ts'
import { createLiveLines } from './live-lines.ts'
import { createResults, isWanted } from './results.ts'
import { watchJob } from './watch-job.ts'

interface VideoFlags {
  readonly out?: string
  readonly fps: number
  readonly yes?: true
}

const STEP = 'video'

export const videoCommand = (context: CliContext): Command =>
  new Command('video')
    .description("make a video of a job's frames, and get it")
    .argument('<job>', 'its id, from `shoal jobs`')
    .option('--fps <number>', 'frames a second', decimal(FPS_MIN, FPS_MAX), 24)
    .option('-o, --out <file>', '.mp4, .mov or .webm (default: JOB.mp4)')
    .option('-y, --yes', 'begin without a question')
    .action((jobId: string, flags: VideoFlags, command: Command) =>
      runSession(context, command, async (session) => {
        const out = flags.out ?? `${jobId}.mp4`
        const { codec, ending } = videoForm(out)
        const { tools, files } = await openJobFiles(session)
        if ((await tools.disk.look(out)) !== null)
          throw new Problem(
            'conflict',
            `${out} is there already. Name another file with --out, or move it away.`,
          )
        checkAnswerable(session, flags.yes !== true)
        const jobs = createJobClient(session)
        const source = await jobs.getJob({ params: { jobId } })
        const frames = await framesOf(jobs, source)
        await warnOfMissing(session, jobs, source)
        const inputRoot = await files.sendText(treeOf(frames, jobId), { signal: session.signal })
        const settings = {
          frames: frames.map(({ path }) => path),
          fps: flags.fps,
          codec,
          out: `video.${ending}`,
        }
        const job = await beginVideo(session, jobs, { source, inputRoot, settings, isAsked: !flags.yes })
        if (job === null) return
        const last = await watchVideo(session, { jobs, job, out, tools: { disk: tools.disk, files } })
        show(session, Job, last, () => showFields(session, [...jobFields(last), ['video', out]]))
        if (last.status !== 'completed') throw new QuietExit(exitCodes.failed)
      }),
    )

/** In the order of the numbers in their names; the first of two steps that have one of the same name counts. */
async function framesOf(jobs: JobClient, job: JobFacts): Promise<TreeFile[]> {
  const found = new Map<string, TreeFile>()
  for (const [index, step] of job.steps.entries()) {
    if (!isWanted(job, step)) continue
    for await (const { outputs } of eachTask(jobs, job.jobId, { step: index, state: 'done' }))
      for (const { name, bytes, sha256 } of outputs)
        if (/\.(png|exr)$/i.test(name) && !found.has(name))
          found.set(name, { path: name, bytes, sha256, form: 'plain', object: sha256 })
  }
  const exr = [...found.keys()].find((name) => /\.exr$/i.test(name))
  if (exr !== undefined)
    throw new Problem(
      'conflict',
      `${exr} is OpenEXR, light as the scene has it and not as a screen shows it. Render the frames as PNG for a video: shoal render SCENE --video FILE.mp4, without --format EXR.`,
    )
  if (found.size > 1) return [...found.values()].toSorted((a, b) => byFrame(a.path, b.path))
  throw new Problem(
    'conflict',
    `${job.jobId} has ${found.size === 0 ? 'no frame' : 'one frame'} that is done: a video takes two at least. See shoal job frames ${job.jobId}`,
  )
}

/** What is not done is left out, and the video is paid all the same: who is asked for a yes must know. */
async function warnOfMissing(
  { context: { stderr }, style }: Session,
  jobs: JobClient,
  job: JobFacts,
): Promise<void> {
  const missing = new Set<number>()
  for (const [index, step] of job.steps.entries()) {
    if (step.kind !== 'blender' || !isWanted(job, step) || step.done === step.tasks) continue
    for await (const { params, state } of eachTask(jobs, job.jobId, { step: index }))
      if (state !== 'done' && typeof params['frame'] === 'number') missing.add(params['frame'])
  }
  if (missing.size === 0) return
  const numbers = formatFrames([...missing].toSorted((a, b) => a - b))
  stderr.write(
    `${style('warning', 'warning:')} The video leaves out what is not done: ${formatNoun(missing.size, 'frame')} (${numbers}). Why: shoal job frames ${job.jobId}\n`,
  )
}

function treeOf(frames: readonly TreeFile[], jobId: string): string {
  const text = writeTree(frames)
  if (text.length <= TREE_BYTES_MAX) return text
  throw new Problem(
    'body_too_large',
    `${jobId} has ${frames.length} frames, more than one list of files may name. Make the video at home, by ffmpeg.`,
  )
}

const FRAME_MS = 60
const START_MS = 2_000

async function beginVideo(
  session: Session,
  jobs: JobClient,
  input: {
    readonly source: JobFacts
    readonly inputRoot: string
    readonly settings: {
      readonly frames: string[]
      readonly fps: number
      readonly codec: string
      readonly out: string
    }
    readonly isAsked: boolean
  },
): Promise<JobFacts | null> {
  const { context } = session
  const { source, inputRoot, settings, isAsked } = input
  const step = {
    ...{ name: STEP, kind: 'ffmpeg' as const, dependsOn: [], takesResults: false, inputRoot, settings },
    ...{ requirements: { memoryMib: 512, vramMib: 0 }, tasks: [{}] },
    estimateMs: START_MS + FRAME_MS * settings.frames.length,
  }
  const body = {
    name: `video of ${source.name}`.slice(0, 100),
    tier: source.tier,
    isIdempotent: true,
    steps: [step],
  }
  const lines = createLiveLines(context)
  const renew = () => askForQuote({ session, jobs, lines }, body)
  const quote = await renew()
  const what = `a video of ${settings.frames.length} frames at ${settings.fps} a second`
  return beginJob({ session, jobs }, { quote, renew, what, cap: null, isAsked, priority: 50 })
}

async function watchVideo(
  session: Session,
  input: {
    readonly jobs: JobClient
    readonly job: JobFacts
    readonly out: string
    readonly tools: Pick<Parameters<typeof createResults>[0], 'disk' | 'files'>
  },
): Promise<JobFacts> {
  const { jobs, job, out, tools } = input
  const { jobId } = job
  const at = out.lastIndexOf('/')
  const folder = at < 0 ? '.' : out.slice(0, Math.max(1, at))
  const instead = new Map([[STEP, out]])
  const results = createResults({ session, jobs, ...tools, jobId, folder, instead })
  const lines = createLiveLines(session.context)
  const comeBack = `${fetchCommand({ jobId, folder, instead })} --watch`
  return watchJob({ session, jobs, first: job, results, comeBack, lines })
}
