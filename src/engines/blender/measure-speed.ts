/**
 * How fast this machine renders, where the reference machine has 1: told by the calibration scene, which never changes.
 *
 * The reference machine renders a frame of it in 90 ms. That is eight cores of a server of 2023 (AMD EPYC): one of them
 * took 720 ms for it, Blender 3.4.1, one thread, on a machine that was otherwise idle. So a core of that kind has a speed of
 * one eighth, and a reference hour is about eight of its hours.
 */
import { fileURLToPath } from 'node:url'
import type { Machine } from '#host/machine.ts'
import type { TaskFiles } from '#host/task-files.ts'
import { MINUTE_MS } from '#kernel/time.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import type { TaskEngine, TaskSession } from '../task-engine.ts'

/** Of a frame of the calibration scene. */
export const REFERENCE_FRAME_MS = 90
/** Grows with every change of the scene or of what is taken of it: speeds that were kept before are measured anew. */
export const CALIBRATION = 1

export interface Calibration {
  /** Of Blender, name or path. */
  readonly program: string
  /** As it renders tasks here. */
  readonly engine: TaskEngine
  readonly device: string
  /** Threads that render; `null` where it is not the processor that does. */
  readonly cpuThreads: number | null
  /** For the scene and the pictures, while it is measured. */
  readonly folder: string
}

/** The first has what is done once in it; of the others the quickest counts. */
const FRAMES = 4
/** Beyond so many times its own work a frame took long for what else ran on the machine. */
const DISTURBED = 1.3
const SCENE = 'calibration.blend'
const script = fileURLToPath(new URL('./scripts/calibration.py', import.meta.url))

/** Rejects with a `Problem` where Blender does not render here. */
export async function measureSpeed(
  { program, engine, device, folder, cpuThreads }: Calibration,
  {
    machine,
    files,
  }: {
    readonly machine: Pick<Machine, 'run'>
    readonly files: Pick<TaskFiles, 'makeFolder' | 'removeFolder'>
  },
): Promise<number> {
  await files.removeFolder(folder)
  await files.makeFolder(`${folder}/out`)
  try {
    await makeScene(program, `${folder}/${SCENE}`, machine)
    const session = await engine.open({ root: folder, settings: { file: SCENE, device } })
    try {
      return REFERENCE_FRAME_MS / (await frameMsOf(session, `${folder}/out`, cpuThreads))
    } finally {
      await session.close()
    }
  } finally {
    await files.removeFolder(folder)
  }
}

async function makeScene(program: string, file: string, machine: Pick<Machine, 'run'>): Promise<void> {
  const options = ['--background', '--factory-startup', '-noaudio', '--python-exit-code', '9']
  const made = await machine.run(program, [...options, '--python', script, '--', file], {
    timeoutMs: MINUTE_MS,
  })
  if (typeof made !== 'string' && made.code === 0) return
  const tail = typeof made === 'string' ? made : `${made.stdout}${made.stderr}`.slice(-2_000)
  throw failureProblem(
    'node',
    'engine_failed',
    `Blender does not make the calibration scene here. Start ${program} by hand, and see what it says.`,
    { tail },
  )
}

async function frameMsOf(
  session: TaskSession,
  outFolder: string,
  cpuThreads: number | null,
): Promise<number> {
  const taken: number[] = []
  const never = new AbortController().signal
  for (let frame = 1; frame <= FRAMES; frame++) {
    const { wallMs, cpuMs } = await session.run(
      { params: { do: 'frame', frame }, outFolder },
      () => undefined,
      never,
    )
    const ownMs = cpuThreads === null ? wallMs : cpuMs / cpuThreads
    if (frame > 1) taken.push(Math.min(wallMs, Math.max(1, ownMs) * DISTURBED))
  }
  return Math.max(1, Math.min(...taken))
}
