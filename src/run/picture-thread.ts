/**
 * A thread for pictures that strangers sent: whatever is in them, the process around it goes on. It does one after the other, and is
 * replaced when one takes too long or too much.
 */
import { Worker } from 'node:worker_threads'
import type { Clock, Timer } from '#host/host.ts'
import { Problem } from '#protocol/problem.ts'
import type { CropsCompared, OutputsChecked } from '#protocol/work-check.ts'
import type { PicturesToCompare, PictureToLookAt } from '#verify/look-at-picture.ts'

export type PictureCall =
  | { readonly kind: 'look'; readonly what: PictureToLookAt }
  | { readonly kind: 'compare'; readonly what: PicturesToCompare }

export interface PictureThread {
  /** Rejects with `Problem('request_timeout')` for one that takes too long, and `internal` for one that the thread does not survive. */
  look(what: PictureToLookAt): Promise<OutputsChecked>
  compare(what: PicturesToCompare): Promise<CropsCompared>
  close(): Promise<void>
}

export interface PictureThreadOptions {
  readonly clock: Pick<Clock, 'after'>
  /** For one picture. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 30_000
/** Of the thread's own objects; pixels are beside it, and bounded by what may be read. */
const HEAP_MIB_MAX = 256

const module = new URL(import.meta.url.replace(/picture-thread(\.\w+)$/, 'picture-thread-main$1'))

interface Waiting {
  readonly call: PictureCall
  resolve(answer: unknown): void
  reject(problem: Problem): void
}

/** Begins a thread with the first call, and keeps it. */
export function createPictureThread({ clock, timeoutMs = TIMEOUT_MS }: PictureThreadOptions): PictureThread {
  const waiting: Waiting[] = []
  let thread: Worker | null = null
  let current: { readonly waiting: Waiting; readonly timer: Timer } | null = null
  let isClosed = false

  /** The thread is done with what it had, well or not. */
  function settle(end: (waiting: Waiting) => void): void {
    if (!current) return
    const { timer, waiting: done } = current
    timer.cancel()
    current = null
    end(done)
    next()
  }

  function lose(lost: Worker | null, problem: Problem): void {
    if (thread !== lost) return
    thread = null
    lost?.terminate().catch(() => undefined)
    settle(({ reject }) => reject(problem))
  }

  function open(): Worker {
    const opened = new Worker(module, { resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB_MAX } })
    opened.unref()
    opened.on('message', (answer: unknown) => {
      // One that was given up may have answered just before: that is no answer to what the next one was asked.
      if (thread === opened) settle(({ resolve }) => resolve(answer))
    })
    opened.on('error', (cause) => lose(opened, gone(cause)))
    opened.on('exit', () => lose(opened, gone(null)))
    return opened
  }

  function next(): void {
    if (current || isClosed) return
    const first = waiting.shift()
    if (!first) return
    thread ??= open()
    const used = thread
    const timer = clock.after(timeoutMs, () => lose(used, late(timeoutMs)))
    current = { waiting: first, timer }
    used.postMessage(first.call)
  }

  function ask<T>(call: PictureCall): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (isClosed) return reject(gone(null))
      waiting.push({ call, resolve: (answer) => resolve(answer as T), reject })
      next()
    })
  }

  return {
    look: (what) => ask<OutputsChecked>({ kind: 'look', what }),
    compare: (what) => ask<CropsCompared>({ kind: 'compare', what }),
    async close() {
      isClosed = true
      const closing = thread
      thread = null
      for (const { reject } of [...(current ? [current.waiting] : []), ...waiting.splice(0)])
        reject(gone(null))
      current?.timer.cancel()
      current = null
      await closing?.terminate()
    },
  }
}

const late = (timeoutMs: number): Problem =>
  new Problem('request_timeout', `The picture took longer than ${timeoutMs} ms to read.`)

const gone = (cause: unknown): Problem =>
  new Problem('internal', 'The thread that reads pictures ended without a result.', { cause })
