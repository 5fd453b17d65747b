/** Width and height of a PNG or JPEG, from its beginning alone. */

export interface PictureSize {
  readonly width: number
  readonly height: number
}

/** `exr`: OpenEXR. `broken`: ends before its size. `unknown`: something else. */
export function pictureSize(head: Uint8Array): PictureSize | 'exr' | 'broken' | 'unknown' {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  if (head.length < 4) return head.length === 0 ? 'broken' : 'unknown'
  const magic = view.getUint32(0)
  if (magic === 0x762f3101) return 'exr'
  if (magic === 0x89504e47)
    return head.length < 33 ? 'broken' : { width: view.getUint32(16), height: view.getUint32(20) }
  if (magic >>> 8 === 0xffd8ff) return jpegSize(view)
  return 'unknown'
}

/** Of the first frame header among the segments. */
function jpegSize(view: DataView): PictureSize | 'broken' {
  let at = 2
  while (at + 9 < view.byteLength && view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1)
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)
    if (isFrame) return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) }
    at += 2 + view.getUint16(at + 2)
  }
  return 'broken'
}
