/** What goes through the pipes between the driver and the script in Blender, and what steps and tasks say. */
import { z } from 'zod'

export const Device = z.enum(['CPU', 'CUDA', 'OPTIX', 'HIP', 'ONEAPI', 'METAL'])
export type Device = z.output<typeof Device>

/** Settings of a step of kind `blender`. */
export const BlenderSettings = z.object({
  /** The .blend file, relative to the step's inputs. */
  file: z.string().regex(/^(?!\/)(?!.*(^|\/)\.\.(\/|$))[^\0]+$/, 'is not a path below the inputs'),
  /** Of several scenes in the file; the file's own choice without it. */
  scene: z.string().optional(),
  /** What Cycles must compute on: there is no falling back. */
  device: Device.default('CPU'),
  format: z.enum(['PNG', 'EXR']).default('PNG'),
  /** Bits per channel: 8 or 16 for PNG, 16 or 32 for EXR. */
  depth: z.union([z.literal(8), z.literal(16), z.literal(32)]).optional(),
  /** Of its pictures, which are refused where they have another size. The scene's own holds: this changes nothing of it. */
  width: z.int().min(1).max(65_536).optional(),
  height: z.int().min(1).max(65_536).optional(),
  /** Instead of the scene's own. */
  samples: z.int().min(1).max(1_000_000).optional(),
  seed: z.int().min(0).max(2_147_483_647).optional(),
  /** Files that lay outside the scene's folder, by the path that the scene names: relative to the inputs. */
  remap: z.record(z.string(), z.string()).default({}),
  /** The job wants scripts in the file to run; the node must allow it too. */
  allowScripts: z.boolean().default(false),
  /** Written into each picture, so that frames of different scenes are told apart. */
  sceneHash: z.string().max(100).default(''),
})
export type BlenderSettings = z.output<typeof BlenderSettings>

const frame = z.int().min(-1_048_574).max(1_048_574)
const samples = z.int().min(1).max(1_000_000)
const seed = z.int().min(0).max(2_147_483_647)

/** Params of a task of such a step, flat as all params are. */
export const BlenderTask = z.discriminatedUnion('do', [
  /** One frame, small and coarse if `scale` and `samples` say so: `frame-0012.png`. */
  z.object({
    do: z.literal('frame'),
    frame,
    samples: samples.optional(),
    seed: seed.optional(),
    scale: z.number().gt(0).max(1).optional(),
  }),
  /** `samples` of a frame's samples from `sampleOffset` on, in linear light: `range-0012-0-64.exr`. */
  z.object({ do: z.literal('range'), frame, samples, sampleOffset: z.int().min(0), seed: seed.optional() }),
  /** Rectangles of a frame, as `x,y,width,height;…` in pixels from the upper left: `crop-0012-0.png`, … */
  /** Of a range of its samples where `sampleOffset` is given; they are then in linear light too. */
  z.object({
    do: z.literal('crops'),
    frame,
    crops: z.string().max(4_000),
    samples: samples.optional(),
    seed: seed.optional(),
    sampleOffset: z.int().min(0).optional(),
  }),
  /** Ranges of one frame, as `file=samples;…` relative to the inputs, into that frame: `frame-0012.png`. */
  z.object({ do: z.literal('merge'), frame, parts: z.string().max(100_000) }),
  /** What the scene needs and what may go wrong with it, in `notes.inspection`; makes no file. */
  /** For `frames` (`1-50, 500`), or the first to the last; the scene's own where neither is given. */
  z.object({
    do: z.literal('inspect'),
    frames: z.string().max(2_000_000).optional(),
    firstFrame: frame.optional(),
    lastFrame: frame.optional(),
  }),
])
export type BlenderTask = z.output<typeof BlenderTask>

/** What the script says first. */
export const Ready = z.object({
  event: z.literal('ready'),
  version: z.string().max(100),
  hasDenoiser: z.boolean(),
})
export type Ready = z.output<typeof Ready>

export const Answer = z.discriminatedUnion('ok', [
  z.looseObject({ id: z.int(), ok: z.literal(true) }),
  z.object({
    id: z.int(),
    ok: z.literal(false),
    kind: z.enum(['scene', 'node', 'request']),
    message: z.string().max(2_000),
  }),
])
export type Answer = z.output<typeof Answer>

export const Loaded = z.object({
  scene: z.string(),
  device: z.object({ type: Device, names: z.array(z.string()) }),
  loadMs: z.number(),
  /** A picture may show what was rendered before it: simulations that are not baked. */
  hasHistory: z.boolean().default(false),
})
export type Loaded = z.output<typeof Loaded>

export const Rendered = z.object({
  cpuMs: z.number().nonnegative(),
  width: z.int().positive(),
  height: z.int().positive(),
  samples: z.int().positive(),
  seed: z.int(),
  isDenoised: z.boolean(),
  isAdaptive: z.boolean(),
})
export type Rendered = z.output<typeof Rendered>

export interface RangeFile {
  readonly file: string
  readonly samples: number
}

/** `1-50, 500` as pairs of first and last, or `null` when it is anything else. */
export function parseFrameRuns(text: string): readonly (readonly [number, number])[] | null {
  const runs = text.split(', ').map((run) => /^(-?\d{1,7})(?:-(-?\d{1,7}))?$/.exec(run))
  if (runs.some((run) => run === null)) return null
  return runs.map((run) => [Number(run?.[1]), Number(run?.[2] ?? run?.[1])])
}

/** `file=samples;…`, or `null` when it is anything else, leads out of the inputs or names more than 1,000. */
export function parseParts(text: string): readonly RangeFile[] | null {
  const parts = text.split(';').map((part) => /^([\w-][\w.-]*(?:\/[\w-][\w.-]*)*)=([1-9]\d{0,6})$/.exec(part))
  if (parts.length > 1_000 || parts.some((part) => part === null)) return null
  return parts.map((part) => ({ file: part?.[1] ?? '', samples: Number(part?.[2]) }))
}
