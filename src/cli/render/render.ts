/** `shoal render`: a scene on this machine becomes frames on this machine. */
import { Command, Option } from 'commander'
import { FPS_MAX, FPS_MIN } from '#protocol/ffmpeg-settings.ts'
import { Job, Tier } from '#protocol/job.ts'
import { Problem } from '#protocol/problem.ts'
import { decimal, wholeNumber } from '../arguments.ts'
import type { CliContext } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { formatNoun } from '../format.ts'
import { beginJob, checkAnswerable } from '../jobs/begin-job.ts'
import { createJobClient, type JobClient } from '../jobs/job-client.ts'
import { jobFields } from '../jobs/job-fields.ts'
import { openJobFiles } from '../jobs/job-files.ts'
import type { JobFiles, JobTools, SceneReport } from '../jobs/job-tools.ts'
import { createLiveLines, type LiveLines } from '../jobs/live-lines.ts'
import { QuietExit } from '../quiet-exit.ts'
import { runSession, type Session, show, showFields } from '../session.ts'
import { printable } from '../table.ts'
import { askForQuote } from './ask-quote.ts'
import { formatFrames } from './frame-ranges.ts'
import { showPreviews } from './previews.ts'
import { type RenderFlags, type RenderOptions, readRenderOptions } from './render-options.ts'
import { partsOf, planRender, VIDEO_STEP } from './render-plan.ts'
import { findResultPlace } from './result-place.ts'
import { sendScene } from './send-scene.ts'
import { endOf, watchRender } from './watch-render.ts'

export const renderCommand = (context: CliContext): Command =>
  new Command('render')
    .description('render a Blender scene on the network: frames, a still or a video')
    .argument('<scene>', 'the .blend file')
    .option('--frames <ranges>', 'such as 7, 1-240 or 1-240,300-310:2 (default: those of the scene)')
    .option('--budget <usd>', 'the most that it may cost (default: what the quote says)')
    .addOption(
      new Option('--tier <tier>', 'whose nodes, at which price').choices(Tier.options).default('priority'),
    )
    .addOption(new Option('--format <format>', 'of the frames').choices(['PNG', 'EXR']).default('PNG'))
    .addOption(
      new Option('--device <device>', 'what Cycles must compute on')
        .choices(['CPU', 'CUDA', 'OPTIX', 'HIP', 'ONEAPI', 'METAL'])
        .default('CPU'),
    )
    .option('--samples <count>', 'instead of those of the scene', wholeNumber(1, 1_000_000))
    .option('--scene <name>', 'which scene, where the file has several')
    .option('-o, --out <folder>', 'where the frames go (default: a new folder beside you)')
    .option('--video <file>', 'make a video of the frames too: .mp4, .mov or .webm')
    .option('--fps <number>', 'of the video (default: those of the scene)', decimal(FPS_MIN, FPS_MAX))
    .option('--split <parts>', 'cut one still into so many parts, for as many nodes (default: auto)')
    .option('--priority <number>', 'place in line among your own jobs, 0 to 100', wholeNumber(0, 100), 50)
    .option('--allow-scripts', 'let scripts in the scene run, on nodes whose owners allow it')
    .option('--blender <program>', 'the Blender of this machine', 'blender')
    .option('-y, --yes', 'begin without a question')
    .option('-w, --watch', 'stay until it is over, and get the frames as they are done')
    .action((path: string, flags: RenderFlags, command: Command) =>
      runSession(context, command, async (session) => {
        const options = readRenderOptions(flags)
        const rendering = await openRender(session)
        await checkScene(rendering, path)
        checkAnswerable(session, options.isAsked)
        await render(rendering, path, options)
      }),
    )

interface Rendering {
  readonly session: Session
  readonly tools: JobTools
  readonly jobs: JobClient
  readonly files: JobFiles
  readonly lines: LiveLines
  readonly startedAtMs: number
}

async function openRender(session: Session): Promise<Rendering> {
  const startedAtMs = session.context.clock.elapsedMs()
  const { tools, files } = await openJobFiles(session)
  return {
    session,
    tools,
    files,
    jobs: createJobClient(session),
    lines: createLiveLines(session.context),
    startedAtMs,
  }
}

/** What is wrong with the file is said before all else. */
async function checkScene({ tools }: Rendering, path: string): Promise<void> {
  const found = await tools.disk.look(path)
  if (found !== null && found.kind !== 'folder') return
  throw new Problem(
    'invalid_request',
    found !== null
      ? `${path} is a folder. Name the .blend file in it.`
      : `There is no file ${path}. Check its path, and save the scene in Blender first.`,
  )
}

async function render(rendering: Rendering, path: string, options: RenderOptions): Promise<void> {
  const { session, tools } = rendering
  const scene = await inspect(rendering, path, options)
  const frames = options.frames ?? ownFrames(scene)
  if (options.video !== null && frames.length < 2)
    throw new Problem(
      'invalid_request',
      'One frame makes no video. Give more with --frames, or leave --video out.',
    )
  checkRate(scene, options)
  const name = path.split(/[\\/]/).at(-1) ?? path
  const sceneName = name.replace(/\.blend$/i, '')
  const folder = await findResultPlace(tools.disk, options, { sceneName, frames })
  const parts = await countParts(rendering, { options, scene, frames })
  const { inputRoot, bytes } = await sendScene(rendering, scene.sends)
  const steps = planRender({ options, scene, frames, parts, inputRoot, inputBytes: bytes })
  const asked = { name: name.slice(0, NAME_CHARS_MAX), tier: options.tier, isIdempotent: true, steps }
  const quote = await askForQuote(rendering, asked)
  await showPreviews({ ...rendering, quote, folder })
  const what = workText({ options, scene, frames, parts })
  const renew = () => askForQuote(rendering, asked)
  const job = await beginJob(rendering, { quote, renew, what, ...options })
  if (job === null) return
  const instead = new Map(options.video === null ? [] : [[VIDEO_STEP, options.video.path]])
  const watched = { ...rendering, job, folder, instead }
  if (!options.isWatched) return endOf(watched)
  const last = await watchRender(watched)
  show(session, Job, last, () => showFields(session, jobFields(last)))
  if (last.status !== 'completed' || last.steps.some(({ failed }) => failed > 0))
    throw new QuietExit(exitCodes.failed)
}

const NAME_CHARS_MAX = 100

/** Nobody encodes at a rate that the scene's own settings allow and video does not: told before any frame is paid. */
function checkRate({ facts }: SceneReport, { video }: RenderOptions): void {
  const fps = video?.fps ?? facts.fps
  if (video === null || (fps >= FPS_MIN && fps <= FPS_MAX)) return
  throw new Problem(
    'invalid_request',
    `The scene has ${Number(fps.toFixed(3))} frames a second, and a video may have ${FPS_MIN} to ${FPS_MAX}. Say how fast it plays with --fps 24, or leave --video out.`,
  )
}

async function inspect(
  { session, tools }: Rendering,
  path: string,
  options: RenderOptions,
): Promise<SceneReport> {
  const { context, style, signal } = session
  const { frames, scene, blender } = options
  const report = await tools.scenes.inspect({
    file: tools.disk.absolute(path),
    blender,
    scene,
    frames,
    signal,
  })
  if (report.sandboxMissing !== null) {
    const line = `The scene was opened without a sandbox: ${printable(report.sandboxMissing)}.`
    context.stderr.write(`${style('dim', line)}\n`)
  }
  for (const { code, message } of report.warnings) {
    if (code === 'script' && options.allowsScripts) continue
    context.stderr.write(`${style('warning', 'warning:')} ${printable(message)}\n`)
  }
  const [first, ...others] = report.errors
  if (first === undefined) return report
  for (const other of others) context.stderr.write(`${style('bad', 'missing:')} ${printable(other)}\n`)
  throw new Problem('invalid_request', first)
}

function ownFrames({ facts }: SceneReport): readonly number[] {
  const frames: number[] = []
  for (let frame = facts.frameStart; frame <= facts.frameEnd; frame += Math.max(1, facts.frameStep))
    frames.push(frame)
  if (frames.length > 0) return frames
  throw new Problem(
    'invalid_request',
    `The scene's own range of frames is empty (${facts.frameStart} to ${facts.frameEnd}). Name them: --frames 1-240.`,
  )
}

/** Nodes that are there bound what `auto` makes of a still; where nobody may say how many, one. */
async function countParts(
  { session }: Rendering,
  input: { options: RenderOptions; scene: SceneReport; frames: readonly number[] },
): Promise<number> {
  if (input.frames.length !== 1 || input.options.split !== 'auto') return partsOf(input, 1)
  const { work } = await session.member.getStatus()
  // Networks of before do not say which of their nodes render.
  return partsOf(input, work?.renderers ? (work.renderers[input.options.device] ?? 0) : (work?.nodes ?? 1))
}

function workText(input: {
  options: RenderOptions
  scene: SceneReport
  frames: readonly number[]
  parts: number
}): string {
  const { options, scene, frames, parts } = input
  const { width, height, samples } = scene.facts
  const split = parts > 1 ? `, in ${parts} parts` : ''
  const video = options.video === null ? '' : ', and a video'
  return `${formatNoun(frames.length, 'frame')} (${formatFrames(frames)}), ${width} × ${height}, ${formatNoun(options.samples ?? samples, 'sample')}${split}${video}`
}
