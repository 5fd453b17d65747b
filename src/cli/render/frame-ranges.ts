/** Which frames are meant: `7`, `1-240`, `1-240,300-310:2`. */
import { Problem } from '#protocol/problem.ts'

/** More than any job takes. */
export const FRAMES_MAX = 100_000
/** Blender knows no frames beyond. */
const FRAME_MAX = 1_048_574
const EXAMPLE = 'Write a frame, a range or several: 7, 1-240 or 1-240,300-310:2.'

/**
 * The frames of `text` in the order of their numbers, each once. Throws `Problem('invalid_request')` with one sentence that
 * names the piece that is wrong.
 */
export function parseFrameRanges(text: string): readonly number[] {
  if (text.trim() === '') throw wrong(`There are no frames in '${text}'. ${EXAMPLE}`)
  const frames = new Set<number>()
  for (const piece of text.split(',')) {
    const { first, last, step } = parsePiece(piece.trim(), text)
    const count = Math.floor((last - first) / step) + 1
    if (frames.size + count > FRAMES_MAX)
      throw wrong(
        `'${text}' has more than ${FRAMES_MAX} frames, the most of one job. Make several jobs of it.`,
      )
    for (let frame = first; frame <= last; frame += step) frames.add(frame)
  }
  return [...frames].sort((a, b) => a - b)
}

function parsePiece(piece: string, text: string): { first: number; last: number; step: number } {
  if (piece === '') throw wrong(`'${text}' has an empty range in it. ${EXAMPLE}`)
  if (/^-?\d+-$/.test(piece))
    throw wrong(
      `'${piece}' has no last frame. Write ${piece}${Math.max(1, Number.parseInt(piece, 10)) + 9}, say.`,
    )
  const found = /^(-?\d{1,15})(?:-(-?\d{1,15})(?::(\d{1,15}))?)?$/.exec(piece)
  if (!found) throw wrong(`'${piece}' is no range of frames. ${EXAMPLE}`)
  const first = Number(found[1])
  const last = Number(found[2] ?? first)
  const step = Number(found[3] ?? 1)
  if (last < first) throw wrong(`'${piece}' runs backwards. Write ${last}-${first}.`)
  if (step < 1) throw wrong(`'${piece}' takes steps of 0. Write ${first}-${last} for every frame.`)
  if (Math.max(Math.abs(first), Math.abs(last)) > FRAME_MAX)
    throw wrong(`'${piece}' goes beyond frame ${FRAME_MAX}, the last that Blender knows.`)
  return { first, last, step }
}

const wrong = (message: string): Problem => new Problem('invalid_request', message)

/** `1-3, 7`: numbers in order, as few words as will do; `max` ranges at most. */
export function formatFrames(frames: readonly number[], max = 8): string {
  const ranges: string[] = []
  for (let at = 0; at < frames.length; ) {
    const first = frames[at] ?? 0
    let end = at
    while (frames[end + 1] === (frames[end] ?? 0) + 1) end++
    ranges.push(end === at ? String(first) : `${first}-${frames[end]}`)
    at = end + 1
  }
  const left = ranges.length - max
  return left > 0 ? `${ranges.slice(0, max).join(', ')} and ${left} more` : ranges.join(', ')
}
