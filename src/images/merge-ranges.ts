import { type Picture, PictureError } from './picture.ts'

/** So many are looked at, too: 8K. Each takes some seconds to unpack and to add, in which a program does nothing else. */
export const MERGE_PIXELS_MAX = 33_554_432
/** What merging takes at most of a pixel: the part as a file and as numbers, and the sums; later those, and the merged file. */
export const MERGE_PIXEL_BYTES = 80
/** What a Blender has of each beside that, about. */
export const FRAME_PIXEL_BYTES = 64

export interface RangePart {
  readonly picture: Picture
  readonly samples: number
}

/** Takes parts one after the other and keeps none of them: however many there are, it is as large as one picture's sums. */
export interface RangeSum {
  /** Throws `PictureError` for a part of another size than the first, or one whose sample count is not above 0. */
  add(part: RangePart): void
  /**
   * The picture that all samples together make: the mean of the parts, each weighted by its samples. Parts are in linear
   * light. Throws `PictureError` where there were none.
   */
  merged(): Picture
}

export function createRangeSum(): RangeSum {
  let first: Picture | null = null
  // Sums of doubles: with floats, the order of the parts would show.
  let sums = new Float64Array(0)
  let total = 0
  return {
    add({ picture, samples }) {
      const { width, height, channels, values } = picture
      if (!(samples > 0)) throw new PictureError('a part has no samples')
      if (first === null) {
        first = { ...picture, values: new Float32Array(0) }
        sums = new Float64Array(values.length)
      }
      if (width !== first.width || height !== first.height || channels !== first.channels)
        throw new PictureError(`it is ${sizeOf(picture)}, and another part ${sizeOf(first)}`)
      for (let at = 0; at < values.length; at += 1) sums[at] = (sums[at] ?? 0) + (values[at] ?? 0) * samples
      total += samples
    },
    merged() {
      if (first === null) throw new PictureError('there are no parts to merge')
      const values = new Float32Array(sums.length)
      for (let at = 0; at < sums.length; at += 1) values[at] = (sums[at] ?? 0) / total
      sums = new Float64Array(0)
      return { ...first, values }
    },
  }
}

const sizeOf = ({ width, height, channels }: Picture): string => `${width} x ${height} of ${channels} values`

/** All at once, for those who have them. */
export function mergeRanges(parts: readonly RangePart[]): Picture {
  const sum = createRangeSum()
  for (const part of parts) sum.add(part)
  return sum.merged()
}
