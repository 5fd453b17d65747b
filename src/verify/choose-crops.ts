/**
 * Where a frame is looked at. The places follow from a secret that its maker learns only after it committed itself to
 * the frame: half of them where the delivered frame has most detail, for flat background tells frauds apart badly. Where detail is,
 * its maker decides: who renders half of a frame honestly and leaves the rest without detail draws these to the honest half. The others
 * are anywhere, and two of them: each finds less than the part that is false, and together they find more.
 */
import { type Box, cut, type Picture } from '#images/picture.ts'
import { createRandom } from '#kernel/random.ts'

export interface CropPlan {
  readonly count: number
  /** Width and height in pixels; less where the frame is smaller. */
  readonly side: number
}

export const CROP_PLAN: CropPlan = { count: 4, side: 15 }

/** Of so many places drawn, the one with most detail is taken. */
const CANDIDATES = 8

/** Boxes within `picture`; the same secret gives the same ones. `secret` is at least four bytes that nobody can guess. */
export function chooseCrops(
  picture: Picture,
  secret: Uint8Array,
  plan: CropPlan = CROP_PLAN,
): readonly Box[] {
  const random = createRandom(seedOf(secret))
  const width = Math.min(plan.side, picture.width)
  const height = Math.min(plan.side, picture.height)
  const draw = (): Box => ({
    x: random.int(picture.width - width + 1),
    y: random.int(picture.height - height + 1),
    width,
    height,
  })
  return Array.from({ length: plan.count }, (_, at) => (at % 2 === 1 ? draw() : mostDetailed(picture, draw)))
}

/** The first four bytes: a hash's are as good as all of them. */
const seedOf = (secret: Uint8Array): number =>
  secret.subarray(0, 4).reduce((seed, byte) => (seed * 256 + byte) >>> 0, 0)

function mostDetailed(picture: Picture, draw: () => Box): Box {
  let best = draw()
  let most = detailOf(cut(picture, best))
  for (let tries = 1; tries < CANDIDATES; tries += 1) {
    const box = draw()
    const detail = detailOf(cut(picture, box))
    if (detail > most) [best, most] = [box, detail]
  }
  return best
}

/** How much neighbouring pixels differ, relative to how bright they are. */
export function detailOf({ width, height, channels, values }: Picture): number {
  let sum = 0
  for (let y = 0; y < height; y += 1) {
    for (let x = 1; x < width; x += 1) {
      const at = (y * width + x) * channels
      for (let channel = 0; channel < 3; channel += 1) {
        const [a, b] = [values[at + channel] ?? 0, values[at + channel - channels] ?? 0]
        const most = Math.max(Math.abs(a), Math.abs(b), 1e-3)
        const share = Math.abs(a - b) / most
        // One pixel that is no number, or far off, does not outweigh a whole crop of detail.
        sum += Number.isFinite(share) ? Math.min(1, share) : 1
      }
    }
  }
  return sum
}
