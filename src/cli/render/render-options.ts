/** What `shoal render` was asked for, checked as far as that needs neither the scene nor the network. */
import type { NanoUsd } from '#kernel/money.ts'
import { Tier } from '#protocol/job.ts'
import { Problem } from '#protocol/problem.ts'
import { readBudget } from '../jobs/begin-job.ts'
import { parseFrameRanges } from './frame-ranges.ts'

/** As they were typed. */
export interface RenderFlags {
  readonly frames?: string
  readonly budget?: string
  readonly tier: string
  readonly format: string
  readonly device: string
  readonly samples?: number
  readonly scene?: string
  readonly out?: string
  readonly video?: string
  readonly fps?: number
  readonly split?: string
  readonly priority: number
  readonly blender: string
  readonly yes?: true
  readonly watch?: true
  readonly allowScripts?: true
}

export interface RenderOptions {
  /** `null`: the scene's own. */
  readonly frames: readonly number[] | null
  /** `null`: what the quote says. */
  readonly cap: NanoUsd | null
  readonly tier: Tier
  readonly format: 'PNG' | 'EXR'
  readonly device: string
  readonly samples: number | null
  readonly scene: string | undefined
  readonly out: string | null
  readonly video: VideoOptions | null
  readonly split: 'auto' | number
  readonly priority: number
  readonly blender: string
  readonly isAsked: boolean
  readonly isWatched: boolean
  readonly allowsScripts: boolean
}

export interface VideoOptions {
  /** Where it goes on this machine. */
  readonly path: string
  readonly codec: string
  readonly ending: string
  /** `null`: the scene's own. */
  readonly fps: number | null
}

const codecs: Readonly<Record<string, string>> = { mp4: 'h264', mov: 'prores', webm: 'vp9' }
export const SPLIT_MAX = 64

const EXR_VIDEO =
  'A video is made of PNG frames: OpenEXR is light as the scene has it, not as a screen shows it. For the video leave --format EXR out; for both, give the command twice, with --format EXR --out FOLDER instead of --video the second time.'

export function readRenderOptions(flags: RenderFlags): RenderOptions {
  const frames = flags.frames === undefined ? null : parseFrameRanges(flags.frames)
  if (flags.video !== undefined && flags.format === 'EXR') throw wrong(EXR_VIDEO)
  return {
    frames,
    cap: readBudget(flags.budget),
    tier: Tier.parse(flags.tier),
    format: flags.format === 'EXR' ? 'EXR' : 'PNG',
    device: flags.device,
    samples: flags.samples ?? null,
    scene: flags.scene,
    out: flags.out ?? null,
    video: readVideo(flags),
    split: readSplit(flags.split, frames),
    priority: flags.priority,
    blender: flags.blender,
    isAsked: flags.yes !== true,
    isWatched: flags.watch === true,
    allowsScripts: flags.allowScripts === true,
  }
}

function readVideo({ video, fps }: RenderFlags): VideoOptions | null {
  if (video === undefined) {
    if (fps !== undefined) throw wrong('--fps is for a video. Add --video FILE.mp4, or leave it out.')
    return null
  }
  return { path: video, ...videoForm(video), fps: fps ?? null }
}

/** Throws for a name that does not end in what goes with a codec. */
export function videoForm(path: string): { codec: string; ending: string } {
  const ending = /\.(\w+)$/.exec(path)?.[1]?.toLowerCase() ?? ''
  const codec = codecs[ending]
  if (codec !== undefined) return { codec, ending }
  throw wrong(
    `'${path}' does not say which video. Let its name end in .mp4 (plays everywhere), .mov (ProRes, for an editor) or .webm.`,
  )
}

function readSplit(text: string | undefined, frames: readonly number[] | null): 'auto' | number {
  if (text === undefined || text === 'auto') return 'auto'
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (count < 1 || count > SPLIT_MAX)
    throw wrong(`--split takes auto or a number of parts from 1 to ${SPLIT_MAX}, not '${text}'.`)
  if (count > 1 && frames?.length !== 1)
    throw wrong(
      '--split cuts one frame into parts by its samples. Name one: --frames 7. Several frames are shared out as they are.',
    )
  return count
}

const wrong = (message: string): Problem => new Problem('invalid_request', message)
