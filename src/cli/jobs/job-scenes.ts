/** The scenes of a job file, looked through before anything is sent: what they read goes along, and what is missing is named. */
import type { NewStep } from '#protocol/job.ts'
import { Problem } from '#protocol/problem.ts'
import { memoryMibOf } from '../render/render-plan.ts'
import type { Session } from '../session.ts'
import { printable } from '../table.ts'
import type { JobTools, SceneReport } from './job-tools.ts'

export interface ScenesWanted {
  readonly session: Session
  readonly tools: Pick<JobTools, 'disk' | 'scenes'>
  /** The job's folder. */
  readonly root: string
  /** All of it is sent: a machine without Blender may do that, and see to it itself that nothing lacks. */
  readonly isWhole: boolean
  /** Name or path of Blender's program. */
  readonly blender: string
  readonly steps: readonly NewStep[]
}

interface LookedScene {
  readonly report: SceneReport
  /** In the inputs. */
  readonly sends: SceneReport['sends']
  readonly remap: Readonly<Record<string, string>>
}

export interface JobScenes {
  readonly sends: SceneReport['sends']
  /** The step with what its scene is known to need; what the job file says itself stands. */
  complete(step: NewStep, inputBytes: number): NewStep
}

/** Rejects with what a scene names and is not there, or lies where a job file has no place for it. */
export async function lookAtScenes(wanted: ScenesWanted): Promise<JobScenes> {
  const looked = new Map<string, LookedScene | null>()
  for (const step of wanted.steps) {
    const key = keyOf(step)
    if (key !== null && !looked.has(key)) looked.set(key, await lookAt(wanted, step))
  }
  return {
    sends: [...looked.values()].flatMap((scene) => scene?.sends ?? []),
    complete(step, inputBytes) {
      const found = looked.get(keyOf(step) ?? '')
      return found ? completed(step, found, inputBytes) : step
    },
  }
}

/** Of the look that a step needs; `null` where it renders no scene of the job's folder. */
function keyOf({ kind, settings }: NewStep): string | null {
  const { file, scene } = settings
  return kind === 'blender' && typeof file === 'string' ? JSON.stringify([file, scene]) : null
}

async function lookAt(wanted: ScenesWanted, step: NewStep): Promise<LookedScene | null> {
  const { session, root } = wanted
  const { context, style } = session
  const name = String(step.settings['file'])
  const say = (sort: string, message: string): void =>
    void context.stderr.write(`${sort} ${printable(`${name}: ${message}`)}\n`)
  const report = await inspect(wanted, step, name)
  if (report === null) {
    say(style('warning', 'warning:'), 'it was not looked through, as there is no Blender here.')
    return null
  }
  if (report.sandboxMissing !== null)
    say(style('dim', 'note:'), `opened without a sandbox: ${report.sandboxMissing}.`)
  for (const { code, message } of report.warnings)
    if (code !== 'script' || step.settings['allowScripts'] !== true)
      say(style('warning', 'warning:'), message)
  const [first, ...others] = report.errors
  for (const other of others) say(style('bad', 'missing:'), other)
  if (first !== undefined) throw new Problem('invalid_request', `${name}: ${first}`)
  return { report, ...placed(report, name, { root, remap: remapOf(step) }) }
}

async function inspect(
  { session, tools, root, isWhole, blender, steps }: ScenesWanted,
  step: NewStep,
  name: string,
): Promise<SceneReport | null> {
  const { scene } = step.settings
  const numbers = steps
    .filter((other) => keyOf(other) === keyOf(step))
    .flatMap(({ tasks }) => tasks.flatMap(({ frame }) => (typeof frame === 'number' ? [frame] : [])))
  const question = {
    file: tools.disk.absolute(`${root}/${name}`),
    blender,
    scene: typeof scene === 'string' ? scene : undefined,
    frames: numbers.length === 0 ? null : [...new Set(numbers)].toSorted((a, b) => a - b),
    signal: session.signal,
  }
  try {
    return await tools.scenes.inspect(question)
  } catch (error) {
    if (isWhole && error instanceof Problem && error.code === 'engine_missing') return null
    throw error
  }
}

/** What the scene reads, where it lies beside it in the inputs. The scene may be a link: then that is beside what it leads to. */
function placed(
  report: SceneReport,
  name: string,
  job: { readonly root: string; readonly remap: Readonly<Record<string, string>> },
): Omit<LookedScene, 'report'> {
  const { sends, file } = report
  const own = sends.find(({ to }) => to === file)?.from ?? ''
  const outside = own.split('/').slice(0, -1)
  const inside = name
    .split('/')
    .slice(0, -1)
    .filter((part) => part !== '.')
  while (inside.length > 0 && inside.at(-1) === outside.at(-1)) {
    inside.pop()
    outside.pop()
  }
  const folder = `${outside.join('/')}/`
  const to = inside.map((part) => `${part}/`).join('')
  const places = sends.flatMap(({ from }) => {
    if (from === own) return { from, to: name }
    if (from.startsWith(folder)) return { from, to: `${to}${from.slice(folder.length)}` }
    // The job file says itself where that lies in its folder.
    if (Object.keys(job.remap).some((known) => from.startsWith(known))) return []
    throw new Problem(
      'invalid_request',
      `${name} reads ${from}, which does not lie in the folder of the job (${job.root}): nodes would not have it. Put it there, pack it into the .blend, or let a job file that lies further up name the scene.`,
    )
  })
  return { sends: places, remap: sends.length < 2 ? {} : { [folder]: to } }
}

function remapOf({ settings: { remap } }: NewStep): Readonly<Record<string, string>> {
  return typeof remap === 'object' && remap !== null ? (remap as Record<string, string>) : {}
}

function completed(step: NewStep, { report, remap }: LookedScene, inputBytes: number): NewStep {
  const { facts } = report
  const { requirements, settings } = step
  const isOnGpu = typeof settings['device'] === 'string' && settings['device'] !== 'CPU'
  const { width, height } = facts
  return {
    ...step,
    settings: {
      // What its pictures are checked by. Scripts may change it.
      ...(settings['allowScripts'] !== true && { width, height }),
      ...settings,
      remap: { ...remap, ...remapOf(step) },
    },
    requirements: {
      memoryMib: requirements.memoryMib || memoryMibOf(facts, inputBytes),
      vramMib: requirements.vramMib || (isOnGpu ? memoryMibOf(facts, 0) : 0),
    },
  }
}
