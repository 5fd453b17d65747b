/**
 * Frames that cheats deliver and frames of honest nodes, held against crops: how many of each are refused, and what it costs.
 * Crops are cut from frames that were rendered once; that a crop rendered by itself is the same is checked too.
 *
 *     node bench/render-fraud.ts [--json] [--size 128] [--samples 32] [--draws 2000] [--formats EXR,PNG] [--scenes diffuse,…]
 */
import { createHash } from 'node:crypto'
import { parseArgs } from 'node:util'
import { blenderMissing, makeFolder, type SceneKind, sceneKinds } from '#engines/blender/test-blender.ts'
import { cut, type Picture } from '#images/picture.ts'
import { CROP_PLAN, chooseCrops } from '#verify/choose-crops.ts'
import { compareCrops } from '#verify/compare-crops.ts'
import { print } from './parts/machine.ts'
import { type Deliveries, renderDeliveries } from './parts/render-frauds.ts'

const CAUGHT_MIN = 0.99
const NEIGHBOUR_MIN = 0.98
/** Who leaves half of a frame saves half of its work: so it is enough to be caught half as often. */
const HALF_MIN = 0.5 * CAUGHT_MIN
const SIDE = 15
/** Of all frames of a node that has proved itself. */
const AUDIT_FLOOR = 0.02

interface Row {
  readonly format: string
  readonly scene: string
  readonly delivered: string
  readonly isHonest: boolean
  readonly draws: number
  readonly refused: number
}

interface Result {
  readonly rows: readonly Row[]
  /** Largest relative difference between a crop rendered by itself and the frame. */
  readonly crops: readonly { format: string; scene: string; worstRelative: number; isOff: boolean }[]
  /** CPU time of the crops of one audit as a share of the frame's, at the floor of audits. */
  readonly costShare: number
  readonly honestDraws: number
  readonly honestRefused: number
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      size: { type: 'string', default: '128' },
      samples: { type: 'string', default: '32' },
      draws: { type: 'string', default: '2000' },
      formats: { type: 'string', default: 'EXR,PNG' },
      scenes: { type: 'string', default: sceneKinds.join() },
    },
  })
  const missing = blenderMissing()
  if (missing) console.log(`Not measured: ${missing}. Install with: npm run setup`)
  else {
    const result = await measure({
      size: Number(values.size),
      samples: Number(values.samples),
      draws: Number(values.draws),
      formats: values.formats.split(',') as ('EXR' | 'PNG')[],
      scenes: values.scenes.split(',') as SceneKind[],
    })
    print(values.json, result, () => describe(result))
    const failures = failuresOf(result)
    for (const failure of failures) console.error(failure)
    if (failures.length > 0) process.exitCode = 1
  }
}

interface Options {
  readonly size: number
  readonly samples: number
  readonly draws: number
  readonly formats: readonly ('EXR' | 'PNG')[]
  readonly scenes: readonly SceneKind[]
}

async function measure({ size, samples, draws, formats, scenes }: Options): Promise<Result> {
  using folder = makeFolder()
  const rows: Row[] = []
  const crops: Result['crops'][number][] = []
  const costs: number[] = []
  for (const format of formats) {
    const all: Deliveries[] = []
    for (const kind of scenes)
      all.push(await renderDeliveries(kind, { folder: folder.path, format, size, samples, side: SIDE }))
    for (const [at, one] of all.entries()) {
      const other = all[(at + 1) % all.length]
      const frauds = new Map(one.frauds)
      if (other && other !== one) frauds.set('other scene', other.reference)
      const tried = (picture: Picture, delivered: string, isHonest: boolean): Row => {
        const refused = countRefused(picture, one.reference, { draws, name: delivered })
        return { format, scene: one.kind, delivered, isHonest, draws, refused }
      }
      rows.push(...[...one.honest].map(([name, picture]) => tried(picture, name, true)))
      rows.push(...[...frauds].map(([name, picture]) => tried(picture, name, false)))
      for (const { box, picture } of one.crops) {
        const { worstRelative, isOff } = compareCrops(cut(one.reference, box), picture)
        crops.push({ format, scene: one.kind, worstRelative, isOff })
      }
      costs.push(((one.cropCpuMs / one.crops.length) * CROP_PLAN.count * AUDIT_FLOOR) / one.frameCpuMs)
    }
  }
  const honest = rows.filter((row) => row.isHonest)
  const sum = (of: (row: Row) => number) => honest.reduce((total, row) => total + of(row), 0)
  return {
    rows,
    crops,
    costShare: Math.max(...costs),
    honestDraws: sum((row) => row.draws),
    honestRefused: sum((row) => row.refused),
  }
}

/** How often crops at places that the maker could not know are enough to refuse `delivered`. */
function countRefused(
  delivered: Picture,
  reference: Picture,
  { draws, name }: { draws: number; name: string },
): number {
  let refused = 0
  for (let draw = 0; draw < draws; draw += 1) {
    const secret = createHash('sha256').update(`${name} ${draw}`).digest()
    const boxes = chooseCrops(delivered, secret)
    if (boxes.some((box) => compareCrops(cut(delivered, box), cut(reference, box)).isOff)) refused += 1
  }
  return refused
}

function failuresOf(result: Result): string[] {
  const missed = result.rows
    .filter((row) => !row.isHonest)
    .filter(({ delivered, refused, draws }) => {
      if (delivered === 'flat half') return refused < HALF_MIN * draws
      const least = delivered === "neighbour's frame" ? NEIGHBOUR_MIN : CAUGHT_MIN
      return refused < least * draws
    })
    .map(
      (row) =>
        `${row.format} ${row.scene}: ${row.delivered} was caught ${row.refused} times of ${row.draws}.`,
    )
  const rejected = result.rows
    .filter((row) => row.isHonest && row.refused > 0)
    .map(
      (row) =>
        `${row.format} ${row.scene}: an honest node (${row.delivered}) was refused ${row.refused} times.`,
    )
  const crops = result.crops
    .filter((crop) => crop.isOff)
    .map((crop) => `${crop.format} ${crop.scene}: a crop rendered by itself differs from the frame.`)
  const cost = result.costShare > 0.01 ? [`Crops cost ${percent(result.costShare)} of the rendering.`] : []
  return [...missed, ...rejected, ...crops, ...cost]
}

function describe(result: Result): string[] {
  const worst = Math.max(...result.crops.map((crop) => crop.worstRelative))
  return [
    `refused by ${CROP_PLAN.count} crops of 15 x 15 pixels at secret places:`,
    ...result.rows.map(
      (row) =>
        `  ${row.format} ${row.scene.padEnd(9)} ${row.isHonest ? 'honest' : 'fraud '} ${row.delivered.padEnd(20)} ${percent(row.refused / row.draws)}`,
    ),
    '',
    `honest frames refused: ${result.honestRefused} of ${result.honestDraws} draws`,
    `a crop rendered by itself differs from the frame by ${worst.toExponential(1)} at most`,
    `${CROP_PLAN.count} crops of 2 % of the frames cost ${percent(result.costShare)} of the rendering, in the dearest scene`,
  ]
}

function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`
}
