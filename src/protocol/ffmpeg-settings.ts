/** What a step of kind `ffmpeg` says: frames in, one video out. */
import { z } from 'zod'

const relative = /^(?!\/)(?!.*(^|\/)\.\.(\/|$))[^\0\n]+$/

export const VideoCodec = z.enum(['h264', 'prores', 'vp9'])
export type VideoCodec = z.output<typeof VideoCodec>

/** The endings that go with each codec: `.mp4` plays everywhere, `.mov` goes on to an editor, `.webm` on to a page. */
export const videoEndings: Readonly<Record<VideoCodec, string>> = { h264: 'mp4', prores: 'mov', vp9: 'webm' }

export const FPS_MIN = 0.1
export const FPS_MAX = 240

/** Settings of a step of kind `ffmpeg`. Its one task takes no params. */
export const FfmpegSettings = z
  .strictObject({
    /**
     * Which inputs are frames: a path below the inputs whose last part may hold `*` (`frames/frame-*.png`), or all of
     * them by name. They play in the order of the last number in their names, gaps left out.
     */
    frames: z.union([
      z.string().max(500).regex(relative, 'is not a path below the inputs'),
      z.array(z.string().max(500).regex(relative, 'is not a path below the inputs')).min(1).max(100_000),
    ]),
    /** Frames a second. 23.976, 29.97 and 59.94 are taken as the fractions that they stand for. */
    fps: z.number().min(FPS_MIN).max(FPS_MAX).default(24),
    codec: VideoCodec.default('h264'),
    /** Less is better and larger: 18 is near to no loss. ProRes has none. */
    crf: z.int().min(0).max(51).default(18),
    /** Name of the video. */
    out: z
      .string()
      .regex(
        /^[A-Za-z0-9][A-Za-z0-9 _.-]{0,99}$/,
        'expected a file name of letters, digits, blanks, . _ or -',
      )
      .default('video.mp4'),
  })
  .refine(({ codec, out }) => out.toLowerCase().endsWith(`.${videoEndings[codec]}`), {
    path: ['out'],
    message: 'expected the ending of the codec: .mp4 for h264, .mov for prores, .webm for vp9',
  })
export type FfmpegSettings = z.output<typeof FfmpegSettings>
