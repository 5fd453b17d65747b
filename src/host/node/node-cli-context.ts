/** The terminal, files and network of the command line: what `cli/context.ts` asks for. */
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import type { WriteStream } from 'node:tty'
import { formatId, ID_BYTES } from '#kernel/id.ts'
import { Problem } from '#protocol/problem.ts'
import { readDataFiles } from './data-files.ts'
import { fetchNetwork } from './fetch-client.ts'
import { createHeadlessBrowser } from './headless-browser.ts'
import { hashFile } from './model-cache.ts'
import { nodeClock } from './node-clock.ts'
import { nodeCrypto } from './node-crypto.ts'
import { createNodeMachine } from './node-machine.ts'
import { nodeTimeZones } from './node-time-zones.ts'
import { trustAuthorities } from './trusted-authorities.ts'

/** `rootFolder` is where `package.json` and `node_modules` are. */
export function createNodeCliContext({ rootFolder }: { readonly rootFolder: string }) {
  let hasOutlived = false
  for (const stream of [process.stdout, process.stderr]) endQuietlyWhenPipeCloses(stream, () => hasOutlived)
  const machine = createNodeMachine()
  return {
    env: process.env,
    homeFolder: homedir(),
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    stdin: createInput(),
    fetch: fetchNetwork,
    trustAuthorities,
    clock: nodeClock,
    sleep,
    newId: (prefix: string): string => formatId(prefix, randomBytes(ID_BYTES)),
    readFile: readFileIfThere,
    hashFile: (path: string) => hashFile(path),
    writeFile: writeFileWhole,
    dataFiles: () => readDataFiles(),
    onInterrupt,
    outlivesScreen(): void {
      hasOutlived = true
    },
    machine,
    crypto: nodeCrypto,
    timeZones: nodeTimeZones,
    browser: createHeadlessBrowser({
      machine,
      isRoot: process.getuid?.() === 0,
      program: process.env['CHROME_PATH'] || undefined,
    }),
    rootFolder,
  }
}

const outputOf = (stream: WriteStream) => ({
  write: (chunk: string): void => void stream.write(chunk),
  get isTty(): boolean {
    return stream.isTTY === true
  },
  get columns(): number | null {
    return stream.isTTY ? stream.columns : null
  },
})

/** `shoal … | head` closes the pipe when it has seen enough; that is no failure of ours. What serves others goes on without a screen. */
function endQuietlyWhenPipeCloses(stream: WriteStream, hasOutlived: () => boolean): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (hasOutlived()) return
    if (error.code === 'EPIPE') process.exit(0)
    throw error
  })
}

function createInput() {
  let history: string[] = []
  return {
    get isTty(): boolean {
      return process.stdin.isTTY === true
    },
    readAll: (): Promise<string> => text(process.stdin),
    /**
     * A reader for each question: between them the terminal is as usual, so that Ctrl-C is a signal again and can stop
     * an answer.
     */
    question: (prompt: string): Promise<string | null> =>
      new Promise((resolve) => {
        const { stdin: input, stderr: output } = process
        const reader = createInterface({ input, output, history, terminal: input.isTTY === true })
        let answer: string | null = null
        reader.on('history', (lines) => {
          history = lines
        })
        reader.on('SIGINT', () => reader.close())
        reader.on('close', () => {
          if (answer === null) output.write('\n')
          resolve(answer)
        })
        reader.question(prompt, (line) => {
          answer = line
          reader.close()
        })
      }),
  }
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal })
  } catch (error) {
    throw signal.aborted ? signal.reason : error
  }
}

async function readFileIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return null
    throw new Problem('disk_failed', `${path} cannot be read (${message}). Check who may read it.`, {
      details: { file: path },
      cause: error,
    })
  }
}

async function writeFileWhole(path: string, data: string | Uint8Array): Promise<void> {
  try {
    await writeFile(path, data)
  } catch (error) {
    const { message } = error as NodeJS.ErrnoException
    throw new Problem(
      'disk_failed',
      `${path} cannot be written (${message}). Is its folder there, and writable?`,
      {
        details: { file: path },
        cause: error,
      },
    )
  }
}

/** While nobody listens the process ends at the signal, as it would by itself. */
function onInterrupt(run: () => void): () => void {
  process.on('SIGINT', run)
  process.on('SIGTERM', run)
  return () => {
    process.off('SIGINT', run)
    process.off('SIGTERM', run)
  }
}
