/**
 * Loads the built-in engine and ends: the doctor runs it as a process of its own, because a binding for another CPU or
 * libc would take the process down with it.
 *
 *     load-engine-main                   its build for the CPU
 *     load-engine-main cuda FOLDER       one for GPUs, from the packages of FOLDER
 */
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { getLlama } from 'node-llama-cpp'

const [build, folder] = process.argv.slice(2)
if (folder !== undefined) {
  const parentURL = pathToFileURL(join(folder || '/', 'package.json')).href
  registerHooks({
    resolve: (specifier, context, nextResolve) =>
      nextResolve(specifier, specifier.startsWith('@node-llama-cpp/') ? { ...context, parentURL } : context),
  })
}
try {
  const gpu = build === 'cuda' || build === 'vulkan' ? build : false
  const llama = await getLlama({ gpu, build: 'never', skipDownload: true, progressLogs: false })
  if (gpu !== false && llama.gpu !== gpu) throw new Error(`it found no GPU that ${gpu} serves`)
  await llama.dispose()
} catch (error) {
  const reason = String(error instanceof Error ? error.message : error)
  process.stderr.write(
    `error: ${reason === 'NoBinaryFoundError' ? 'it has no build that works on this system' : reason}\n`,
  )
  process.exit(1)
}
