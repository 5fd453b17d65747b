import type { Picture } from './picture.ts'

/**
 * `picture` as it fits into `width` by `height` pixels, its shape kept; each pixel is the mean of those that it stands for.
 * Never made larger.
 */
export function shrink(picture: Picture, room: { readonly width: number; readonly height: number }): Picture {
  const factor = Math.min(1, room.width / picture.width, room.height / picture.height)
  if (factor === 1) return picture
  const { channels } = picture
  const width = Math.max(1, Math.round(picture.width * factor))
  const height = Math.max(1, Math.round(picture.height * factor))
  const values = new Float32Array(width * height * channels)
  for (let row = 0; row < height; row += 1) {
    const rows = spanOf(row, height, picture.height)
    for (let column = 0; column < width; column += 1) {
      const columns = spanOf(column, width, picture.width)
      const at = (row * width + column) * channels
      for (let channel = 0; channel < channels; channel += 1)
        values[at + channel] = meanOf(picture, { rows, columns, channel })
    }
  }
  return { ...picture, width, height, values }
}

interface Span {
  readonly from: number
  readonly to: number
}

/** Which of `from` places the place `at` of `to` stands for; one at least. */
function spanOf(at: number, to: number, from: number): Span {
  const first = Math.min(from - 1, Math.floor((at * from) / to))
  return { from: first, to: Math.max(first + 1, Math.floor(((at + 1) * from) / to)) }
}

function meanOf(
  { values, width, channels }: Picture,
  { rows, columns, channel }: { rows: Span; columns: Span; channel: number },
): number {
  let sum = 0
  for (let row = rows.from; row < rows.to; row += 1)
    for (let column = columns.from; column < columns.to; column += 1)
      sum += values[(row * width + column) * channels + channel] ?? 0
  return sum / ((rows.to - rows.from) * (columns.to - columns.from))
}

/** Linear light as a screen shows it: 0 to 1 by the curve of sRGB. Alpha stays. */
export function toScreen(picture: Picture): Picture {
  const { channels } = picture
  const values = picture.values.map((value, at) => {
    if (at % channels === 3) return value
    if (!(value > 0)) return 0
    return value <= 0.0031308 ? 12.92 * value : Math.min(1, 1.055 * value ** (1 / 2.4) - 0.055)
  })
  return { ...picture, values, step: 1 / 255 }
}
