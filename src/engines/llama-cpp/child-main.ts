/**
 * The child process: loads one model and serves it over its message channel until that closes. It runs alone in its
 * process, so it alone may use Node directly; everything it calls gets what it needs as arguments.
 */
import { createHash, randomInt } from 'node:crypto'
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { buildFolder } from '#host/engine-builds.ts'
import { allFeatures } from '#protocol/engine-features.ts'
import { Problem, toProblem } from '#protocol/problem.ts'
import { createEmbedder } from './embedder.ts'
import { FinalProblem } from './final-problem.ts'
import { sampleFingerprint } from './fingerprint.ts'
import { type Gguf, readGguf } from './gguf.ts'
import type { ByteSource } from './gguf-cursor.ts'
import type { FromChild, LoadOrder, PlainProblem, RunEvent, ToChild } from './messages.ts'
import { Runs } from './runs.ts'

const TICK_MS = 1_000
const platform = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
let runs: Runs | null = null
let events: RunEvent[] = []

const send = (message: FromChild): void => {
  if (process.connected) process.send?.(message, () => undefined)
}

/** All events of one turn of the event loop leave as one message. */
function emit(event: RunEvent): void {
  if (events.length === 0) {
    setImmediate(() => {
      const batch = events
      events = []
      send({ type: 'events', events: batch })
    })
  }
  events.push(event)
}

async function load(order: LoadOrder): Promise<void> {
  const { gguf, fingerprint } = inspectFile(order.modelPath)
  if (order.enginesFolder !== null) findBuildsIn(order.enginesFolder)
  // Only now: the library takes a third of a second to load, and a wrong path should be told at once.
  const { loadLlamaModel } = await import('./llama-model.ts')
  const loaded = await loadLlamaModel(order, gguf, { cores: availableParallelism(), platform })
  const { model, slots, contextTokens, threads, gpu } = loaded
  const { tokensAtLeast } = loaded.tokenizer
  const embedder = createEmbedder({ model, contextTokens, threads, tokensAtLeast })
  runs = new Runs(loaded, embedder, order.queueMax, { emit, randomSeed: () => randomInt(2 ** 32) })
  const canChat = loaded.tokenizer.renderChat !== null
  const tasks =
    loaded.context === null
      ? ['embedding' as const]
      : [...(canChat ? ['chat' as const] : []), 'completion' as const, 'embedding' as const]
  // A model that only embeds generates nothing.
  const features = loaded.context === null ? [] : [...allFeatures]
  send({ type: 'ready', model: { tasks, contextTokens, slots, fingerprint, threads, gpu, features } })
}

/** The library looks for its builds among npm's packages; one that was installed apart goes before those. */
function findBuildsIn(enginesFolder: string): void {
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const build = /^@node-llama-cpp\/.+-(cuda|vulkan)(?:-ext)?$/.exec(specifier)?.[1]
      if (build !== 'cuda' && build !== 'vulkan') return nextResolve(specifier, context)
      const folder = buildFolder(enginesFolder, build)
      if (!existsSync(join(folder, 'node_modules', specifier))) return nextResolve(specifier, context)
      return nextResolve(specifier, {
        ...context,
        parentURL: pathToFileURL(join(folder, 'package.json')).href,
      })
    },
  })
}

function inspectFile(path: string): { gguf: Gguf; fingerprint: string } {
  const descriptor = openModelFile(path)
  try {
    const source: ByteSource = {
      sizeBytes: fstatSync(descriptor).size,
      read(offset, length) {
        const bytes = new Uint8Array(length)
        return bytes.subarray(0, readSync(descriptor, bytes, 0, length, offset))
      },
    }
    const gguf = readGguf(source, path)
    return { gguf, fingerprint: sampleFingerprint(source, gguf, () => createHash('sha256')) }
  } finally {
    closeSync(descriptor)
  }
}

function openModelFile(path: string): number {
  const missing = (found: string, cause?: unknown) =>
    new Problem('model_missing', `${path} ${found}. Check the path, or download the model again.`, { cause })
  let descriptor: number
  try {
    descriptor = openSync(path, 'r')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    throw missing(code === 'ENOENT' ? 'does not exist' : `cannot be read (${String(code)})`, error)
  }
  if (fstatSync(descriptor).isFile()) return descriptor
  closeSync(descriptor)
  throw missing('is not a file')
}

/** Tells the failure and goes: a fresh process is the way to try again. */
function fail(error: unknown): void {
  const { code, message, details } = toProblem(error)
  const problem: PlainProblem = { code: code === 'internal' ? 'engine_failed' : code, message, details }
  const isFinal = error instanceof FinalProblem || code === 'model_missing' || code === 'model_corrupt'
  process.send?.({ type: 'failed', problem, isFinal } satisfies FromChild, () => process.exit(1))
}

process.on('message', (message) => {
  // The parent is the engine of this same build.
  const order = message as ToChild
  if (order.type === 'load') void load(order).catch(fail)
  else if (order.type === 'start') runs?.start(order.run, order.request)
  else runs?.[order.type](order.run)
})
process.on('uncaughtException', fail)
// A terminal and systemd signal the whole group: the parent hears it too, and lets open answers end before it ends this.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
// The parent died, however it died: nobody will ever read an answer.
process.on('disconnect', () => process.exit(0))
setInterval(() => send({ type: 'tick', working: runs?.working ?? 0, progress: runs?.progress ?? 0 }), TICK_MS)
send({ type: 'tick', working: 0, progress: 0 })
