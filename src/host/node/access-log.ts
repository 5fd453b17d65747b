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

/** The stream measures all that waits anew at each write: a line at a time that would cost more than the line. */
const WRITE_LENGTH_MIN = 16 * 1024
const FLUSH_EVERY_MS = 1_000
/** Lines that a disk which hangs has not taken; beyond it they are dropped. */
const WAITING_BYTES_MAX = 8 * 1024 * 1024

/** Throws a `Problem` when the file cannot be opened. What fails later costs lines, and nothing else. */
export function openAccessLog({ file, bytesMax, filesMax }: AccessLogOptions): AccessLog {
  const stream = openStream(file)
  let bytes = file === null ? 0 : sizeOf(file)
  let isOpen = true
  let waiting: string[] = []
  let waitingLength = 0
  const writeWaiting = (): void => {
    if (waitingLength === 0) return
    stream.write(waiting.join(''))
    waiting = []
    waitingLength = 0
  }
  const timer = setInterval(writeWaiting, FLUSH_EVERY_MS)
  timer.unref()
  const rotate = (): void => {
    if (file === null) return
    bytes = 0
    writeWaiting()
    try {
      for (let number = filesMax; number >= 1; number--) {
        const from = number === 1 ? file : `${file}.${number - 1}`
        if (existsSync(from)) renameSync(from, `${file}.${number}`)
      }
      // What is on its way goes to either file, whole lines at a time.
      stream.reopen()
    } catch {
      // It goes on in the file that it has; another try is made when that grew as much again.
    }
  }
  return {
    write(fields) {
      if (!isOpen) return
      const line = `${JSON.stringify(fields)}\n`
      bytes += line.length
      if (bytes > bytesMax) {
        rotate()
        bytes = line.length
      }
      waiting.push(line)
      waitingLength += line.length
      if (waitingLength >= WRITE_LENGTH_MIN) writeWaiting()
    },
    close() {
      if (!isOpen) return
      isOpen = false
      clearInterval(timer)
      writeWaiting()
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
