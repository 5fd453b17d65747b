/** One task as commands to the script in Blender, and its files as they are handed over. */
import type { TaskFiles } from '#host/task-files.ts'
import { parseBoxes } from '#images/boxes.ts'
import { mergeRanges, type RangePart } from '#images/merge-ranges.ts'
import { type Box, type Inflate, type Picture, PictureError } from '#images/picture.ts'
import { readPicture } from '#images/read-picture.ts'
import { writeExr } from '#images/write-exr.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import type { TaskFile, TaskOutput } from '../task-engine.ts'
import { type BlenderSettings, type BlenderTask, parseParts, Rendered } from './blender-messages.ts'

export interface TaskPlace {
  readonly settings: BlenderSettings
  readonly places: { readonly outInside: string; readonly outFolder: string; readonly root: string }
  readonly files: TaskFiles
  readonly inflate: Inflate
  readonly toFolder: string
  readonly fileBytesMax: number
  ask(command: Readonly<Record<string, unknown>>, what: string): Promise<Record<string, unknown>>
}

type Done = Omit<TaskOutput, 'peakBytes'>

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
    ...{ name: rangeFile(task), frame, samples, sampleOffset },
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
    wallMs: sum((part) => part.wallMs),
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
    ...(isOfRange ? { format: 'EXR', depth: 32, codec: 'ZIP', sampleOffset } : {}),
    ...(samples === undefined ? {} : { samples }),
    ...(seed === undefined ? {} : { seed }),
    name: cropFile(frame, at, isOfRange ? 'EXR' : settings.format),
    ...{ frame, border, isRaw: true },
  })
}

/** Our own sums, and Blender to show the result as the scene would. */
async function mergeParts(task: Extract<BlenderTask, { do: 'merge' }>, place: TaskPlace): Promise<Done> {
  const { settings, places, files, inflate } = place
  const wanted = parseParts(task.parts)
  const wrong = (message: string) => failureProblem('task', 'invalid_request', message)
  if (wanted === null) throw wrong(`The parts '${task.parts.slice(0, 100)}' are not file=samples;…`)
  const parts: RangePart[] = []
  for (const { file, samples } of wanted) {
    const bytes = await files.readWhole(`${places.root}/${file}`, place.fileBytesMax)
    if (bytes === null) throw wrong(`There is no part ${file} among the step's inputs.`)
    parts.push({ picture: readPart(bytes, file, inflate), samples })
  }
  const merged = writeExr(mergeRanges(parts))
  const name = frameFile(task.frame, settings.format)
  await files.removeFolder(`${places.outFolder}/merged.exr`)
  await files.writeNew(`${places.outFolder}/merged.exr`, merged)
  await files.removeFolder(`${places.outFolder}/${name}`)
  const paths = { from: `${places.outInside}/merged.exr`, out: `${places.outInside}/${name}` }
  await place.ask({ ...ofPicture(settings), ...paths, do: 'develop' }, `frame ${task.frame}`)
  const file = await takeFile(name, place)
  await files.removeFolder(`${places.outFolder}/merged.exr`)
  const samples = parts.reduce((sum, part) => sum + part.samples, 0)
  return { files: [file], wallMs: 0, cpuMs: 0, notes: { samples } }
}

function readPart(bytes: Uint8Array, file: string, inflate: Inflate): Picture {
  try {
    return readPicture(bytes, inflate)
  } catch (error) {
    if (!(error instanceof PictureError)) throw error
    throw failureProblem('task', 'invalid_request', `The part ${file} cannot be merged: ${error.message}.`)
  }
}

async function inspect(task: Extract<BlenderTask, { do: 'inspect' }>, place: TaskPlace): Promise<Done> {
  const { firstFrame, lastFrame } = task
  const frames = firstFrame === undefined ? null : [firstFrame, lastFrame ?? firstFrame]
  const { id, ok, ...inspection } = await place.ask({ do: 'inspect', frames }, place.settings.file)
  return { files: [], wallMs: 0, cpuMs: 0, notes: { inspection } }
}

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
  const { places, files } = place
  const what = `frame ${command.frame}`
  // A pipe or a link that a scene put there would have Blender wait, or write elsewhere.
  await files.removeFolder(`${places.outFolder}/${name}`)
  const answer = await place.ask({ ...rest, do: 'render', out: `${places.outInside}/${name}` }, what)
  const rendered = Rendered.safeParse(answer)
  if (!rendered.success)
    throw failureProblem('task', 'engine_failed', `${what}: Blender told nothing of the picture it made.`)
  const file = await takeFile(name, place)
  const { wallMs, cpuMs, ...notes } = rendered.data
  return { files: [file], wallMs, cpuMs, notes }
}

/** Hands a picture over, and makes room for the next. */
async function takeFile(
  name: string,
  { places, files, toFolder, fileBytesMax }: TaskPlace,
): Promise<TaskFile> {
  const file = await files.collect({ from: places.outFolder, to: toFolder, name, bytesMax: fileBytesMax })
  if (file === null)
    throw failureProblem(
      'task',
      'engine_failed',
      `Blender left no picture named ${name}: render it once at home.`,
    )
  await files.removeFolder(`${places.outFolder}/${name}`)
  return file
}
