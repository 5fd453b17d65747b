/**
 * Runs a program of the job's own in a sandbox: its inputs read-only, an empty folder to work in, no network, limits on
 * memory, processes, files and time. An owner who offers this lets strangers run code on the machine: it is opt-in.
 */
import type { Clock, Secrets } from '#host/host.ts'
import type { Programs } from '#host/programs.ts'
import type { TaskFiles } from '#host/task-files.ts'
import { HOUR_MS } from '#kernel/time.ts'
import { type BoxedEnd, runBoxed } from '../boxed-run.ts'
import { readSettings } from '../step-settings.ts'
import type { SessionInput, TaskEngine, TaskInput, TaskOutput, TaskSession } from '../task-engine.ts'
import { CommandSettings } from './command-settings.ts'
import { explainEnd } from './explain-end.ts'
import { inBox, type PreparedTask, prepareTask } from './prepare-task.ts'
import { readStatusLines } from './status-lines.ts'
import { takeOutputs } from './take-outputs.ts'

export interface CommandOptions {
  /** Sessions put what they write here until it is collected. */
  readonly scratchFolder: string
  readonly memoryBytesMax: number | null
  /** The most that one task may take here, whatever it says itself. */
  readonly taskMsMax?: number
  /** Of all that a task leaves in its folder. */
  readonly outBytesMax?: number
}

export interface CommandPorts {
  readonly programs: Programs
  readonly files: TaskFiles
  readonly clock: Clock
  readonly secrets: Pick<Secrets, 'randomBytes'>
}

/** Of a task that says no limit of its own. */
const TASK_MS_MAX = HOUR_MS

/** The coordinator waits as long: what a step says itself is no fault of its node. */
export const taskLimitMs = (ownMs: number | undefined, hereMsMax: number | undefined): number =>
  Math.min(ownMs ?? TASK_MS_MAX, hereMsMax ?? Number.MAX_SAFE_INTEGER)

const OUT_BYTES_MAX = 4 * 2 ** 30
/** Threads count. */
export const PROCESSES_MAX = 256
/** It counts as memory. */
const SCRATCH_BYTES = 256 * 2 ** 20

export const createCommandEngine = (options: CommandOptions, ports: CommandPorts): TaskEngine => ({
  kind: 'command',
  async open({ root, settings }: SessionInput): Promise<TaskSession> {
    const read = readSettings(CommandSettings, { settings })
    const name = Buffer.from(ports.secrets.randomBytes(8)).toString('hex')
    const folder = `${options.scratchFolder}/session-${name}`
    const place: Place = { root, folder, settings: read, options, ports }
    await ports.files.makeFolder(folder)
    return {
      run: (task, onProgress, signal) => runTask(place, { task, onProgress, signal }),
      close: () => ports.files.removeFolder(folder),
    }
  },
})

interface Place {
  readonly root: string
  readonly folder: string
  readonly settings: CommandSettings
  readonly options: CommandOptions
  readonly ports: CommandPorts
}

interface Run {
  readonly task: TaskInput
  readonly onProgress: (fraction: number) => void
  readonly signal: AbortSignal
}

async function runTask(place: Place, { task, onProgress, signal }: Run): Promise<TaskOutput> {
  const { settings, folder, options, ports } = place
  const prepared = prepareTask(settings, task.params)
  const own = { work: `${folder}/work`, files: `${folder}/files` }
  try {
    await ports.files.makeFolder(own.work)
    await ports.files.makeFolder(own.files)
    for (const { name, text, isRunnable } of prepared.files)
      await ports.files.writeNew(`${own.files}/${name}`, Buffer.from(text), { isRunnable })
    const lines = readStatusLines(onProgress)
    const end = await start(place, { prepared, own, signal, onOutput: (text) => lines.read(text) })
    lines.end()
    const problem = explainEnd(end, {
      program: prepared.command[0] ?? '',
      failure: lines.failure,
      timeoutMs: settings.timeoutMs ?? null,
      memoryBytesMax: options.memoryBytesMax,
    })
    if (problem !== null) throw problem
    const files = await takeOutputs(settings.outputs, {
      from: own.work,
      to: task.outFolder,
      files: ports.files,
    })
    const { wallMs, cpuMs, peakBytes, tail } = end
    return { files, wallMs, cpuMs, peakBytes, notes: { status: lines.status, tail } }
  } finally {
    for (const one of Object.values(own)) await ports.files.removeFolder(one)
  }
}

interface Start {
  readonly prepared: PreparedTask
  readonly own: { readonly work: string; readonly files: string }
  readonly signal: AbortSignal
  readonly onOutput: (text: string) => void
}

function start(
  { root, settings, options, ports }: Place,
  { prepared, own, signal, onOutput }: Start,
): Promise<BoxedEnd> {
  const outBytesMax = options.outBytesMax ?? OUT_BYTES_MAX
  const run = {
    box: {
      readOnly: [
        { from: root, to: inBox.inputs },
        { from: own.files, to: inBox.files },
      ],
      writable: { from: own.work, to: inBox.work },
      usesGpu: false,
      scratchBytes: SCRATCH_BYTES,
      processesMax: PROCESSES_MAX,
      env: prepared.env,
    },
    command: prepared.command,
    limits: { memoryBytes: options.memoryBytesMax, processes: PROCESSES_MAX, fileBytes: outBytesMax },
    timeMsMax: taskLimitMs(settings.timeoutMs, options.taskMsMax),
    outBytesMax,
    keepsLinePipe: false,
    signal,
    onOutput,
  }
  return runBoxed(run, ports)
}
