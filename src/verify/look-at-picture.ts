/**
 * What is done with pictures that strangers sent, where they lie. All of it computes and nothing else, so that it can be done in a
 * thread that is ended when it takes too long.
 */
import { formatBoxes, parseBoxes } from '#images/boxes.ts'
import { cut, type Inflate, type Picture, PictureError, PictureTooLarge } from '#images/picture.ts'
import { readPicture } from '#images/read-picture.ts'
import type { CheckOutputs, CropsCompared, OutputsChecked } from '#protocol/work-check.ts'
import { checkFrame, fingerprintOf } from './check-frame.ts'
import { chooseCrops } from './choose-crops.ts'
import { compareCrops } from './compare-crops.ts'

/** Of pictures that are looked at: 7,680 by 4,320 and a little. */
export const PIXELS_LOOKED_AT_MAX = 33_554_432

export interface PictureToLookAt {
  readonly bytes: Uint8Array
  readonly kind: 'frame' | 'range' | 'picture'
  readonly expected: CheckOutputs['expected']
  /** Drawn after its maker committed itself to it. */
  readonly secret: Uint8Array
}

/** What can be told without rendering, and where an audit would look. Nothing of a stranger's file makes it throw. */
export function lookAtPicture(
  { bytes, kind, expected, secret }: PictureToLookAt,
  inflate: Inflate,
): OutputsChecked {
  const picture = read(bytes, inflate)
  if (picture instanceof PictureTooLarge) {
    const fault = faultOfLarge(picture, { bytes: bytes.length, expected })
    return fault === null
      ? { ...unknown, faults: [], doubts: [TOO_LARGE] }
      : { ...unknown, faults: [fault], doubts: [] }
  }
  if (typeof picture === 'string') return { ...unknown, faults: [`unreadable: ${picture}`], doubts: [] }
  const { width, height } = picture
  const { fault, doubts } = checkFrame(
    { picture, wallMs: 0, neighbours: expected.neighbours },
    {
      ...expected,
      seed: expected.seed ?? null,
      sampleOffset: expected.sampleOffset ?? (kind === 'frame' ? 0 : null),
      expectedMs: null,
    },
  )
  // What was made of other pictures carries no label of ours.
  const counts = fault !== null && (kind !== 'picture' || fault === 'size_wrong')
  return {
    faults: counts ? [fault] : [],
    doubts: [...doubts],
    fingerprint: kind === 'frame' ? fingerprintOf(picture) : null,
    width,
    height,
    crops: kind !== 'picture' ? formatBoxes(chooseCrops(picture, secret)) : null,
  }
}

const unknown = { fingerprint: null, width: null, height: null, crops: null }
const TOO_LARGE = 'too large to be looked at'

/** Of what a picture takes unpacked, the least that is left of it packed: deflate does no better than 1 to 1,032. */
const PACKED_MIN = 1 / 1_032
const PIXEL_BYTES_MIN = 3

/**
 * Of a picture of which only its size is read. Where nobody said that it is to be so large it is not taken: a file of a few
 * bytes may say any size, and could be neither checked nor audited.
 */
function faultOfLarge(
  { message, width, height }: PictureTooLarge,
  { bytes, expected }: { readonly bytes: number; readonly expected: CheckOutputs['expected'] },
): string | null {
  if (expected.width === null || expected.height === null)
    return `unreadable: ${message}, and its step does not say that it is so large (settings "width" and "height")`
  if (width !== expected.width || height !== expected.height) return 'size_wrong'
  if (bytes < width * height * PIXEL_BYTES_MIN * PACKED_MIN)
    return `unreadable: ${message}, which ${bytes} bytes do not hold`
  return null
}

/** Rendered again: crops one by one, or the whole. */
export interface Again {
  readonly files: readonly Uint8Array[]
  readonly isWhole: boolean
}

export interface PicturesToCompare {
  readonly picture: Uint8Array
  readonly crops: string
  readonly again: Again
  /** By another before. */
  readonly before: Again | null
}

/** Whether `again` shows what `picture` shows at the crops, and, if it does not, whether it shows what `before` did. */
export function compareRendered(
  { picture, crops, again, before }: PicturesToCompare,
  inflate: Inflate,
): CropsCompared {
  const boxes = parseBoxes(crops)
  const whole = readAny(picture, inflate)
  if (boxes === null || typeof whole === 'string')
    return { verdict: 'unreadable', detail: 'what was delivered is no picture', agrees: null }
  const delivered = boxes.map((box) => (isWithin(box, whole) ? cut(whole, box) : null))
  const parts = partsOf(again, boxes, inflate)
  if (typeof parts === 'string') return { verdict: 'unreadable', detail: parts, agrees: null }
  const off = parts.findIndex((part, at) => isOff(delivered[at] ?? null, part))
  if (off === -1) return { verdict: 'same', detail: '', agrees: null }
  const others = before && partsOf(before, boxes, inflate)
  const agrees =
    others === null || typeof others === 'string'
      ? null
      : !parts.some((part, at) => isOff(others[at] ?? null, part))
  return { verdict: 'different', detail: describe(delivered[off] ?? null, parts[off], boxes[off]), agrees }
}

function readAny(bytes: Uint8Array, inflate: Inflate): Picture | string {
  const picture = read(bytes, inflate)
  return picture instanceof PictureTooLarge ? TOO_LARGE : picture
}

function read(bytes: Uint8Array, inflate: Inflate): Picture | PictureTooLarge | string {
  try {
    return readPicture(bytes, inflate, PIXELS_LOOKED_AT_MAX)
  } catch (error) {
    if (error instanceof PictureTooLarge) return error
    if (error instanceof PictureError) return error.message
    throw error
  }
}

type Boxes = NonNullable<ReturnType<typeof parseBoxes>>
type Part = Picture | null

function partsOf({ files, isWhole }: Again, boxes: Boxes, inflate: Inflate): readonly Picture[] | string {
  if (files.length !== (isWhole ? 1 : boxes.length)) return `${files.length} files came`
  const pictures: Picture[] = []
  for (const file of files) {
    const picture = readAny(file, inflate)
    if (typeof picture === 'string') return picture
    pictures.push(picture)
  }
  const [whole] = pictures
  if (isWhole && whole) {
    if (!boxes.every((box) => isWithin(box, whole))) return `it has ${whole.width} x ${whole.height} pixels`
    return boxes.map((box) => cut(whole, box))
  }
  const wrong = pictures.findIndex(
    ({ width, height }, at) => width !== boxes[at]?.width || height !== boxes[at]?.height,
  )
  return wrong === -1 ? pictures : `part ${wrong} has another size`
}

const isWithin = (box: Boxes[number], { width, height }: Picture): boolean =>
  box.x + box.width <= width && box.y + box.height <= height

const isOff = (one: Part, other: Part): boolean =>
  one === null || other === null || compareCrops(one, other).isOff

function describe(delivered: Part, again: Part | undefined, box: Boxes[number] | undefined): string {
  const where = box ? `at ${box.x},${box.y}` : ''
  if (!delivered || !again) return `${where}: the picture ends before`
  const { pixels, offPixels, slightPixels } = compareCrops(delivered, again)
  return `${where}: ${offPixels} of ${pixels} pixels are off, ${slightPixels} slightly`
}
