/** A file of JSON lines that is written by the way, and starts anew when it is full. */
import { closeSync, existsSync, openSync, renameSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { stdout } from 'node:process'
import { pino } from 'pino'
import { toDiskProblem } from './disk-problem.ts'
import { makeFolder } from './durable-file.ts'

export interface AccessLogOptions {
  /** Null: standard output. */
  readonly file: string | null
  /** A file that would grow beyond this becomes `<file>.1`, and the one before it `<file>.2`. */
  readonly bytesMax: number
  /** How many old files are kept. */
  readonly filesMax: number
}

export interface AccessLog {
  /** Lines reach the file within a second. Flat fields only. */
  write(fields: object): void
  /** Writes what waits; nothing is written afterwards. */
  close(): void
}

const BUFFER_BYTES = 16 * 1024
const WRITE_BYTES_MAX = 64 * 1024
const FLUSH_EVERY_MS = 1_000
/** Lines that a disk which hangs has not taken; beyond it they are dropped. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024

/** Throws a `Problem` when the file cannot be opened. What fails later costs lines, and nothing else. */
export function openAccessLog({ file, bytesMax, filesMax }: AccessLogOptions): AccessLog {
  const stream = openStream(file)
  let bytes = file === null ? 0 : sizeOf(file)
  let isOpen = true
  let isBroken = false
  const rotate = (): void => {
    if (file === null) return
    bytes = 0
    try {
      for (let number = filesMax; number >= 1; number--) {
        const from = number === 1 ? file : `${file}.${number - 1}`
        if (existsSync(from)) renameSync(from, `${file}.${number}`)
      }
      // What waits in memory goes to either file, whole lines at a time.
      stream.reopen()
    } catch {
      isBroken = true // It goes on in the file that it has; another try is made when that grew as much again.
    }
  }
  const logger = pino(
    {
      base: null,
      timestamp: false,
      // In the place of a level, which all lines would share.
      formatters: { level: () => ({ event: 'call' }) },
    },
    {
      write(line: string) {
        bytes += Buffer.byteLength(line)
        if (bytes > bytesMax) {
          rotate()
          bytes = isBroken ? 0 : Buffer.byteLength(line)
          isBroken = false
        }
        stream.write(line)
      },
    },
  )
  return {
    write(fields) {
      if (isOpen) logger.info(fields)
    },
    close() {
      if (!isOpen) return
      isOpen = false
      try {
        stream.flushSync()
      } catch {
        // Nothing was written yet, or the disk is full: there is nobody left to tell.
      }
      stream.end()
    },
  }
}

function openStream(file: string | null) {
  try {
    // The stream opens it later, when nobody hears of what is wrong.
    if (file !== null) makeFolder(dirname(file))
    if (file !== null) closeSync(openSync(file, 'a', 0o600))
    const stream = pino.destination({
      dest: file ?? stdout.fd,
      // Nobody waits for a line to be written.
      sync: false,
      minLength: BUFFER_BYTES,
      maxWrite: WRITE_BYTES_MAX,
      periodicFlush: FLUSH_EVERY_MS,
      maxLength: WAITING_BYTES_MAX,
      mode: 0o600,
    })
    stream.on('error', () => {})
    return stream
  } catch (error) {
    throw toDiskProblem(error, file ?? 'standard output')
  }
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size
  } catch {
    return 0 // It is made with the first line.
  }
}
