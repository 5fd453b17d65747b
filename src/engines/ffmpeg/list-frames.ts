/** Which inputs become which frames of a video, and whether they can: told before anything is encoded. */
import type { TaskFiles } from '#host/task-files.ts'
import { byFrame } from '#images/frame-number.ts'
import type { FfmpegSettings } from '#protocol/ffmpeg-settings.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import { pathsLike } from '../glob.ts'
import { type PictureSize, pictureSize } from './picture-size.ts'

const FRAMES_MAX = 100_000
const HEAD_BYTES = 64
/** A JPEG may have a preview and a colour profile before its size. */
const LONG_HEAD_BYTES = 256 * 1024

export interface Frames {
  /** Relative to the inputs, in the order in which they play. */
  readonly paths: readonly string[]
  readonly size: PictureSize
}

/** Rejects with the failure of the task that names the frame which cannot be in the video. */
export async function listFrames(
  root: string,
  { frames }: Pick<FfmpegSettings, 'frames'>,
  files: Pick<TaskFiles, 'filesBelow' | 'readHead'>,
): Promise<Frames> {
  const paths = typeof frames === 'string' ? await findFrames(root, frames, files) : frames
  const strange = paths.find((path) => /['\n\\]/.test(path))
  if (strange !== undefined) throw wrong(`The name ${strange} holds a quote or a backslash: rename it.`)
  let first: { readonly path: string; readonly size: PictureSize } | null = null
  for (const path of paths) {
    const size = await readSize(root, path, files)
    first ??= { path, size }
    if (size.width === first.size.width && size.height === first.size.height) continue
    throw wrong(
      `${path} has ${say(size)} pixels, and ${first.path} has ${say(first.size)}: frames of one video have one size. Render it again, or leave it out.`,
    )
  }
  if (first === null)
    throw wrong(`No input is named like ${String(frames)}: there is nothing to make a video of.`)
  return { paths, size: first.size }
}

async function findFrames(
  root: string,
  pattern: string,
  files: Pick<TaskFiles, 'filesBelow'>,
): Promise<readonly string[]> {
  const below = await files.filesBelow(root, FRAMES_MAX)
  if (below === null) throw wrong(`There are more than ${FRAMES_MAX} files among the step's inputs.`)
  const frames = pathsLike([pattern], below)
  if (frames === null)
    throw wrong(`The names of the step's inputs are too many and too long for the pattern of its frames.`)
  return frames.toSorted(byFrame)
}

async function readSize(
  root: string,
  path: string,
  files: Pick<TaskFiles, 'readHead'>,
): Promise<PictureSize> {
  const look = async (bytesMax: number) => {
    const head = await files.readHead(`${root}/${path}`, bytesMax)
    if (head === null) throw wrong(`There is no frame ${path} among the step's inputs.`)
    return pictureSize(head)
  }
  const short = await look(HEAD_BYTES)
  const size = short === 'broken' ? await look(LONG_HEAD_BYTES) : short
  if (typeof size !== 'string') return size
  if (size === 'exr')
    throw wrong(
      `${path} is OpenEXR, light as the scene has it and not as a screen shows it: render PNG for a video, or bring the frames to PNG first.`,
    )
  throw wrong(
    size === 'broken'
      ? `${path} is cut short: render it again.`
      : `${path} is neither PNG nor JPEG: a video is made of those.`,
  )
}

const say = ({ width, height }: PictureSize): string => `${width} × ${height}`
const wrong = (message: string) => failureProblem('task', 'invalid_request', message)
