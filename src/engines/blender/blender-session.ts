/**
 * A scene, loaded in a Blender that stays: each task costs its own frame alone. That Blender is replaced when it has
 * grown, after 200 tasks, after any failure and when a task is cancelled; the next one starts at once, so that it is
 * warm when it is needed. Where a scene simulates what is not baked, it is replaced after each picture: the next follows
 * from the scene alone, on whatever node.
 */
import type { Log } from '#host/host.ts'
import type { ProgramCommand } from '#host/programs.ts'
import type { TaskFiles } from '#host/task-files.ts'
import type { Inflate } from '#images/picture.ts'
import { Problem } from '#protocol/problem.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import type { TaskInput, TaskOutput, TaskSession } from '../task-engine.ts'
import { type BlenderSettings, BlenderTask, Loaded } from './blender-messages.ts'
import { BlenderProcess, type ProcessLimits, type ProcessPorts } from './blender-process.ts'
import type { KillBook } from './kill-book.ts'
import { readProgress } from './progress.ts'
import { runTask } from './run-task.ts'

export interface SessionPlaces {
  /** Where the script in Blender finds the scene's folder, and where it writes. */
  readonly sceneInside: string
  readonly outInside: string
  /** Where those folders are for us. */
  readonly root: string
  readonly outFolder: string
  /** Removed when the session closes. */
  readonly scratchFolder: string
}

export interface SessionOptions {
  readonly command: ProgramCommand
  readonly settings: BlenderSettings
  readonly places: SessionPlaces
  readonly limits: ProcessLimits & { readonly loadMsMax: number; readonly taskMsMax: number }
  readonly threads: number | null
  readonly runsScripts: boolean
  /** All that tasks have written and not handed over. */
  readonly outBytesMax: number
}

export interface SessionPorts extends ProcessPorts {
  readonly files: TaskFiles
  readonly inflate: Inflate
  readonly log: Log
  readonly kills: KillBook
}

const TASKS_MAX = 200
const GROWTH_MAX = 1.3
/** What a Blender may grow by in any case: the allocator's own coming and going. */
const GROWTH_BYTES = 64 * 2 ** 20
const OUT_LOOK_MS = 1_000
const OUT_ENTRIES_MAX = 10_000

interface Warm {
  readonly blender: BlenderProcess
  readonly loaded: Loaded
  readonly version: string
}

interface WorkOptions {
  readonly task: TaskInput
  readonly onProgress: (fraction: number) => void
  readonly signal: AbortSignal
}

export class BlenderSession implements TaskSession {
  readonly #options: SessionOptions
  readonly #ports: SessionPorts
  #warm: Promise<Warm> | null = null
  #blender: BlenderProcess | null = null
  /** Those that were replaced, until they are gone. */
  #leaving: Promise<unknown> = Promise.resolve()
  #firstPeakBytes: number | null = null
  #tasks = 0
  #hasHistory = false
  #isClosed = false

  constructor(options: SessionOptions, ports: SessionPorts) {
    this.#options = options
    this.#ports = ports
  }

  /** Starts Blender and loads the scene. Rejects with the failure when that cannot be done here. */
  async warmUp(): Promise<void> {
    const { kills } = this.#ports
    await this.#warmed().catch((error: unknown) => {
      throw kills.judge(JSON.stringify(this.#options.settings), error)
    })
  }

  async run(
    task: TaskInput,
    onProgress: (fraction: number) => void,
    signal: AbortSignal,
  ): Promise<TaskOutput> {
    const parsed = BlenderTask.safeParse(task.params)
    if (!parsed.success) {
      const issue = parsed.error.issues[0]
      const message = `The task's ${issue?.path.join('.') || 'params'}: ${issue?.message ?? 'cannot be read'}.`
      throw failureProblem('task', 'invalid_request', message)
    }
    const cancelled = new Problem('cancelled', 'The task was cancelled.')
    const cancel = (): void => this.#blender?.kill(cancelled)
    if (signal.aborted) throw cancelled
    signal.addEventListener('abort', cancel, { once: true })
    try {
      const warm = await this.#warmed()
      if (signal.aborted) throw cancelled
      return await this.#work(warm, parsed.data, { task, onProgress, signal })
    } catch (error) {
      this.#replace('failure')
      if (signal.aborted) throw cancelled
      const one = JSON.stringify([this.#options.settings, parsed.data])
      throw this.#ports.kills.judge(one, error)
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#warm = null
    const blender = this.#blender
    blender?.kill(new Problem('cancelled', 'The session was closed.'))
    // What is removed must be nobody's any more: who still writes there could have it lead elsewhere.
    await Promise.all([blender?.gone(), this.#leaving])
    await this.#ports.files.removeFolder(this.#options.places.scratchFolder)
  }

  async #work(
    warm: Warm,
    params: BlenderTask,
    { task, onProgress, signal }: WorkOptions,
  ): Promise<TaskOutput> {
    const { settings, places, limits, command } = this.#options
    const progress = readProgress(onProgress)
    // By our own clock: scripts of a scene run beside the one that answers, and could set its.
    const startedAtMs = this.#ports.clock.elapsedMs()
    const output = await runTask(params, {
      settings,
      places,
      files: this.#ports.files,
      inflate: this.#ports.inflate,
      toFolder: task.outFolder,
      fileBytesMax: command.limits.fileBytes ?? Number.MAX_SAFE_INTEGER,
      memoryBytesMax: command.limits.memoryBytes ?? null,
      goOn: () => {
        if (signal.aborted) throw new Problem('cancelled', 'The task was cancelled.')
        if (this.#ports.clock.elapsedMs() - startedAtMs > limits.taskMsMax)
          throw failureProblem('node', 'engine_failed', tooLong(limits.taskMsMax))
      },
      ask: (command, what) =>
        warm.blender.ask(command, { what, timeoutMs: limits.taskMsMax, onOutput: progress }),
    })
    const usage = warm.blender.usage()
    const isPicture = params.do !== 'inspect' && params.do !== 'merge'
    if (this.#hasHistory && isPicture) this.#replace('history')
    else this.#recycle(usage)
    const { device } = warm.loaded
    return {
      ...output,
      wallMs: this.#ports.clock.elapsedMs() - startedAtMs,
      peakBytes: usage.peakBytes,
      notes: {
        ...output.notes,
        device: [device.type, ...device.names].join(' '),
        blenderVersion: warm.version,
      },
    }
  }

  #recycle({ residentBytes, peakBytes }: { residentBytes: number; peakBytes: number }): void {
    this.#tasks += 1
    this.#firstPeakBytes ??= peakBytes
    if (residentBytes > this.#firstPeakBytes * GROWTH_MAX + GROWTH_BYTES) this.#replace('growth')
    else if (this.#tasks >= TASKS_MAX) this.#replace('age')
  }

  /** Ends this Blender and has the next one get ready. */
  #replace(reason: 'failure' | 'growth' | 'age' | 'history'): void {
    if (this.#blender === null) return
    this.#ports.log.info('blender.replaced', { reason, tasks: this.#tasks, pid: this.#blender.pid })
    this.#blender.kill(new Problem('cancelled', `Blender was replaced (${reason}).`))
    this.#leaving = Promise.all([this.#leaving, this.#blender.gone()])
    // What a simulation wrote there, the next would read.
    if (this.#hasHistory) this.#leaving = this.#leaving.then(() => this.#emptyOut())
    this.#blender = null
    this.#warm = null
    // After a failure it may fail again: then the next task hears of it, and is the one to try anew.
    if (!this.#isClosed) this.#warmed().catch(() => undefined)
  }

  #warmed(): Promise<Warm> {
    if (this.#isClosed) return Promise.reject(new Problem('cancelled', 'The session was closed.'))
    this.#warm ??= this.#start().catch((error: unknown) => {
      this.#warm = null
      this.#blender = null
      throw error
    })
    return this.#warm
  }

  async #start(): Promise<Warm> {
    const { settings, places, limits, command } = this.#options
    if (this.#hasHistory) await this.#leaving
    if (this.#isClosed) throw new Problem('cancelled', 'The session was closed.')
    const blender = new BlenderProcess(command, this.#ports, limits)
    this.#blender = blender
    this.#firstPeakBytes = null
    this.#tasks = 0
    void blender.gone().then(this.#watchOut(blender))
    const { version } = await blender.ready()
    const load = {
      do: 'load',
      file: `${places.sceneInside}/${settings.file}`,
      scene: settings.scene ?? null,
      device: settings.device,
      threads: this.#options.threads,
      runsScripts: this.#options.runsScripts,
      remap: Object.fromEntries(
        Object.entries(settings.remap).map(([from, to]) => [from, `${places.sceneInside}/${to}`]),
      ),
    }
    try {
      const answer = await blender.ask(load, { what: settings.file, timeoutMs: limits.loadMsMax })
      const loaded = Loaded.parse(answer)
      this.#hasHistory = loaded.hasHistory
      return { blender, loaded, version }
    } catch (error) {
      blender.kill(new Problem('cancelled', 'The scene was not loaded.'))
      await blender.gone()
      throw error
    }
  }

  async #emptyOut(): Promise<void> {
    const { files } = this.#ports
    await files.removeFolder(this.#options.places.outFolder)
    // Without it, the next Blender does not start, and says so.
    await files.makeFolder(this.#options.places.outFolder).catch(() => undefined)
  }

  /** Ends a scene that fills the disk, whenever that is: its scripts run while it loads, and while nothing is asked of it. */
  #watchOut(blender: BlenderProcess): () => void {
    const { places, outBytesMax } = this.#options
    const { clock, files } = this.#ports
    let isOver = false
    const look = async (): Promise<void> => {
      const bytes = await files.bytesBelow(places.outFolder, OUT_ENTRIES_MAX)
      if (isOver) return
      const total = bytes === null ? null : bytes + blender.usage().nameless.diskBytes
      if (total !== null && total <= outBytesMax) timer = clock.after(OUT_LOOK_MS, () => void look())
      else blender.kill(failureProblem('task', 'disk_full', tooMuch(outBytesMax)))
    }
    let timer = clock.after(OUT_LOOK_MS, () => void look())
    return () => {
      isOver = true
      timer.cancel()
    }
  }
}

const tooLong = (ms: number): string =>
  `Merging the parts took longer than ${Math.round(ms / 1_000)} s, the most that a task may take here.`

const tooMuch = (bytes: number): string =>
  `The scene wrote more than ${Math.round(bytes / 2 ** 20)} MiB beside its pictures, and was ended.`
