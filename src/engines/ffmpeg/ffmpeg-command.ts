/** What ffmpeg is told: a list of frames in, one video out that players agree on. */
import type { FfmpegSettings } from '#protocol/ffmpeg-settings.ts'
import type { Frames } from './list-frames.ts'

export interface CommandPlaces {
  readonly program: string
  readonly list: string
  readonly out: string
  /** `null`: as many as ffmpeg likes. */
  readonly threads: number | null
}

/**
 * Its list of frames. Each lasts a second there: what is exact; `settb` and `setpts` give them their own time, so that no
 * frame is doubled or dropped however odd the rate is.
 */
export const listText = ({ paths }: Pick<Frames, 'paths'>, folder: string): string =>
  ['ffconcat version 1.0', ...paths.flatMap((path) => [`file '${folder}/${path}'`, 'duration 1']), ''].join(
    '\n',
  )

export function ffmpegCommand(settings: FfmpegSettings, places: CommandPlaces): readonly string[] {
  const { over, under } = frameRate(settings.fps)
  const threads = places.threads === null ? [] : ['-threads', String(places.threads)]
  const filters = [
    `settb=${under}/${over}`,
    'setpts=N',
    // What halves its colours needs even sides.
    'pad=ceil(iw/2)*2:ceil(ih/2)*2',
    // Pictures are full range; without a word about it, players guess the colours by the size.
    'scale=out_color_matrix=bt709:out_range=tv',
    `format=${codecs[settings.codec].format}`,
  ]
  return [
    places.program,
    ...[
      '-hide_banner',
      '-nostdin',
      '-loglevel',
      'warning',
      '-nostats',
      '-progress',
      'pipe:4',
      '-stats_period',
      '0.2',
    ],
    // A frame that cannot be read ends it, instead of a video that lacks one.
    ...['-xerror', ...threads, '-f', 'concat', '-safe', '0', '-i', places.list],
    ...['-map', '0:v:0', '-vf', filters.join(','), '-r', `${over}/${under}`],
    ...codecs[settings.codec].options(settings.crf),
    ...['-colorspace', 'bt709', '-color_primaries', 'bt709', '-color_trc', 'bt709', '-color_range', 'tv'],
    // Nothing of the machine is in the file.
    ...['-map_metadata', '-1', '-fflags', '+bitexact', '-flags:v', '+bitexact', ...threads, '-y', places.out],
  ]
}

const codecs = {
  h264: {
    format: 'yuv420p',
    options: (crf) => [
      '-c:v',
      'libx264',
      '-preset',
      'medium',
      '-crf',
      String(crf),
      '-movflags',
      '+faststart',
    ],
  },
  prores: {
    format: 'yuv422p10le',
    options: () => ['-c:v', 'prores_ks', '-profile:v', '3', '-vendor', 'apl0'],
  },
  vp9: {
    format: 'yuv420p',
    options: (crf) => ['-c:v', 'libvpx-vp9', '-crf', String(crf), '-b:v', '0', '-row-mt', '1'],
  },
} as const satisfies Record<
  FfmpegSettings['codec'],
  { format: string; options: (crf: number) => readonly string[] }
>

/** `24/1`, `24000/1001`: frames a second as ffmpeg takes them without rounding. */
export function frameRate(fps: number): { readonly over: number; readonly under: number } {
  const whole = Math.round(fps)
  if (Math.abs(fps - whole) < 1e-9) return { over: whole, under: 1 }
  const isBroadcast = Math.abs(fps - (Math.ceil(fps) * 1_000) / 1_001) < 0.005
  if (isBroadcast) return { over: Math.ceil(fps) * 1_000, under: 1_001 }
  return { over: Math.round(fps * 1_000), under: 1_000 }
}
