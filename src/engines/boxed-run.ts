/**
 * One program, run to its end in a sandbox: what it used, the end of what it printed, and what ended it. A folder that it
 * fills, a limit of time and an abort end it with all that it started.
 */
import type { Clock, Timer } from '#host/host.ts'
import type { ProgramExit, ProgramLimits, Programs, RunningProgram } from '#host/programs.ts'
import type { TaskFiles } from '#host/task-files.ts'
import { Problem } from '#protocol/problem.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import { type Sandbox, sandboxArguments } from './sandbox.ts'

export interface BoxedRun {
  readonly box: Sandbox
  readonly command: readonly string[]
  readonly limits: ProgramLimits
  readonly timeMsMax: number
  /** Of all that it has on the disk while it runs, in its folder and in files that it unlinked. */
  readonly outBytesMax: number
  /** It gets descriptor 4 to write lines to; else it has the three that every program has. */
  readonly keepsLinePipe: boolean
  readonly signal: AbortSignal
  onLine?(line: string): void
  onOutput?(text: string): void
}

export interface BoxedPorts {
  readonly programs: Programs
  readonly files: Pick<TaskFiles, 'bytesBelow' | 'freeBytes'>
  readonly clock: Clock
}

export interface BoxedEnd {
  /** As a shell says it: 128 + n for a program that died of signal n. */
  readonly code: number
  /** What ended it from outside; `null` where it ended by itself. */
  readonly cause: 'memory' | 'processes' | 'time' | 'disk' | 'stranger' | null
  readonly wallMs: number
  /** Of all that it waited for. */
  readonly cpuMs: number
  readonly peakBytes: number
  readonly tail: string
}

const TAIL_CHARS_MAX = 4_000
const LOOK_MS = 500
const ENTRIES_MAX = 100_000
/** However somebody hides bytes: the disk is never filled to the last, which would harm all that runs here. */
const FREE_BYTES_MIN = 2 * 2 ** 30
const STARTED = 'shoal-started'

/** Tells that the box stands, runs the program, and tells what time it took. */
const wrapper = (closed: string): string =>
  `echo ${STARTED} >&4; "$@" ${closed}; code=$?; times >&4; exit $code`

/** Rejects with `Problem('cancelled')` on an abort, and with a failure of the node when there can be no box here. */
export async function runBoxed(run: BoxedRun, ports: BoxedPorts): Promise<BoxedEnd> {
  if (run.signal.aborted) throw cancelled()
  const boxed = new Boxed(run, ports)
  const cancel = (): void => boxed.end('abort')
  run.signal.addEventListener('abort', cancel, { once: true })
  try {
    return await boxed.whenOver()
  } finally {
    run.signal.removeEventListener('abort', cancel)
  }
}

type Cause = Exclude<BoxedEnd['cause'], null> | 'abort' | 'full'

class Boxed {
  readonly #run: BoxedRun
  readonly #ports: BoxedPorts
  readonly #running: RunningProgram
  readonly #over: PromiseWithResolvers<BoxedEnd> = Promise.withResolvers()
  readonly #startedAtMs: number
  readonly #limit: Timer
  #look: Timer
  #hasStarted = false
  #isOver = false
  #cause: Cause | null = null
  #tail = ''
  #peakBytes = 0
  #freeBytesAtFirst: number | null = null
  #seenCpuMs = 0
  #toldCpuMs = 0

  constructor(run: BoxedRun, ports: BoxedPorts) {
    this.#run = run
    this.#ports = ports
    this.#startedAtMs = ports.clock.elapsedMs()
    const closed = run.keepsLinePipe ? '3<&-' : '3<&- 4>&-'
    const boxed = ['/bin/sh', '-c', wrapper(closed), 'sh', ...run.command]
    this.#limit = ports.clock.after(run.timeMsMax, () => this.end('time'))
    this.#look = ports.clock.after(LOOK_MS, () => void this.#lookAround())
    this.#running = ports.programs.start(
      {
        program: 'bwrap',
        args: sandboxArguments(run.box, boxed),
        env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C.UTF-8' },
        limits: run.limits,
      },
      {
        onLine: (line) => this.#onLine(line),
        onOutput: (text) => this.#onOutput(text),
        onExit: (exit) => this.#onExit(exit),
      },
    )
  }

  whenOver(): Promise<BoxedEnd> {
    return this.#over.promise
  }

  end(cause: Cause): void {
    this.#cause ??= cause
    this.#running.kill()
  }

  #onLine(line: string): void {
    if (!this.#hasStarted) {
      this.#hasStarted = line === STARTED
      return
    }
    this.#toldCpuMs = readTimes(line) ?? this.#toldCpuMs
    this.#run.onLine?.(line)
  }

  #onOutput(text: string): void {
    this.#tail = (this.#tail + text).slice(-TAIL_CHARS_MAX)
    this.#run.onOutput?.(text)
  }

  async #lookAround(): Promise<void> {
    const { residentBytes, peakBytes, cpuMs, nameless } = this.#running.usage()
    this.#peakBytes = Math.max(this.#peakBytes, peakBytes, residentBytes)
    this.#seenCpuMs = Math.max(this.#seenCpuMs, cpuMs)
    const { from } = this.#run.box.writable
    const bytes = await this.#ports.files.bytesBelow(from, ENTRIES_MAX)
    const freeBytes = await this.#ports.files.freeBytes(from)
    if (this.#isOver) return
    if (bytes === null || bytes + nameless.diskBytes > this.#run.outBytesMax) return this.end('disk')
    if (this.#hasEmptied(freeBytes)) return this.end('full')
    this.#look = this.#ports.clock.after(LOOK_MS, () => void this.#lookAround())
  }

  /** Others write to the disk as well: it counts only where far more is gone than this program may take. */
  #hasEmptied(freeBytes: number | null): boolean {
    if (freeBytes === null) return false
    this.#freeBytesAtFirst ??= freeBytes
    return freeBytes < FREE_BYTES_MIN && this.#freeBytesAtFirst - freeBytes > this.#run.outBytesMax
  }

  #onExit({ code, signal, reason }: ProgramExit): void {
    this.#isOver = true
    this.#limit.cancel()
    this.#look.cancel()
    if (this.#cause === 'abort') return this.#over.reject(cancelled())
    if (this.#cause === 'full') return this.#over.reject(diskFull())
    if (!this.#hasStarted) return this.#over.reject(this.#noBox(reason))
    const limit = reason === 'memory' || reason === 'processes' ? reason : null
    this.#over.resolve({
      code: code ?? 137,
      cause: this.#cause ?? limit ?? (signal === null ? null : 'stranger'),
      wallMs: this.#ports.clock.elapsedMs() - this.#startedAtMs,
      cpuMs: Math.max(this.#toldCpuMs, this.#seenCpuMs),
      peakBytes: this.#peakBytes,
      tail: this.#tail,
    })
  }

  #noBox(reason: ProgramExit['reason']): Problem {
    const options = { tail: this.#tail }
    if (reason === 'missing') {
      const message =
        'There is no program bwrap here: install it (apt-get install --no-install-recommends bubblewrap) and start the node again.'
      return failureProblem('node', 'engine_missing', message, options)
    }
    const last = this.#tail.trim().split('\n').at(-1)?.trim() || 'bubblewrap said nothing'
    return failureProblem('node', 'engine_failed', `A sandbox cannot be made here: ${last}.`, options)
  }
}

const diskFull = (): Problem =>
  failureProblem(
    'infrastructure',
    'disk_full',
    "The node's disk was nearly full while the task ran: what ran was ended. Make room on it.",
  )

const cancelled = (): Problem => new Problem('cancelled', 'The task was cancelled.')

/** A line that `times` prints, `0m1.250000s 0m0.010000s`, in milliseconds together. */
function readTimes(line: string): number | null {
  const match = /^(\d+)m([\d.]+)s (\d+)m([\d.]+)s$/.exec(line)
  if (match === null) return null
  const [userMinutes = 0, user = 0, systemMinutes = 0, system = 0] = match.slice(1).map(Number)
  return (userMinutes + systemMinutes) * 60_000 + (user + system) * 1_000
}
