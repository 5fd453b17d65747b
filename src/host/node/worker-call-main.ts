/** The thread of one call: loads the module, calls the function, hands back what it returns, and ends. */
import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '#kernel/assert.ts'
import type { WorkerCall } from './worker-call.ts'

const { module, name, args } = workerData as WorkerCall
const loaded = (await import(module)) as Readonly<Record<string, unknown>>
const run = loaded[name]
assert(typeof run === 'function', `${module} exports no function ${name}`)
parentPort?.postMessage(await run(...args))
