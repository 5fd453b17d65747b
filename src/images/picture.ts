/** A picture as plain numbers: what files are read into, compared and merged as. */

export interface Picture {
  readonly width: number
  readonly height: number
  /** 3 or 4 values a pixel: red, green, blue and, if there is one, alpha. */
  readonly channels: 3 | 4
  /** Row by row from the upper left. Linear light as it is, or 0 to 1 of what a screen shows. */
  readonly values: Float32Array
  /** How far apart two values of its file format lie at least, between 0 and 1; 0 where that is less than anybody sees. */
  readonly step: number
  /** What was written into the file beside the pixels, by name. */
  readonly metadata: Readonly<Record<string, string>>
}

/** Unpacks a zlib stream, at most `bytesMax` of it; throws when it is broken or longer. */
export type Inflate = (bytes: Uint8Array, bytesMax: number) => Uint8Array

/** A file that cannot be read as a picture; the message says why. */
export class PictureError extends Error {
  override readonly name = 'PictureError'
}

/** More than any frame that is rendered: 16k by 16k. */
export const PIXELS_MAX = 2 ** 28
/** Blender renders none that is wider or higher. */
const SIDE_MAX = 2 ** 16

/** It may be sound, and says that it has more pixels than are read. */
export class PictureTooLarge extends PictureError {
  readonly width: number
  readonly height: number

  constructor({ width, height }: { readonly width: number; readonly height: number }) {
    super(saidToBe(width, height))
    this.width = width
    this.height = height
  }
}

const saidToBe = (width: number, height: number): string => `its size is said to be ${width} x ${height}`

/** Throws `PictureError` for a size that is not to be believed, before anything of that size is made. */
export function checkSize(width: number, height: number, pixelsMax: number): void {
  const isSane = width >= 1 && height >= 1 && width <= SIDE_MAX && height <= SIDE_MAX
  if (!isSane) throw new PictureError(saidToBe(width, height))
  if (width * height > pixelsMax) throw new PictureTooLarge({ width, height })
}

export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** The part of `picture` in `box`, which must lie within it. */
export function cut(picture: Picture, box: Box): Picture {
  const { channels } = picture
  const values = new Float32Array(box.width * box.height * channels)
  for (let row = 0; row < box.height; row += 1) {
    const from = ((box.y + row) * picture.width + box.x) * channels
    values.set(picture.values.subarray(from, from + box.width * channels), row * box.width * channels)
  }
  return { ...picture, width: box.width, height: box.height, values }
}
