/** The steps of a render job: frames, or the parts of one still and their merging; and a video of the frames. */
import type { z } from 'zod'
import { FRAME_PIXEL_BYTES, MERGE_PIXEL_BYTES, MERGE_PIXELS_MAX } from '#images/merge-ranges.ts'
import type { NewStep } from '#protocol/job.ts'
import { Problem } from '#protocol/problem.ts'
import type { SceneFacts, SceneReport } from '../jobs/job-tools.ts'
import type { RenderOptions, VideoOptions } from './render-options.ts'

export type Step = z.output<typeof NewStep>

export interface RenderPlanInput {
  readonly options: RenderOptions
  readonly scene: Pick<SceneReport, 'file' | 'remap' | 'facts'>
  readonly frames: readonly number[]
  /** Parts of a still; 1 where it is not split. */
  readonly parts: number
  /** Of the tree of inputs. */
  readonly inputRoot: string
  /** Of all inputs. */
  readonly inputBytes: number
}

export const FRAMES_STEP = 'frames'
export const PARTS_STEP = 'parts'
export const VIDEO_STEP = 'video'

export function planRender(input: RenderPlanInput): Step[] {
  const { options, frames, parts } = input
  const [frame = 0] = frames
  const rendered = parts > 1 ? splitSteps(input, frame) : [framesStep(input)]
  return options.video === null ? rendered : [...rendered, videoStep(options.video, input)]
}

const framesStep = (input: RenderPlanInput): Step => ({
  ...blenderStep(input),
  name: FRAMES_STEP,
  tasks: input.frames.map((frame) => ({ do: 'frame', frame })),
})

/** Samples as even as can be: parts of a linear sum, so that any cut gives the same picture. */
function splitSteps(input: RenderPlanInput, frame: number): Step[] {
  const total = samplesOf(input)
  const ranges = Array.from({ length: input.parts }, (_, at) => {
    const [from, to] = [Math.floor((total * at) / input.parts), Math.floor((total * (at + 1)) / input.parts)]
    return { sampleOffset: from, samples: to - from }
  })
  const name = `${frame < 0 ? '-' : ''}${String(Math.abs(frame)).padStart(4, '0')}`
  const parts = ranges.map(
    ({ sampleOffset, samples }) => `${PARTS_STEP}/range-${name}-${sampleOffset}-${samples}.exr=${samples}`,
  )
  const step = blenderStep(input)
  const { width, height } = input.scene.facts
  // The sums are made beside the Blender that then shows them.
  const memoryMib = step.requirements.memoryMib + Math.ceil((width * height * MERGE_PIXEL_BYTES) / 2 ** 20)
  return [
    {
      ...step,
      name: PARTS_STEP,
      tasks: ranges.map((range) => ({ do: 'range', frame, ...range })),
    },
    {
      ...step,
      requirements: { ...step.requirements, memoryMib },
      name: FRAMES_STEP,
      dependsOn: [PARTS_STEP],
      takesResults: true,
      tasks: [{ do: 'merge', frame, parts: parts.join(';') }],
      estimateMs: MERGE_MS,
    },
  ]
}

const MERGE_MS = 3_000

function blenderStep({
  options,
  scene,
  inputRoot,
  inputBytes,
}: RenderPlanInput): Omit<Step, 'name' | 'tasks'> {
  const { width, height } = scene.facts
  const settings = {
    file: scene.file,
    ...(options.scene !== undefined && { scene: options.scene }),
    device: options.device,
    format: options.format,
    // What its pictures are checked by. Scripts may change it.
    ...(!options.allowsScripts && { width, height }),
    ...(options.samples !== null && { samples: options.samples }),
    remap: { ...scene.remap },
    allowScripts: options.allowsScripts,
    // In each picture's metadata: frames of different scenes are told apart by it.
    sceneHash: inputRoot.slice(0, 16),
  }
  return {
    kind: 'blender',
    dependsOn: [],
    takesResults: false,
    inputRoot,
    inputBytes,
    settings,
    requirements: {
      memoryMib: memoryMibOf(scene.facts, inputBytes),
      vramMib: options.device === 'CPU' ? 0 : memoryMibOf(scene.facts, 0),
    },
  }
}

/** A Blender that runs, about; a triangle with what Cycles builds to find it; the file itself, twice while it is loaded. */
const BLENDER_MIB = 400
const TRIANGLE_BYTES = 300

/** Of the machine; without the file's bytes, of the GPU that renders it. */
export const memoryMibOf = (facts: SceneFacts, inputBytes: number): number =>
  BLENDER_MIB +
  Math.ceil(
    (facts.imageBytes +
      facts.triangles * TRIANGLE_BYTES +
      2 * Math.min(inputBytes, 2 ** 30) +
      facts.width * facts.height * FRAME_PIXEL_BYTES) /
      2 ** 20,
  )

/** A frame of a video takes about as long to read and write as this. */
const VIDEO_FRAME_MS = 60
const VIDEO_MS = 2_000

const videoStep = (
  { codec, ending, fps }: VideoOptions,
  { frames, scene, options }: RenderPlanInput,
): Step => ({
  name: VIDEO_STEP,
  kind: 'ffmpeg',
  dependsOn: [FRAMES_STEP],
  takesResults: true,
  inputRoot: null,
  settings: {
    frames: `${FRAMES_STEP}/frame-*.${options.format.toLowerCase()}`,
    fps: fps ?? scene.facts.fps,
    codec,
    out: `video.${ending}`,
  },
  requirements: { memoryMib: 512, vramMib: 0 },
  tasks: [{}],
  estimateMs: VIDEO_MS + VIDEO_FRAME_MS * frames.length,
})

const samplesOf = ({ options, scene }: Pick<RenderPlanInput, 'options' | 'scene'>): number =>
  options.samples ?? scene.facts.samples

/** A part below that is mostly overhead. */
const SAMPLES_PER_PART = 8

/**
 * How many parts a still is cut into: one for each node, where there are samples enough. Adaptive sampling, denoising and the
 * compositor look at the whole, so such a scene is not cut: throws where that was asked for.
 */
export function partsOf(input: Pick<RenderPlanInput, 'options' | 'scene' | 'frames'>, nodes: number): number {
  const { split } = input.options
  if (input.frames.length !== 1) return 1
  const { width, height } = input.scene.facts
  const isTooLarge = width * height > MERGE_PIXELS_MAX
  const reason = whyWhole(input.scene.facts)
  const most = Math.floor(samplesOf(input) / SAMPLES_PER_PART)
  if (split === 'auto')
    return isTooLarge || reason !== null ? 1 : Math.max(1, Math.min(nodes, most, AUTO_MAX))
  if (split > 1 && reason !== null)
    throw new Problem(
      'invalid_request',
      `The scene ${reason}, which needs all samples in one place: turn that off in the scene, or leave --split out.`,
    )
  if (split > 1 && isTooLarge)
    throw new Problem(
      'invalid_request',
      `The picture has ${width} x ${height} pixels, and parts are merged up to ${MERGE_PIXELS_MAX}: leave --split out.`,
    )
  if (split > samplesOf(input))
    throw new Problem(
      'invalid_request',
      `${samplesOf(input)} samples make no ${split} parts. Give a smaller --split, or more --samples.`,
    )
  return split
}

const AUTO_MAX = 16

function whyWhole({ isAdaptive, isDenoised, isComposited }: SceneFacts): string | null {
  if (isAdaptive) return 'samples adaptively'
  if (isDenoised) return 'denoises'
  return isComposited ? 'has compositor nodes' : null
}

/** `frame-0012.png`, as nodes name it. */
export const frameName = (frame: number, format: 'PNG' | 'EXR'): string =>
  `frame-${frame < 0 ? '-' : ''}${String(Math.abs(frame)).padStart(4, '0')}.${format.toLowerCase()}`
