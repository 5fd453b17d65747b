/** Runs a function that only computes in a thread of its own, so that nothing else waits for it. */
import { Worker } from 'node:worker_threads'
import { Problem } from '#protocol/problem.ts'

export interface WorkerCall {
  /** The module that exports the function, as `import.meta.resolve` gives it. */
  readonly module: string
  readonly name: string
  /** Plain data: they are copied, and so is the result. */
  readonly args: readonly unknown[]
}

const worker = new URL(import.meta.url.replace(/worker-call(\.\w+)$/, 'worker-call-main$1'))

/**
 * Resolves to what the function returns; the caller vouches for its type. Rejects with `Problem('internal')` when it throws, and with
 * `Problem('request_timeout')` after `timeoutMs`; the thread is gone in any case.
 */
export function callInWorker<T>(call: WorkerCall, timeoutMs: number): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const thread = new Worker(worker, { workerData: call })
  const late = setTimeout(() => {
    reject(new Problem('request_timeout', `${call.name} took longer than ${timeoutMs} ms. Ask for less.`))
  }, timeoutMs)
  thread.once('message', (result: T) => resolve(result))
  thread.once('error', (cause) =>
    reject(new Problem('internal', `${call.name} failed: ${String(cause)}`, { cause })),
  )
  thread.once('exit', () => reject(new Problem('internal', `${call.name} ended without a result.`)))
  return promise.finally(() => {
    clearTimeout(late)
    return thread.terminate()
  })
}
