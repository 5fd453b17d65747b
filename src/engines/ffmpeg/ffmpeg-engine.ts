/**
 * Makes a video of frames with ffmpeg: one task, one file. It runs in a sandbox, since decoders have read what strangers
 * made for as long as there are decoders with holes.
 */
import type { Clock, Secrets } from '#host/host.ts'
import type { Programs } from '#host/programs.ts'
import type { TaskFiles } from '#host/task-files.ts'
import { HOUR_MS } from '#kernel/time.ts'
import { FfmpegSettings } from '#protocol/ffmpeg-settings.ts'
import type { Problem } from '#protocol/problem.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import { type BoxedEnd, runBoxed } from '../boxed-run.ts'
import { readSettings } from '../step-settings.ts'
import type { SessionInput, TaskEngine, TaskInput, TaskOutput, TaskSession } from '../task-engine.ts'
import { ffmpegCommand, listText } from './ffmpeg-command.ts'
import { type Frames, listFrames } from './list-frames.ts'

export interface FfmpegOptions {
  /** Name or path of ffmpeg's program. */
  readonly program: string
  /** Sessions put what they write here until it is collected. */
  readonly scratchFolder: string
  /** `null`: as many as ffmpeg likes. */
  readonly threads: number | null
  readonly memoryBytesMax: number | null
  /** The most that a video may take. */
  readonly taskMsMax?: number
}

export interface FfmpegPorts {
  readonly programs: Programs
  readonly files: TaskFiles
  readonly clock: Clock
  readonly secrets: Pick<Secrets, 'randomBytes'>
}

const TASK_MS_MAX = 6 * HOUR_MS
const FILE_BYTES_MAX = 64 * 2 ** 30
const PROCESSES_MAX = 512
const SCRATCH_BYTES = 64 * 2 ** 20
const inBox = { frames: '/frames', out: '/out', list: '/list' } as const

export const createFfmpegEngine = (options: FfmpegOptions, ports: FfmpegPorts): TaskEngine => ({
  kind: 'ffmpeg',
  async open(input: SessionInput): Promise<TaskSession> {
    const settings = readSettings(FfmpegSettings, input)
    const frames = await listFrames(input.root, settings, ports.files)
    const name = Buffer.from(ports.secrets.randomBytes(8)).toString('hex')
    const folder = `${options.scratchFolder}/session-${name}`
    const place: Place = { root: input.root, folder, settings, frames, options, ports }
    await ports.files.makeFolder(`${folder}/list`)
    await ports.files.writeNew(`${folder}/list/frames.txt`, Buffer.from(listText(frames, inBox.frames)))
    return {
      run: (task, onProgress, signal) => makeVideo(place, { task, onProgress, signal }),
      close: () => ports.files.removeFolder(folder),
    }
  },
})

interface Place {
  readonly root: string
  readonly folder: string
  readonly settings: FfmpegSettings
  readonly frames: Frames
  readonly options: FfmpegOptions
  readonly ports: FfmpegPorts
}

interface Run {
  readonly task: TaskInput
  readonly onProgress: (fraction: number) => void
  readonly signal: AbortSignal
}

async function makeVideo(place: Place, { task, onProgress, signal }: Run): Promise<TaskOutput> {
  const { settings, frames, ports } = place
  const outFolder = `${place.folder}/out`
  await ports.files.removeFolder(outFolder)
  await ports.files.makeFolder(outFolder)
  let made = 0
  const onLine = (line: string): void => {
    const count = Number(/^frame=\s*(\d+)$/.exec(line)?.[1] ?? 0)
    if (count <= made) return
    made = count
    onProgress(Math.min(1, made / frames.paths.length))
  }
  const end = await encode(place, { outFolder, signal, onLine })
  if (end.code !== 0 || end.cause !== null) throw await explain(end, place)
  if (made !== frames.paths.length) throw await lackingFrames(made, end, place)
  const move = { from: outFolder, to: task.outFolder, name: settings.out, bytesMax: FILE_BYTES_MAX }
  const file = await ports.files.collect(move)
  if (file === null) throw failed('node', `ffmpeg left no ${settings.out}.`, end)
  await ports.files.removeFolder(outFolder)
  const { width, height } = frames.size
  const { fps, codec } = settings
  return {
    files: [file],
    wallMs: end.wallMs,
    cpuMs: end.cpuMs,
    peakBytes: end.peakBytes,
    notes: { frames: made, width: width + (width % 2), height: height + (height % 2), fps, codec },
  }
}

function encode(
  { root, folder, settings, options, ports }: Place,
  { outFolder, signal, onLine }: { outFolder: string; signal: AbortSignal; onLine: (line: string) => void },
): Promise<BoxedEnd> {
  const places = {
    program: options.program,
    list: `${inBox.list}/frames.txt`,
    out: `${inBox.out}/${settings.out}`,
    threads: options.threads,
  }
  const run = {
    box: {
      readOnly: [
        { from: root, to: inBox.frames },
        { from: `${folder}/list`, to: inBox.list },
      ],
      writable: { from: outFolder, to: inBox.out },
      usesGpu: false,
      scratchBytes: SCRATCH_BYTES,
      processesMax: PROCESSES_MAX,
    },
    command: ffmpegCommand(settings, places),
    limits: {
      memoryBytes: options.memoryBytesMax,
      processes: PROCESSES_MAX,
      fileBytes: FILE_BYTES_MAX,
    },
    timeMsMax: options.taskMsMax ?? TASK_MS_MAX,
    outBytesMax: 2 * FILE_BYTES_MAX,
    keepsLinePipe: true,
    signal,
    onLine,
  }
  return runBoxed(run, ports)
}

async function explain(end: BoxedEnd, place: Place): Promise<Problem> {
  const { options } = place
  const most = `${Math.round((options.memoryBytesMax ?? 0) / 2 ** 20)} MiB`
  if (end.cause === 'memory')
    return failed('node', `The video needs more than the ${most} that a task may use here.`, end)
  if (end.cause === 'stranger') return failed('infrastructure', 'ffmpeg was ended by somebody else.', end)
  if (end.cause !== null)
    return failed('node', `ffmpeg was ended: it passed the limit of ${end.cause} here.`, end)
  if (end.code === 127)
    return failed(
      'node',
      'There is no ffmpeg here: install it (apt-get install --no-install-recommends ffmpeg) and start the node again.',
      end,
    )
  if (end.code === 137 || end.code === 143)
    return failed('infrastructure', 'ffmpeg was ended by a signal.', end)
  const encoder = /Unknown encoder '([^']+)'/.exec(end.tail)?.[1]
  if (encoder !== undefined) return failed('node', `The ffmpeg here was built without ${encoder}.`, end)
  if (/No space left on device/.test(end.tail)) return failed('node', 'The disk is full here.', end)
  const broken = await findBroken(place)
  if (broken !== null) return failed('task', `${broken} is cut short: render it again.`, end)
  const last = end.tail.trim().split('\n').at(-1)?.trim() || 'it said nothing'
  return failed('task', `ffmpeg made no video of the frames (exit code ${end.code}): ${last}.`, end)
}

async function lackingFrames(made: number, end: BoxedEnd, place: Place): Promise<Problem> {
  const broken = await findBroken(place)
  const message = `ffmpeg took ${made} of ${place.frames.paths.length} frames`
  return failed(
    'task',
    broken === null ? `${message}.` : `${message}: ${broken} is cut short. Render it again.`,
    end,
  )
}

/** The first PNG that does not end as one. */
async function findBroken({ root, frames, ports }: Place): Promise<string | null> {
  for (const path of frames.paths.filter((name) => /\.png$/i.test(name))) {
    const bytes = await ports.files.readWhole(`${root}/${path}`, 2 ** 30)
    const end = bytes === null ? '' : Buffer.from(bytes.subarray(-8, -4)).toString('latin1')
    if (end !== 'IEND') return path
  }
  return null
}

const failed = (whose: 'infrastructure' | 'node' | 'task', message: string, { tail }: BoxedEnd): Problem =>
  failureProblem(whose, whose === 'infrastructure' ? 'node_failed' : 'engine_failed', message, { tail })
