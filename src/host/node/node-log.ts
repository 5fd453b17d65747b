import { stderr } from 'node:process'
import { styleText } from 'node:util'
import { type Logger, pino } from 'pino'
import type { Log, LogFields } from '#host/host.ts'
import { toDiskProblem } from './disk-problem.ts'

export type LogLevel = 'info' | 'warn' | 'error' | 'silent'

export interface NodeLogOptions {
  /** The least grave level that is written. */
  readonly level: LogLevel
  /** Lines for people instead of JSON. */
  readonly pretty?: boolean
  /** `'stderr'`, or the path of a file that is made (readable by this user alone) or added to. */
  readonly destination: string
}

export interface NodeLog extends Log {
  /** Closes the file; nothing is written afterwards. */
  close(): void
}

/** Lines that a destination did not take yet. Beyond it lines are dropped: a log must not eat the memory. */
const WAITING_BYTES_MAX = 1024 * 1024

/**
 * One JSON object a line: `level`, `time` (ISO 8601), `pid` and `event`, which are reserved, and the fields. A line
 * is with the system when the call returns, so the last words before a crash are there. A disk that fills up later
 * costs lines and nothing else: the journal is who reports it. Throws `Problem` when the file cannot be opened.
 */
export function createNodeLog({ level, pretty = false, destination }: NodeLogOptions): NodeLog {
  const stream = openDestination(destination)
  const logger = pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pretty ? { write: (line: string) => stream.write(prettyLine(line)) } : stream,
  )
  let isOpen = true
  const write = (name: 'info' | 'warn' | 'error', event: string, fields: LogFields | undefined): void => {
    if (isOpen && logger.isLevelEnabled(name)) writeLine(logger, name, toLine(event, fields))
  }
  return {
    info: (event, fields) => write('info', event, fields),
    warn: (event, fields) => write('warn', event, fields),
    error: (event, fields) => write('error', event, fields),
    close() {
      if (!isOpen) return
      isOpen = false
      stream.end()
    },
  }
}

function openDestination(destination: string) {
  try {
    const stream = pino.destination({
      dest: destination === 'stderr' ? stderr.fd : destination,
      // Also opens the file at once: written to later, a file not yet open is an error of its own.
      sync: true,
      mkdir: true,
      mode: 0o600,
      maxLength: WAITING_BYTES_MAX,
      // A pipe that nobody empties would otherwise stop the whole process for 100 ms at each line.
      retryEAGAIN: () => false,
    })
    stream.on('error', () => {})
    return stream
  } catch (error) {
    throw toDiskProblem(error, destination)
  }
}

type Line = Record<string, string | number | boolean | null | undefined>

function writeLine(logger: Logger, name: 'info' | 'warn' | 'error', line: Line): void {
  logger[name](line)
}

function toLine(event: string, fields: LogFields = {}): Line {
  const line: Line = { event }
  for (const name of Object.keys(fields)) {
    const value = fields[name]
    line[name] = typeof value === 'bigint' ? value.toString() : value
  }
  return line
}

const COLORS = { info: 'green', warn: 'yellow', error: 'red' } as const
const PLAIN = /^[\w.:/@+-]+$/

/** `10:20:30.123 warn  node.lost nodeId=node_1 reason="no heartbeat"`; control characters never reach the terminal. */
function prettyLine(json: string): string {
  const { level, time, pid: _, event, ...fields } = JSON.parse(json) as Record<string, unknown>
  const name = String(level)
  const color = name in COLORS ? COLORS[name as keyof typeof COLORS] : 'reset'
  const label = styleText(color, name.padEnd(5), { stream: stderr })
  const text = Object.entries(fields).map(([key, value]) => ` ${key}=${prettyValue(value)}`)
  return `${String(time).slice(11, 23)} ${label} ${event}${text.join('')}\n`
}

const prettyValue = (value: unknown): string =>
  typeof value === 'string' && PLAIN.test(value) ? value : JSON.stringify(value)
