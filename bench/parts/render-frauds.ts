/** What a node could deliver instead of an honest frame, and what honest nodes deliver. */
import { join } from 'node:path'
import { makeScene, openEngine, openPicture, runTask, type SceneKind } from '#engines/blender/test-blender.ts'
import { cut, type Picture } from '#images/picture.ts'
import { detailOf } from '#verify/choose-crops.ts'

export interface Deliveries {
  readonly kind: SceneKind
  readonly reference: Picture
  /** CPU time of the reference. */
  readonly frameCpuMs: number
  readonly honest: ReadonlyMap<string, Picture>
  readonly frauds: ReadonlyMap<string, Picture>
  /** Crops rendered by themselves: the place, and what came of it. */
  readonly crops: readonly {
    readonly box: { x: number; y: number; width: number; height: number }
    readonly picture: Picture
  }[]
  readonly cropCpuMs: number
}

export interface DeliveryOptions {
  readonly folder: string
  readonly format: 'EXR' | 'PNG'
  readonly size: number
  readonly samples: number
  readonly side: number
}

const FRAME = 5

/** All but black frames and frames of other scenes, which are made of what others delivered. */
export async function renderDeliveries(kind: SceneKind, options: DeliveryOptions): Promise<Deliveries> {
  const { folder, format, size, samples } = options
  const root = makeScene(join(folder, kind, 'scene.blend'), kind, { width: size, height: size, samples })
  const settings = { file: 'scene.blend', format, depth: format === 'EXR' ? 32 : 8 }
  const place = { folder: join(folder, `${kind}-${format}`), root }
  const one = await renderAll(
    { ...place, settings },
    {
      ours: [
        { frame: FRAME },
        { frame: FRAME, samples: samples - 1 },
        { frame: FRAME, scale: 0.5 },
        { frame: FRAME + 1 },
        { frame: FRAME, seed: 99 },
      ],
      side: options.side,
    },
  )
  const [reference, fewer, half, next, seed] = one.pictures
  if (!reference || !fewer || !half || !next || !seed) throw new Error('a picture is missing')
  const frauds = new Map([
    ['wrong seed', seed],
    [`${samples - 1} of ${samples} samples`, fewer],
    ['half resolution', enlarge(half, size)],
    ['median filter', median(reference)],
    ['flat half', flatHalf(reference)],
    ["neighbour's frame", next],
    ['black frame', { ...reference, values: new Float32Array(reference.values.length) }],
  ])
  return {
    kind,
    reference,
    frameCpuMs: one.cpuMs,
    honest: await renderHonest({ ...place, settings }),
    frauds,
    crops: one.crops,
    cropCpuMs: one.cropCpuMs,
  }
}

async function renderHonest(place: Place): Promise<ReadonlyMap<string, Picture>> {
  const found = new Map<string, Picture>()
  const variants: readonly (readonly [string, Partial<Place>])[] = [
    ['2 threads', { threads: 2 }],
    ['without AVX2', { env: { CYCLES_CPU_NO_AVX2: '1' } }],
    ['without AVX', { env: { CYCLES_CPU_NO_AVX2: '1', CYCLES_CPU_NO_AVX: '1' } }],
  ]
  for (const [name, variant] of variants) {
    const { pictures } = await renderAll(
      { ...place, ...variant, name },
      { ours: [{ frame: FRAME }], side: 0 },
    )
    if (pictures[0]) found.set(name, pictures[0])
  }
  return found
}

interface Place {
  readonly folder: string
  readonly root: string
  readonly settings: Readonly<Record<string, unknown>>
  readonly threads?: number
  readonly env?: Readonly<Record<string, string>>
  readonly name?: string
}

async function renderAll(
  { folder, root, settings, threads = 1, env, name = 'one' }: Place,
  { ours, side }: { ours: readonly Readonly<Record<string, number>>[]; side: number },
) {
  const out = join(folder, name.replaceAll(/\W/g, '-'))
  const engine = openEngine({ scratchFolder: join(out, 'scratch'), threads, ...(env ? { env } : {}) })
  const session = await engine.open({ root, settings })
  try {
    const pictures: Picture[] = []
    let [cpuMs, cropCpuMs] = [0, 0]
    for (const [at, task] of ours.entries()) {
      const to = join(out, String(at))
      const output = await runTask(session, { do: 'frame', ...task }, to)
      if (at === 0) cpuMs = output.cpuMs
      pictures.push(openPicture(join(to, output.files[0]?.name ?? '')))
    }
    const [first] = pictures
    const boxes = side === 0 || !first ? [] : placesIn(first, side)
    const crops = []
    if (boxes.length > 0) {
      const text = boxes.map(({ x, y, width, height }) => [x, y, width, height].join()).join(';')
      const output = await runTask(session, { do: 'crops', frame: FRAME, crops: text }, out)
      cropCpuMs = output.cpuMs
      for (const [at, box] of boxes.entries())
        crops.push({ box, picture: openPicture(join(out, output.files[at]?.name ?? '')) })
    }
    return { pictures, cpuMs, crops, cropCpuMs }
  } finally {
    await session.close()
  }
}

/** Corners, edges and the middle: where borders go wrong, they go wrong here. */
function placesIn({ width, height }: Picture, side: number) {
  return [
    [0, 0],
    [width - side, height - side],
    [(width - side) >> 1, (height - side) >> 1],
  ].map(([x = 0, y = 0]) => ({ x, y, width: side, height: side }))
}

/** Bilinear, as a cheat would do it. */
function enlarge(picture: Picture, size: number): Picture {
  const { width, height, channels } = picture
  const values = new Float32Array(size * size * channels)
  const at = (x: number, y: number, channel: number): number =>
    picture.values[(Math.min(height - 1, y) * width + Math.min(width - 1, x)) * channels + channel] ?? 0
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      const [u, v] = [
        Math.max(0, ((x + 0.5) * width) / size - 0.5),
        Math.max(0, ((y + 0.5) * height) / size - 0.5),
      ]
      const [left, top] = [Math.floor(u), Math.floor(v)]
      const [right, down] = [u - left, v - top]
      for (let channel = 0; channel < channels; channel += 1) {
        values[(y * size + x) * channels + channel] =
          at(left, top, channel) * (1 - right) * (1 - down) +
          at(left + 1, top, channel) * right * (1 - down) +
          at(left, top + 1, channel) * (1 - right) * down +
          at(left + 1, top + 1, channel) * right * down
      }
    }
  }
  return { ...picture, width: size, height: size, values }
}

/** The busier half as it is, and the other of the mean colour of its rows: nothing draws a crop there that goes by detail. */
function flatHalf(picture: Picture): Picture {
  const { width, height, channels } = picture
  const half = width >> 1
  const detail = [0, half].map((x) => detailOf(cut(picture, { x, y: 0, width: half, height })))
  const from = (detail[0] ?? 0) > (detail[1] ?? 0) ? half : 0
  const values = picture.values.slice()
  for (let y = 0; y < height; y += 1) {
    for (let channel = 0; channel < Math.min(3, channels); channel += 1) {
      const at = (x: number): number => (y * width + from + x) * channels + channel
      let sum = 0
      for (let x = 0; x < half; x += 1) sum += values[at(x)] ?? 0
      for (let x = 0; x < half; x += 1) values[at(x)] = sum / half
    }
  }
  return { ...picture, values }
}

/** Of 3 x 3 pixels: what hides noise cheaply. */
function median(picture: Picture): Picture {
  const { width, height, channels } = picture
  const values = new Float32Array(picture.values.length)
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      for (let channel = 0; channel < channels; channel += 1) {
        const around: number[] = []
        for (let dy = -1; dy <= 1; dy += 1) {
          for (let dx = -1; dx <= 1; dx += 1) {
            const [u, v] = [
              Math.min(width - 1, Math.max(0, x + dx)),
              Math.min(height - 1, Math.max(0, y + dy)),
            ]
            around.push(picture.values[(v * width + u) * channels + channel] ?? 0)
          }
        }
        values[(y * width + x) * channels + channel] = around.toSorted((a, b) => a - b)[4] ?? 0
      }
    }
  }
  return { ...picture, values }
}
