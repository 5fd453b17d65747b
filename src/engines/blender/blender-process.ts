/**
 * One Blender that stays, driven over two pipes. It answers commands one at a time; whatever ends it (a crash, a limit,
 * `kill`) ends the command under way with a `Problem` that says whose fault it was.
 */
import type { Clock, Timer } from '#host/host.ts'
import type { ProgramCommand, ProgramExit, Programs, ProgramUsage, RunningProgram } from '#host/programs.ts'
import { Problem } from '#protocol/problem.ts'
import { failureProblem } from '#protocol/task-failure.ts'
import { Answer, Ready } from './blender-messages.ts'
import { createLogTail } from './log-tail.ts'

export interface ProcessPorts {
  readonly programs: Programs
  readonly clock: Clock
}

export interface ProcessLimits {
  /** From its start until it takes commands. */
  readonly startMsMax: number
  /** Longest time without a sign of life (an answer, a line of progress) during a command. */
  readonly silenceMsMax: number
}

export interface AskOptions {
  /** Named in problems: `frame 12`, `loading shot.blend`. */
  readonly what: string
  readonly timeoutMs: number
  readonly onOutput?: (text: string) => void
}

interface Waiting {
  readonly id: number
  readonly options: AskOptions
  readonly timers: { limit: Timer; silence: Timer }
  settle(answer: Record<string, unknown> | Problem): void
}

export class BlenderProcess {
  readonly #command: ProgramCommand
  readonly #ports: ProcessPorts
  readonly #limits: ProcessLimits
  readonly #running: RunningProgram
  readonly #ready: PromiseWithResolvers<Ready> = Promise.withResolvers()
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers()
  readonly #startTimer: Timer
  #waiting: Waiting | null = null
  #lastId = 0
  readonly #tail = createLogTail()
  #isReady = false
  #end: Problem | null = null

  constructor(command: ProgramCommand, ports: ProcessPorts, limits: ProcessLimits) {
    this.#command = command
    this.#ports = ports
    this.#limits = limits
    // Whoever asks hears of it; without anybody it is nobody's unhandled rejection.
    this.#ready.promise.catch(() => undefined)
    this.#startTimer = ports.clock.after(limits.startMsMax, () =>
      this.kill(this.#nodeProblem(`Blender did not start within ${seconds(limits.startMsMax)} s.`)),
    )
    this.#running = ports.programs.start(command, {
      onLine: (line) => this.#onLine(line),
      onOutput: (text) => this.#onOutput(text),
      onExit: (exit) => this.#onExit(exit),
    })
  }

  /** Resolves when it takes commands. */
  ready(): Promise<Ready> {
    return this.#ready.promise
  }

  /** Resolves when it is gone, and all its processes. */
  gone(): Promise<void> {
    return this.#gone.promise
  }

  get pid(): number | null {
    return this.#running.pid
  }

  get isAlive(): boolean {
    return this.#end === null
  }

  /** The end of what it printed. */
  get tail(): string {
    return this.#tail.text
  }

  usage(): ProgramUsage {
    return this.#running.usage()
  }

  /** What the script answers to `command`, one at a time. Rejects with a failure whose class says whose fault it was. */
  ask(command: Readonly<Record<string, unknown>>, options: AskOptions): Promise<Record<string, unknown>> {
    if (this.#end !== null) return Promise.reject(this.#end)
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>()
    const id = ++this.#lastId
    const late = () =>
      this.kill(
        this.#nodeProblem(
          `${options.what} took longer than ${seconds(options.timeoutMs)} s, the most that a task may take here.`,
        ),
      )
    this.#waiting = {
      id,
      options,
      timers: { limit: this.#ports.clock.after(options.timeoutMs, late), silence: this.#watchSilence() },
      settle: (answer) => (answer instanceof Problem ? reject(answer) : resolve(answer)),
    }
    this.#running.sendLine(JSON.stringify({ ...command, id }))
    return promise
  }

  /** Ends it at once; what is under way is rejected with `problem`. */
  kill(problem: Problem): void {
    if (this.#end !== null) return
    this.#settle(problem)
    this.#running.kill()
  }

  #onLine(line: string): void {
    const message = parseJson(line)
    if (!this.#isReady) {
      const ready = Ready.safeParse(message)
      if (!ready.success) return
      this.#isReady = true
      this.#startTimer.cancel()
      this.#ready.resolve(ready.data)
      return
    }
    const answer = Answer.safeParse(message)
    const waiting = this.#waiting
    // A scene that writes to our pipe gets nothing by it but an error of its own.
    if (!answer.success || waiting === null || answer.data.id !== waiting.id) return
    this.#finish(waiting)
    if (answer.data.ok) return waiting.settle(answer.data)
    const { kind, message: what } = answer.data
    const sentence = `${waiting.options.what}: ${what.replace(/\.$/, '')}.`
    const options = { tail: this.tail }
    waiting.settle(
      kind === 'node'
        ? failureProblem('node', 'engine_failed', sentence, options)
        : failureProblem('task', 'invalid_request', sentence, options),
    )
  }

  #onOutput(text: string): void {
    this.#tail.add(text)
    const waiting = this.#waiting
    if (waiting === null) return
    waiting.timers.silence.cancel()
    waiting.timers.silence = this.#watchSilence()
    waiting.options.onOutput?.(text)
  }

  #watchSilence(): Timer {
    const { silenceMsMax } = this.#limits
    return this.#ports.clock.after(silenceMsMax, () => {
      const what = this.#waiting?.options.what ?? 'Blender'
      this.kill(this.#nodeProblem(`${what}: Blender said nothing for ${seconds(silenceMsMax)} s.`))
    })
  }

  #onExit(exit: ProgramExit): void {
    this.#settle(this.#explain(exit))
    this.#gone.resolve()
  }

  #settle(problem: Problem): void {
    this.#end ??= problem
    this.#startTimer.cancel()
    this.#ready.reject(this.#end)
    const waiting = this.#waiting
    if (waiting === null) return
    this.#finish(waiting)
    waiting.settle(this.#end)
  }

  #finish(waiting: Waiting): void {
    this.#waiting = null
    waiting.timers.limit.cancel()
    waiting.timers.silence.cancel()
  }

  #explain({ code, signal, reason }: ProgramExit): Problem {
    const { memoryBytes, processes } = this.#command.limits
    const what = this.#waiting?.options.what ?? 'Blender'
    const options = { tail: this.tail }
    if (reason === 'memory') {
      const most = `${Math.round((memoryBytes ?? 0) / 2 ** 20)} MiB`
      return this.#nodeProblem(`${what} needs more than the ${most} of memory that a task may use here.`)
    }
    if (reason === 'processes') {
      const message = `${what}: the scene started more than ${processes} processes, and was ended.`
      return failureProblem('task', 'engine_failed', message, options)
    }
    if (reason === 'missing') return this.#explainMissing()
    if (!this.#isReady) return this.#nodeProblem(`Blender does not start here: ${lastLine(this.tail)}`)
    // A sandbox tells the end of what ran in it as a code.
    const number = signal === null && code !== null && code > 128 ? code - 128 : null
    const how =
      signal ?? (number === null ? `exit code ${code}` : (signalNames[number] ?? `signal ${number}`))
    if (how === 'SIGKILL' || how === 'SIGTERM' || how === 'SIGINT')
      return failureProblem('infrastructure', 'node_failed', `${what}: Blender was ended by ${how}.`, options)
    const message = `${what} crashed Blender (${how}): render it once at home, and look for what is special in it.`
    return failureProblem('task', 'engine_failed', message, options)
  }

  #explainMissing(): Problem {
    const program = /execute (\S+?):|exec: (\S+?):/.exec(this.tail)
    const name = program?.[1] ?? program?.[2] ?? this.#command.program
    const packageName = name.endsWith('bwrap') ? 'bubblewrap' : name
    const install = packageName.includes('/')
      ? ', or the sandbox cannot show it: put a Blender there'
      : `: install it (apt-get install --no-install-recommends ${packageName})`
    return failureProblem(
      'node',
      'engine_missing',
      `There is no program ${name} here${install} and start the node again.`,
    )
  }

  #nodeProblem(message: string): Problem {
    return failureProblem('node', 'engine_failed', message, { tail: this.tail })
  }
}

const signalNames: Readonly<Record<number, string>> = {
  2: 'SIGINT',
  4: 'SIGILL',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  15: 'SIGTERM',
  25: 'SIGXFSZ',
}

const seconds = (ms: number): number => Math.round(ms / 100) / 10

const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.trim() || 'it said nothing.'

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}
