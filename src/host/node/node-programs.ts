import { spawn } from 'node:child_process'
import { constants, getPriority, setPriority } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import type {
  ProgramCommand,
  ProgramExit,
  ProgramHandlers,
  Programs,
  RunningProgram,
} from '#host/programs.ts'
import { type ControlGroup, makeControlGroup, prepareGroups, removeStaleGroups } from './control-groups.ts'
import { type ProcessUsage, watchTree } from './process-usage.ts'

const LINE_CHARS_MAX = 2 ** 24
const LOOK_MS = 250
/** Where groups keep the limits a look only tells how much was used at most. */
const GROUPED_LOOK_MS = 2_000
const NOTHING: ProcessUsage = {
  residentBytes: 0,
  nameless: { diskBytes: 0, memoryBytes: 0 },
  cpuMs: 0,
  processes: 0,
}

/**
 * Puts itself into the groups that are named first, up to `--`, and becomes the program: it and all its children are
 * limited from their first instruction on.
 */
const ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 125; shift; done; shift; exec "$@"'

/**
 * Programs in sessions of their own, so that Ctrl-C at our terminal is ours to pass on. Limits come from control groups
 * where this user may make some; else from limits on each process, and a look four times a second at all of them.
 */
export function createNodePrograms({ usesGroups = true }: ProgramsOptions = {}): Programs {
  if (usesGroups) {
    prepareGroups()
    removeStaleGroups()
  }
  return {
    start(command, handlers) {
      const group = usesGroups ? makeControlGroup(command.limits) : null
      return new NodeProgram(command, handlers, group)
    },
  }
}

export interface ProgramsOptions {
  /** Without them the weaker limits are tried. */
  readonly usesGroups?: boolean
}

/** How much less urgent strangers' work is than what serves them, and than what else runs on its owner's machine. */
const NICER_BY = 5

/** What it starts later gives way with it: the node answers and beats in time however busy its work keeps all cores. */
function giveWay(pid: number | null): void {
  if (pid === null) return
  try {
    setPriority(pid, Math.min(constants.priority.PRIORITY_LOW, getPriority() + NICER_BY))
  } catch {
    // It is gone already, and its end is told elsewhere.
  }
}

class NodeProgram implements RunningProgram {
  readonly pid: number | null
  readonly #command: ProgramCommand
  readonly #group: ControlGroup | null
  readonly #input: Writable
  readonly #watch: NodeJS.Timeout
  readonly #usageNow: () => ProcessUsage
  #isGone = false
  #peakBytes = 0
  #reason: ProgramExit['reason'] = null

  constructor(command: ProgramCommand, handlers: ProgramHandlers, group: ControlGroup | null) {
    this.#command = command
    this.#group = group
    const [program, args] = this.#commandLine()
    const child = spawn(program, args, {
      env: command.env,
      stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
      detached: true,
    })
    this.pid = child.pid ?? null
    giveWay(this.pid)
    this.#usageNow = this.pid === null ? () => NOTHING : watchTree(this.pid)
    this.#input = child.stdio[3] as Writable
    // A pipe to a program that just died; `close` tells the story.
    this.#input.on('error', () => undefined)
    readLines(child.stdio[4] as Readable, (line) => {
      if (!this.#isGone) handlers.onLine(line)
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8')
      stream?.on('data', (text: string) => handlers.onOutput(text))
    }
    this.#watch = setInterval(() => this.#look(), this.#areLimitsGrouped() ? GROUPED_LOOK_MS : LOOK_MS)
    this.#watch.unref()
    const end = (code: number | null, signal: string | null): void => {
      if (this.#isGone) return
      this.#isGone = true
      clearInterval(this.#watch)
      if (this.#reason === null && this.#group?.ranOutOfMemory()) this.#reason = 'memory'
      this.#group?.remove()
      handlers.onExit({ code, signal, reason: code === 127 ? 'missing' : this.#reason })
    }
    // What it started and left behind goes with it, and with that the pipes close.
    child.on('exit', () => this.kill())
    child.on('close', end)
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return
      if (error.code === 'ENOENT') this.#reason = 'missing'
      handlers.onOutput(`${error.message}\n`)
      end(null, null)
    })
  }

  sendLine(text: string): void {
    if (!this.#isGone && this.#input.writable) this.#input.write(`${text}\n`)
  }

  usage(): ProcessUsage & { readonly peakBytes: number } {
    const now = this.#isGone ? NOTHING : this.#usageNow()
    this.#peakBytes = Math.max(this.#peakBytes, now.residentBytes)
    return { ...now, peakBytes: this.#peakBytes }
  }

  kill(): void {
    if (this.#isGone || this.pid === null) return
    try {
      // Its whole process group; below a sandbox the first process takes all others with it.
      process.kill(-this.pid, 'SIGKILL')
    } catch {
      // Gone in this moment.
    }
  }

  #areLimitsGrouped(): boolean {
    const { memoryBytes, processes } = this.#command.limits
    const grouped = this.#group?.limits ?? []
    return (
      (memoryBytes === null || grouped.includes('memory')) &&
      (processes === null || grouped.includes('processes'))
    )
  }

  /** For what no group limits: the sum over all processes, which limits on each of them do not bound. */
  #look(): void {
    const { residentBytes, nameless, processes } = this.usage()
    const { limits } = this.#command
    const grouped = this.#group?.limits ?? []
    const isOver = (name: 'memory' | 'processes', value: number, limit: number | null): boolean =>
      !grouped.includes(name) && limit !== null && value > limit
    // What no process maps is in memory all the same. Mapped, it counts twice: nobody has much of it.
    const memoryBytes = residentBytes + nameless.memoryBytes
    if (isOver('memory', memoryBytes, limits.memoryBytes)) this.#end('memory')
    else if (isOver('processes', processes, limits.processes)) this.#end('processes')
  }

  #end(reason: 'memory' | 'processes'): void {
    this.#reason ??= reason
    this.kill()
  }

  #commandLine(): [string, string[]] {
    const { program, args, limits } = this.#command
    const groups = this.#group?.limits ?? []
    const own = [
      '--core=0',
      ...(limits.fileBytes === null ? [] : [`--fsize=${limits.fileBytes}`]),
      ...(limits.memoryBytes === null || groups.includes('memory') ? [] : [`--data=${limits.memoryBytes}`]),
    ]
    const limited = ['prlimit', ...own, '--', program, ...args]
    return ['/bin/sh', ['-c', ENTER, 'sh', ...(this.#group?.entries ?? []), '--', ...limited]]
  }
}

/** A line that does not end is dropped, so that no program fills our memory. */
function readLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('error', () => undefined)
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.length <= LINE_CHARS_MAX) onLine(line)
    if (rest.length > LINE_CHARS_MAX) rest = ''
  })
}
