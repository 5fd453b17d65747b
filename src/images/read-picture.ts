import { type Inflate, PIXELS_MAX, type Picture, PictureError } from './picture.ts'
import { readExr } from './read-exr.ts'
import { readPng } from './read-png.ts'

/**
 * Reads a PNG or OpenEXR file, told apart by their first bytes. Throws `PictureError` for anything else, for broken files and
 * for pictures of more than `pixelsMax` pixels, whatever is really in them.
 */
export function readPicture(bytes: Uint8Array, inflate: Inflate, pixelsMax = PIXELS_MAX): Picture {
  const magic = bytes.length < 4 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
  try {
    if (magic === 0x89504e47) return readPng(bytes, inflate, pixelsMax)
    if (magic === 0x762f3101) return readExr(bytes, inflate, pixelsMax)
  } catch (error) {
    if (error instanceof PictureError) throw error
    // A view that ends too early, a stream that cannot be unpacked: the file is cut short or broken.
    throw new PictureError('the file is cut short or broken', { cause: error })
  }
  throw new PictureError('the file is neither PNG nor OpenEXR')
}
