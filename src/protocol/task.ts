/** What tasks take and make, wherever it is said: in plans, grants and results. */
import { z } from 'zod'

/** A blob, by the lower-case hex sha256 of its bytes. */
export const TaskHash = z.string().regex(/^[0-9a-f]{64}$/, 'expected 32 bytes in lower-case hex')

/** What a task is given beside its step's inputs: a frame's number, a range of samples, a file's name. */
export const TaskParams = z.record(
  z.string().max(100),
  z.union([z.string().max(100_000), z.number(), z.boolean()]),
)
export type TaskParams = z.output<typeof TaskParams>

/** A step's settings, as its kind defines them. */
export const StepSettings = z.record(z.string().max(100), z.json())
export type StepSettings = z.output<typeof StepSettings>

/** A file that an attempt made. Its name is relative, with `/`; as a node tells it, so it is checked like all input. */
export const OutputFile = z.object({
  name: z.string().min(1).max(500),
  bytes: z.int().nonnegative(),
  sha256: TaskHash,
})
export type OutputFile = z.output<typeof OutputFile>

/** Engines of tasks. `blender` renders, `ffmpeg` makes videos of frames, `command` runs a program of the job's own. */
export const TaskKind = z.enum(['blender', 'ffmpeg', 'command'])
export type TaskKind = z.output<typeof TaskKind>
