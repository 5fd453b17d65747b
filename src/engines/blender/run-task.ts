/** One task as commands to the script in Blender, and its files as they are handed over. */
import type { TaskFiles } from '#host/task-files.ts'
import { parseBoxes } from '#images/boxes.ts'
import {
  createRangeSum,
  FRAME_PIXEL_BYTES,
  MERGE_PIXEL_BYTES,
  MERGE_PIXELS_MAX,
  type RangeSum,
} from '#images/merge-ranges.ts'
import { type Box, type Inflate, PictureError, PictureTooLarge } from '#images/picture.ts'
import { readPicture } from '#images/read-picture.ts'
import { writeExr } from '#images/write-exr.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import type { TaskFile, TaskOutput } from '../task-engine.ts'
import {
  type BlenderSettings,
  type BlenderTask,
  parseFrameRuns,
  parseParts,
  Rendered,
} from './blender-messages.ts'

export interface TaskPlace {
  readonly settings: BlenderSettings
  readonly places: { readonly outInside: string; readonly outFolder: string; readonly root: string }
  readonly files: TaskFiles
  readonly inflate: Inflate
  readonly toFolder: string
  readonly fileBytesMax: number
  /** Of a task; `null` where it has no limit. */
  readonly memoryBytesMax: number | null
  /** Throws when the task was cancelled or has had its time, between pieces of work of our own. */
  goOn(): void
  ask(command: Readonly<Record<string, unknown>>, what: string): Promise<Record<string, unknown>>
}

/** How long it took is for whoever is paid for it to say. */
type Done = Omit<TaskOutput, 'peakBytes' | 'wallMs'>

export function runTask(task: BlenderTask, place: TaskPlace): Promise<Done> {
  switch (task.do) {
    case 'frame':
      return renderFrame(task, place)
    case 'range':
      return renderRange(task, place)
    case 'crops':
      return renderCrops(task, place)
    case 'merge':
      return mergeParts(task, place)
    case 'inspect':
      return inspect(task, place)
  }
}

/** `frame-0012.png`. */
export const frameFile = (frame: number, format: 'PNG' | 'EXR'): string =>
  `frame-${numberName(frame)}.${format.toLowerCase()}`

export const rangeFile = (range: { frame: number; samples: number; sampleOffset: number }): string =>
  `range-${numberName(range.frame)}-${range.sampleOffset}-${range.samples}.exr`

export const cropFile = (frame: number, at: number, format: 'PNG' | 'EXR'): string =>
  `crop-${numberName(frame)}-${at}.${format.toLowerCase()}`

/** Four digits at least, with the sign of a frame before 0 in front. */
const numberName = (frame: number): string =>
  `${frame < 0 ? '-' : ''}${String(Math.abs(frame)).padStart(4, '0')}`

function renderFrame(task: Extract<BlenderTask, { do: 'frame' }>, place: TaskPlace): Promise<Done> {
  const { format } = place.settings
  const { frame, samples, seed, scale = null } = task
  return render(place, {
    ...ofPicture(place.settings),
    name: frameFile(frame, format),
    frame,
    scale,
    ...(samples === undefined ? {} : { samples }),
    ...(seed === undefined ? {} : { seed }),
  })
}

function renderRange(task: Extract<BlenderTask, { do: 'range' }>, place: TaskPlace): Promise<Done> {
  const { frame, samples, sampleOffset, seed } = task
  return render(place, {
    ...ofPicture(place.settings),
    ...{ format: 'EXR', depth: 32, codec: 'ZIP' },
    ...{ name: rangeFile(task), frame, samples, sampleOffset, ...ofStill(place.settings) },
    ...(seed === undefined ? {} : { seed }),
  })
}

async function renderCrops(task: Extract<BlenderTask, { do: 'crops' }>, place: TaskPlace): Promise<Done> {
  const boxes = parseBoxes(task.crops)
  if (boxes === null)
    throw failureProblem('task', 'invalid_request', `The crops '${task.crops}' are not x,y,width,height;…`)
  const parts: Done[] = []
  for (const [at, border] of boxes.entries()) {
    parts.push(await renderCrop(place, { task, at, border }))
  }
  const sum = (of: (part: Done) => number): number => parts.reduce((total, part) => total + of(part), 0)
  return {
    files: parts.flatMap((part) => part.files),
    cpuMs: sum((part) => part.cpuMs),
    notes: parts[0]?.notes ?? {},
  }
}

const renderCrop = (
  place: TaskPlace,
  {
    task: { frame, samples, seed, sampleOffset },
    at,
    border,
  }: { task: Extract<BlenderTask, { do: 'crops' }>; at: number; border: Box },
): Promise<Done> => {
  const { settings } = place
  const isOfRange = sampleOffset !== undefined
  return render(place, {
    ...ofPicture(settings),
    ...(isOfRange ? { format: 'EXR', depth: 32, codec: 'ZIP', sampleOffset, ...ofStill(settings) } : {}),
    ...(samples === undefined ? {} : { samples }),
    ...(seed === undefined ? {} : { seed }),
    name: cropFile(frame, at, isOfRange ? 'EXR' : settings.format),
    ...{ frame, border, isRaw: true },
  })
}

/** Our own sums, and Blender to show the result as the scene would. */
async function mergeParts(task: Extract<BlenderTask, { do: 'merge' }>, place: TaskPlace): Promise<Done> {
  const { settings, places, files } = place
  const wanted = parseParts(task.parts)
  const wrong = (message: string) => failureProblem('task', 'invalid_request', message)
  if (wanted === null) throw wrong(`The parts '${task.parts.slice(0, 100)}' are not file=samples;…`)
  const sum = createRangeSum()
  for (const { file, samples } of wanted) {
    place.goOn()
    const bytes = await files.readWhole(`${places.root}/${file}`, place.fileBytesMax)
    if (bytes === null) throw wrong(`There is no part ${file} among the step's inputs.`)
    addPart(sum, { bytes, file, samples }, place)
  }
  place.goOn()
  const merged = writeExr(sum.merged())
  const name = frameFile(task.frame, settings.format)
  await makeRoom('merged.exr', place)
  await files.writeNew(`${places.outFolder}/merged.exr`, merged)
  await makeRoom(name, place)
  const paths = { from: `${places.outInside}/merged.exr`, out: `${places.outInside}/${name}` }
  await place.ask({ ...ofPicture(settings), ...paths, do: 'develop' }, `frame ${task.frame}`)
  const file = await takeFile(name, place)
  await makeRoom('merged.exr', place)
  const samples = wanted.reduce((total, part) => total + part.samples, 0)
  return { files: [file], cpuMs: 0, notes: { samples } }
}

/** Parts are files of strangers: what they say of their size is believed as far as a task's memory goes. */
function addPart(
  sum: RangeSum,
  { bytes, file, samples }: { readonly bytes: Uint8Array; readonly file: string; readonly samples: number },
  { inflate, memoryBytesMax }: TaskPlace,
): void {
  const inMemory = (memoryBytesMax ?? Number.MAX_SAFE_INTEGER) / (FRAME_PIXEL_BYTES + MERGE_PIXEL_BYTES)
  const pixelsMax = Math.floor(Math.min(MERGE_PIXELS_MAX, inMemory))
  try {
    sum.add({ picture: readPicture(bytes, inflate, pixelsMax), samples })
  } catch (error) {
    if (!(error instanceof PictureError)) throw error
    const message = `The part ${file} cannot be merged: ${error.message}`
    if (error instanceof PictureTooLarge && pixelsMax < MERGE_PIXELS_MAX)
      throw failureProblem('node', 'engine_failed', `${message}, more than a task has memory for here.`)
    throw failureProblem('task', 'invalid_request', `${message}.`)
  }
}

async function inspect(task: Extract<BlenderTask, { do: 'inspect' }>, place: TaskPlace): Promise<Done> {
  const { firstFrame, lastFrame } = task
  const named = task.frames === undefined ? null : parseFrameRuns(task.frames)
  if (named === null && task.frames !== undefined)
    throw failureProblem(
      'task',
      'invalid_request',
      `The frames '${task.frames.slice(0, 100)}' are not 1-50, 500`,
    )
  const frames = named ?? (firstFrame === undefined ? null : [[firstFrame, lastFrame ?? firstFrame]])
  const { id, ok, ...inspection } = await place.ask({ do: 'inspect', frames }, place.settings.file)
  return { files: [], cpuMs: 0, notes: { inspection } }
}

/** All samples of a still that is cut into parts, which newer Blenders must know; the scene's own where the step says none. */
const ofStill = ({ samples }: BlenderSettings) => ({ samplesOfStill: samples ?? null })

/** What holds for all pictures of the step. */
const ofPicture = (settings: BlenderSettings) => ({
  format: settings.format,
  depth: settings.depth ?? null,
  samples: settings.samples ?? null,
  seed: settings.seed ?? null,
  device: settings.device,
  sceneHash: settings.sceneHash,
})

async function render(
  place: TaskPlace,
  command: Readonly<Record<string, unknown>> & { readonly name: string; readonly frame: number },
): Promise<Done> {
  const { name, ...rest } = command
  const { places } = place
  const what = `frame ${command.frame}`
  await makeRoom(name, place)
  const answer = await place.ask({ ...rest, do: 'render', out: `${places.outInside}/${name}` }, what)
  const rendered = Rendered.safeParse(answer)
  if (!rendered.success)
    throw failureProblem('task', 'engine_failed', `${what}: Blender told nothing of the picture it made.`)
  const file = await takeFile(name, place)
  const { cpuMs, ...notes } = rendered.data
  checkSize(place.settings, command, notes)
  return { files: [file], cpuMs, notes }
}

/** By what the step says its pictures are refused: where that is not what the scene gives, it is not the node's fault. */
function checkSize(
  { width, height }: BlenderSettings,
  { frame, border, scale }: Readonly<Record<string, unknown>>,
  made: { readonly width: number; readonly height: number },
): void {
  // A part, or a small one: of another size anyhow.
  if (border !== undefined || (scale !== undefined && scale !== null)) return
  if ((width ?? made.width) === made.width && (height ?? made.height) === made.height) return
  throw failureProblem(
    'task',
    'invalid_request',
    `frame ${frame} has ${made.width} x ${made.height} pixels, and the step says that it has ${width ?? made.width} x ${height ?? made.height}. Render it once at home, and put its size into the step's settings, or leave "width" and "height" out.`,
  )
}

/** Hands a picture over, and makes room for the next. */
async function takeFile(name: string, place: TaskPlace): Promise<TaskFile> {
  const { places, files, toFolder, fileBytesMax } = place
  const file = await files.collect({ from: places.outFolder, to: toFolder, name, bytesMax: fileBytesMax })
  if (file === null)
    throw failureProblem(
      'task',
      'engine_failed',
      `Blender left no picture named ${name}: render it once at home.`,
    )
  await makeRoom(name, place)
  return file
}

/**
 * A pipe or a link that a scene put there would have Blender wait, or write elsewhere. A folder stays, as long as a process of
 * the scene may turn it into a link to somewhere of ours: it goes with the session.
 */
async function makeRoom(name: string, { places, files }: TaskPlace): Promise<void> {
  if (await files.removeFile(`${places.outFolder}/${name}`)) return
  const message = `The scene put a folder where ${name} goes, and a picture is a file: take out the script that makes it.`
  throw failureProblem('task', 'engine_failed', message)
}
