/**
 * What a render farm makes of its workers: a network and a second node of one thread each render the same frames as one bare
 * Blender that stays, with and without audits; beside it one Blender for each frame. The bare one is measured beside another as busy, for
 * two threads may share what a core has, before and after each pass, for a machine's pace changes: a pass is held against the mean. What it
 * takes alone is printed too. `--kill agent,stop,coordinator` loses one of them when half is done instead.
 *
 *     node bench/render-farm.ts [--json] [--frames 84] [--size 160] [--samples 24] [--scene diffuse]
 *         [--passes plain,audited,apart,people] [--kill agent,stop,coordinator] [--bare-ms 700]
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { blenderMissing, makeFolder, makeScene, type SceneKind } from '#engines/blender/test-blender.ts'
import { print, whole } from './parts/machine.ts'
import { type LossKind, type LossResult, loseOne, lossKinds, report } from './render-farm/losses.ts'
import {
  type BareFrames,
  type FarmPass,
  type PicturePass,
  renderApart,
  renderBare,
  renderForPeople,
  renderOnFarm,
  type Scene,
  WORKERS,
} from './render-farm/passes.ts'

const EFFICIENCY_MIN = { plain: 0.93, audited: 0.88 }
const DEAD_MS_MAX = 20
const IDEAL_TIMES_MAX = 1.05
const FIRST_PICTURE_MS_MAX = 15_000

interface Result {
  readonly frames: number
  readonly plain?: Measured
  readonly audited?: Measured
  /** Of one Blender for each frame. */
  readonly apart?: number
  readonly people?: PicturePass
  readonly losses: readonly LossResult[]
}

/** What the frames of a scene take in a bare Blender, all together. */
interface Bare {
  readonly bareMs: number
  /** What a frame takes beside another one, of what it takes alone; 1 where it was given. */
  readonly besideTimes: number
}

interface Measured extends FarmPass, Bare {}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      frames: { type: 'string', default: '84' },
      size: { type: 'string', default: '160' },
      samples: { type: 'string', default: '24' },
      scene: { type: 'string', default: 'diffuse' },
      passes: { type: 'string', default: 'plain,audited,apart,people' },
      kill: { type: 'string', default: '' },
      'bare-ms': { type: 'string' },
    },
  })
  const missing = blenderMissing()
  if (missing) console.log(`Not measured: ${missing}. Install with: npm run setup`)
  else {
    using folder = makeFolder()
    const [frames, size, samples] = [values.frames, values.size, values.samples].map(Number)
    const shape = { width: size ?? 0, height: size ?? 0, samples: samples ?? 0, frames: frames ?? 0 }
    const root = makeScene(join(folder.path, 'scene/scene.blend'), values.scene as SceneKind, shape)
    const result = await measure(
      { root, frames: shape.frames, folder: folder.path },
      {
        passes: values.passes.split(','),
        kill: values.kill === '' ? [] : values.kill.split(',').map(toKind),
        bareMs: values['bare-ms'] === undefined ? null : Number(values['bare-ms']),
      },
    )
    print(values.json, result, () => describe(result))
    for (const complaint of complaintsOf(result)) {
      console.error(complaint)
      process.exitCode = 1
    }
  }
}

function toKind(word: string): LossKind {
  const kind = lossKinds.find((known) => known === word)
  if (!kind) throw new Error(`There is no loss '${word}', only ${lossKinds.join(', ')}.`)
  return kind
}

async function measure(
  scene: Scene,
  { passes, kill, bareMs }: { passes: readonly string[]; kill: readonly LossKind[]; bareMs: number | null },
): Promise<Result> {
  const { frames } = scene
  // Given where it was measured before: for each frame.
  const given = bareMs === null ? null : { besideMs: Array<number>(frames).fill(bareMs), aloneMs: [] }
  let last = given ?? (await renderBare(scene))
  const around = async <T>(run: Promise<T>): Promise<{ result: T; bare: Bare }> => {
    const result = await run
    const [before, after] = [last, given ?? (await renderBare(scene))]
    last = after
    return { result, bare: meanOf(before, after) }
  }
  const pass = async (hasAuditor: boolean): Promise<Measured> => {
    const { result, bare } = await around(renderOnFarm(scene, { hasAuditor }))
    return { ...result, ...bare }
  }
  const losses: LossResult[] = []
  for (const kind of kill) {
    const { result, bare } = await around(loseOne(kind, scene))
    losses.push(report(result, bare))
  }
  if (kill.length > 0) return { frames, losses }
  return {
    frames,
    ...(passes.includes('plain') && { plain: await pass(false) }),
    ...(passes.includes('audited') && { audited: await pass(true) }),
    ...(passes.includes('people') && { people: await renderForPeople(scene) }),
    ...(passes.includes('apart') && { apart: await renderApart(scene, last.besideMs) }),
    losses,
  }
}

function meanOf(before: BareFrames, after: BareFrames): Bare {
  const [besideMs, aloneMs] = [
    [...before.besideMs, ...after.besideMs],
    [...before.aloneMs, ...after.aloneMs],
  ]
  const besideToo = [before, after].flatMap((bare) => bare.besideMs.slice(0, bare.aloneMs.length))
  return {
    bareMs: sum(besideMs) / 2,
    besideTimes: aloneMs.length === 0 ? 1 : sum(besideToo) / sum(aloneMs),
  }
}

function sum(times: readonly number[]): number {
  return times.reduce((total, one) => total + one, 0)
}

function efficiencyOf({ bareMs, wallMs }: Measured): number {
  return bareMs / (WORKERS * wallMs)
}

function complaintsOf(result: Result): string[] {
  const complaints: string[] = []
  for (const name of ['plain', 'audited'] as const) {
    const pass = result[name]
    if (pass === undefined) continue
    if (efficiencyOf(pass) < EFFICIENCY_MIN[name])
      complaints.push(`Expected an efficiency of ${EFFICIENCY_MIN[name]} (${name}).`)
    if (pass.deadMs.p95 > DEAD_MS_MAX)
      complaints.push(`Expected at most ${DEAD_MS_MAX} ms between frames (${name}).`)
  }
  const { people } = result
  if (people && people.firstPictureMs > FIRST_PICTURE_MS_MAX)
    complaints.push(`Expected the first picture within ${whole(FIRST_PICTURE_MS_MAX)} ms.`)
  if (people && people.frames !== result.frames)
    complaints.push(`Expected ${result.frames} frames, found ${people.frames}.`)
  for (const { kind, recoveryMs, recoveryMsMax, idealBareMs, wallMs, wrong } of result.losses) {
    if (recoveryMs > recoveryMsMax)
      complaints.push(`${kind}: expected a recovery within ${whole(recoveryMsMax)} ms.`)
    if (idealBareMs !== null && wallMs > IDEAL_TIMES_MAX * idealBareMs)
      complaints.push(`${kind}: expected at most ${IDEAL_TIMES_MAX} of the capacity ideal.`)
    if (wrong > 0) complaints.push(`${kind}: ${wrong} frames are missing, or there twice.`)
  }
  return complaints
}

function describe(result: Result): string[] {
  const { frames, plain, audited, apart, people, losses } = result
  const passes = Object.entries({ 'without audits': plain, 'with audits': audited }).flatMap(
    ([name, pass]) => (pass === undefined ? [] : describePass(name, pass, frames)),
  )
  return [
    ...passes,
    ...(apart === undefined ? [] : [`one Blender for each frame instead: efficiency ${apart.toFixed(3)}`]),
    ...(people === undefined ? [] : [describePeople(people)]),
    ...losses.map(describeLoss),
  ]
}

function describePass(name: string, pass: Measured, frames: number): string[] {
  const { bareMs, besideTimes, wallMs, renderMs, renderCpuMs, deadMs, checked, unverified, redispatched } =
    pass
  const [inRender, own] = [renderMs, renderCpuMs].map((ms) => (ms / (WORKERS * wallMs)).toFixed(3))
  return [
    `${name}: ${whole(wallMs)} ms on ${WORKERS} workers, efficiency ${efficiencyOf(pass).toFixed(3)} (${own} by what the workers' own Blenders took); in render ${inRender}`,
    `  ${frames} frames of ${whole(bareMs / frames)} ms in a bare Blender before and after, ${besideTimes.toFixed(2)} times what it takes alone`,
    `  ${checked} frames checked, ${unverified} unverified, ${redispatched} given again`,
    `  between frames ${deadMs.p50.toFixed(1)} ms in the median, ${deadMs.p95.toFixed(1)} ms at p95, ${deadMs.max.toFixed(1)} ms at most`,
  ]
}

function describePeople({ firstPictureMs, wallMs, frames, videoBytes }: PicturePass): string {
  return `shoal render, from the scene to the video: first picture after ${whole(firstPictureMs)} ms; ${frames} frames and ${whole(videoBytes)} bytes of video after ${whole(wallMs)} ms`
}

function describeLoss({
  kind,
  wallMs,
  recoveryMs,
  recoveryMsMax,
  idealMs,
  idealBareMs,
  frames,
  wrong,
}: LossResult): string {
  const ideal =
    idealMs === null || idealBareMs === null
      ? ''
      : `, ${(wallMs / idealBareMs).toFixed(3)} of the capacity ideal (${whole(idealBareMs)} ms; ${(wallMs / idealMs).toFixed(3)} by what the workers' own Blenders took)`
  const what = { agent: 'a worker killed', stop: 'a worker stopped', coordinator: 'the coordinator killed' }[
    kind
  ]
  return `${what} at half: ${frames - wrong} of ${frames} frames, each once; recovered after ${whole(recoveryMs)} ms (${whole(recoveryMsMax)} at most); ${whole(wallMs)} ms${ideal}`
}
