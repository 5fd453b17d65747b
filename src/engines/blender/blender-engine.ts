/**
 * Renders with Blender: a step is a scene, a task is a frame of it or a part of one. Each session is a Blender that
 * stays, in a sandbox of its own. See `sandbox.ts` for what a scene cannot do and `blender-session.ts` for how it lives.
 */
import { fileURLToPath } from 'node:url'
import type { Clock, Log, Secrets } from '#host/host.ts'
import type { Machine } from '#host/machine.ts'
import type { Programs } from '#host/programs.ts'
import type { TaskFiles } from '#host/task-files.ts'
import type { Inflate } from '#images/picture.ts'
import { MINUTE_MS, SECOND_MS } from '#kernel/time.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import { readSettings } from '../step-settings.ts'
import type { SessionInput, TaskEngine, TaskSession } from '../task-engine.ts'
import { HEADER_BYTES, parseBlenderVersion, readBlendHeader, whyUnreadable } from './blend-header.ts'
import { BlenderSettings } from './blender-messages.ts'
import { BlenderSession, type SessionPlaces } from './blender-session.ts'
import { createKillBook } from './kill-book.ts'
import { boxArguments, inBox } from './sandbox.ts'

export interface BlenderOptions {
  /** Name or path of Blender's program. */
  readonly program: string
  /** What it consists of, where the sandbox does not show it: inside, they lie where they lie outside. */
  readonly programFiles?: readonly string[]
  /** `none` only for scenes that are one's own: then a scene can do what this user can. */
  readonly sandbox: 'bubblewrap' | 'none'
  /** Sessions put what they write here until it is collected. */
  readonly scratchFolder: string
  /** `null`: as many as there are cores. */
  readonly threads: number | null
  readonly memoryBytesMax: number | null
  /** The owner lets scripts in scenes run, in the sandbox, where the job asks for it. */
  readonly allowsScripts: boolean
  /** The most that one task may take. */
  readonly taskMsMax?: number
  readonly silenceMsMax?: number
  /** For a look at one's own scene: inside, it lies where it lies outside, and so do these folders. */
  readonly inPlace?: { readonly alsoSees: readonly string[] }
}

export interface BlenderPorts {
  readonly programs: Programs
  readonly files: TaskFiles
  readonly inflate: Inflate
  readonly machine: Pick<Machine, 'run'>
  readonly clock: Clock
  readonly log: Log
  readonly secrets: Pick<Secrets, 'randomBytes'>
}

const TASK_MS_MAX = 60 * MINUTE_MS
const SILENCE_MS_MAX = 10 * MINUTE_MS
const START_MS_MAX = 60 * SECOND_MS
const LOAD_MS_MAX = 10 * MINUTE_MS
/** Threads count: Blender and its libraries have a few for each that renders. */
const PROCESSES_SPARE = 128
const PROCESSES_PER_THREAD = 8
const THREADS_UNKNOWN = 128
/** It counts as memory. Drivers of GPUs keep the programs there that they compile. */
const SCRATCH_BYTES = { cpu: 128 * 2 ** 20, gpu: 2 ** 30 }
const FILE_BYTES_MAX = 2 ** 30
const OUT_BYTES_MAX = 4 * 2 ** 30

const scripts = fileURLToPath(new URL('./scripts', import.meta.url))

export function createBlenderEngine(options: BlenderOptions, ports: BlenderPorts): TaskEngine {
  // Sessions come and go with what is rendered.
  const kills = createKillBook()
  const open = async (input: SessionInput): Promise<TaskSession> => {
    const settings = readSettings(BlenderSettings, input)
    await checkFile(input.root, settings, { options, ports })
    const places = await makePlaces(input.root, { options, ports })
    const session = new BlenderSession(
      {
        settings,
        places,
        command: commandFor(input.root, places, { settings, options }),
        limits: {
          startMsMax: START_MS_MAX,
          loadMsMax: LOAD_MS_MAX,
          taskMsMax: options.taskMsMax ?? TASK_MS_MAX,
          silenceMsMax: options.silenceMsMax ?? SILENCE_MS_MAX,
        },
        threads: options.threads,
        runsScripts: settings.allowScripts && options.allowsScripts,
        outBytesMax: OUT_BYTES_MAX,
      },
      { ...ports, kills },
    )
    try {
      await session.warmUp()
      return session
    } catch (error) {
      await session.close()
      throw error
    }
  }
  return { kind: 'blender', open }
}

interface Surroundings {
  readonly options: BlenderOptions
  readonly ports: BlenderPorts
}

/** What can be told without opening the scene: that Blender is here, and that it can read that file. */
async function checkFile(
  root: string,
  { file, allowScripts }: BlenderSettings,
  { options, ports }: Surroundings,
): Promise<void> {
  const said = await ports.machine.run(options.program, ['--version'], { timeoutMs: START_MS_MAX })
  const version = typeof said === 'string' ? null : parseBlenderVersion(said.stdout)
  if (version === null) {
    const message = `There is no Blender here that '${options.program}' would start: install it (apt-get install --no-install-recommends blender) and start the node again.`
    throw failureProblem('node', 'engine_missing', message)
  }
  const head = await ports.files.readHead(`${root}/${file}`, HEADER_BYTES)
  if (head === null)
    throw failureProblem('task', 'invalid_request', `There is no file ${file} among the step's inputs.`)
  const reason = whyUnreadable(readBlendHeader(head), { file, version })
  if (reason !== null) throw failureProblem('task', 'invalid_request', reason)
  if (allowScripts && !options.allowsScripts) {
    const message =
      'The job wants scripts of the scene to run, and this node runs none: its owner allows them with --job-commands.'
    throw failureProblem('node', 'not_supported', message)
  }
}

async function makePlaces(root: string, { options, ports }: Surroundings): Promise<SessionPlaces> {
  const name = Buffer.from(ports.secrets.randomBytes(8)).toString('hex')
  const scratchFolder = `${options.scratchFolder}/session-${name}`
  const outFolder = `${scratchFolder}/out`
  await ports.files.makeFolder(outFolder)
  const isBoxed = options.sandbox === 'bubblewrap'
  return {
    root,
    scratchFolder,
    outFolder,
    sceneInside: isBoxed && options.inPlace === undefined ? inBox.scene : root,
    outInside: isBoxed ? inBox.out : outFolder,
  }
}

function commandFor(
  root: string,
  places: SessionPlaces,
  { settings, options }: { settings: BlenderSettings; options: BlenderOptions },
) {
  const isBoxed = options.sandbox === 'bubblewrap'
  const script = `${isBoxed ? inBox.scripts : scripts}/worker.py`
  const runsScripts = settings.allowScripts && options.allowsScripts
  const blender = [
    options.program,
    ...['--background', '--factory-startup', runsScripts ? '--enable-autoexec' : '--disable-autoexec'],
    ...['-noaudio', '--threads', String(options.threads ?? 0), '--python', script],
  ]
  const processesMax = PROCESSES_SPARE + PROCESSES_PER_THREAD * (options.threads ?? THREADS_UNKNOWN)
  const box = {
    sceneFolder: root,
    sceneInside: places.sceneInside,
    alsoSees: [...(options.inPlace?.alsoSees ?? []), ...(options.programFiles ?? [])],
    scriptsFolder: scripts,
    outFolder: places.outFolder,
    usesGpu: settings.device !== 'CPU',
    scratchBytes: settings.device === 'CPU' ? SCRATCH_BYTES.cpu : SCRATCH_BYTES.gpu,
    processesMax,
  }
  const [program = '', ...args] = isBoxed ? ['bwrap', ...boxArguments(box, blender)] : blender
  return {
    program,
    args,
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: places.scratchFolder,
      LANG: 'C.UTF-8',
    },
    limits: {
      memoryBytes: options.memoryBytesMax,
      processes: processesMax,
      fileBytes: FILE_BYTES_MAX,
    },
  }
}
