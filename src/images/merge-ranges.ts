import { type Picture, PictureError } from './picture.ts'

export interface RangePart {
  readonly picture: Picture
  readonly samples: number
}

/**
 * The picture that all samples together make: the mean of the parts, each weighted by its samples. Parts are in linear
 * light, of one size. Throws `PictureError` when they do not fit, or when a sample count is not above 0.
 */
export function mergeRanges(parts: readonly RangePart[]): Picture {
  const [first] = parts
  if (first === undefined) throw new PictureError('there are no parts to merge')
  const { width, height, channels } = first.picture
  const total = parts.reduce((sum, part) => sum + part.samples, 0)
  // Sums of doubles: with floats, the order of the parts would show.
  const sums = new Float64Array(width * height * channels)
  for (const { picture, samples } of parts) {
    if (picture.width !== width || picture.height !== height || picture.channels !== channels)
      throw new PictureError(`a part is ${picture.width} x ${picture.height}, another ${width} x ${height}`)
    if (!(samples > 0)) throw new PictureError('a part has no samples')
    const weight = samples / total
    picture.values.forEach((value, at) => {
      sums[at] = (sums[at] ?? 0) + value * weight
    })
  }
  return { ...first.picture, values: Float32Array.from(sums) }
}
