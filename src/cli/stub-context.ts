/** A terminal in memory, for the tests of the commands. */
import type { CatalogueFiles } from '#economics/catalogue.ts'
import type { Machine } from '#host/machine.ts'
import type { Fetch } from '#protocol/client.ts'
import type { CliContext } from './context.ts'
import { createProgram, runProgram } from './program.ts'
import { STUB_NOW_MS } from './stub-network.ts'

export interface StubTerminal {
  readonly fetch: Fetch
  readonly env?: Readonly<Record<string, string>>
  /** Files by path. */
  readonly files?: Readonly<Record<string, string>>
  /** The shipped data, for the commands that look something up. */
  readonly dataFiles?: () => CatalogueFiles
  readonly isTty?: boolean
  /** In place of the parts of the terminal. */
  readonly parts?: Partial<CliContext>
  /** What is piped in, or the lines that are typed, one for each question. */
  readonly input?: string | readonly string[]
}

export interface StubRun {
  readonly exitCode: number
  readonly out: string
  readonly err: string
}

export const STUB_CREDENTIALS = JSON.stringify({
  apiUrl: 'http://127.0.0.1:7420',
  openaiBaseUrl: 'http://127.0.0.1:7420/v1',
  apiKey: 'member',
  operatorKey: 'operator',
})

/** A terminal with the credentials of a local network; `interrupt` is its Ctrl-C, `files` is what was written. */
export function createStubTerminal(terminal: StubTerminal) {
  const written = { out: '', err: '' }
  const listeners = new Set<() => void>()
  const lines = Array.isArray(terminal.input) ? [...terminal.input] : []
  const files = new Map<string, string | Uint8Array>()
  let ids = 0
  let elapsedMs = 0
  const context: CliContext = {
    env: terminal.env ?? {},
    homeFolder: '/home/ada',
    stdout: outputOf((text) => (written.out += text), terminal.isTty === true),
    stderr: outputOf((text) => (written.err += text), terminal.isTty === true),
    stdin: {
      isTty: terminal.isTty === true,
      readAll: async () => (typeof terminal.input === 'string' ? terminal.input : ''),
      question: async () => lines.shift() ?? null,
    },
    fetch: terminal.fetch,
    trustAuthorities: () => undefined,
    // Each look at the clock takes 100 ms, so that speeds are golden too.
    clock: { nowMs: () => STUB_NOW_MS, elapsedMs: () => (elapsedMs += 100) },
    sleep: async (_ms, signal) => signal.throwIfAborted(),
    newId: (prefix) => `${prefix}_${++ids}`,
    readFile: async (path) =>
      (terminal.files ?? { '/home/ada/.shoal/credentials.json': STUB_CREDENTIALS })[path] ?? null,
    dataFiles: terminal.dataFiles ?? noDataFiles,
    onInterrupt(run) {
      listeners.add(run)
      return () => listeners.delete(run)
    },
    machine: noMachine,
    crypto: { sha256: () => new Uint8Array(32), verify: () => true },
    rootFolder: '/opt/shoal',
    timeZones: { offsets: () => null },
    browser: { takePicture: async () => Promise.reject(new Error('there is no browser here')) },
    writeFile: async (path, data) => void files.set(path, data),
    ...terminal.parts,
  }
  const run = async (...commandLine: readonly string[]): Promise<StubRun> => {
    Object.assign(written, { out: '', err: '' })
    const exitCode = await runProgram(createProgram(context), context, commandLine)
    return { exitCode, ...written }
  }
  const interrupt = (): void => {
    for (const listener of [...listeners]) listener()
  }
  return { context, run, interrupt, written, files, isListening: () => listeners.size > 0 }
}

const outputOf = (write: (text: string) => void, isTty: boolean) => ({
  write,
  isTty,
  columns: isTty ? 100 : null,
})

const noDataFiles = (): never => {
  throw new Error('there are no data files here')
}

/** No test of a command looks at the machine: `doctor` is given its checks. */
const noMachine: Machine = {
  facts: () => {
    throw new Error('there is no machine here')
  },
  run: async () => 'not_found',
  readFile: () => null,
  listFolder: () => [],
  diskFreeMib: async () => null,
  folderState: async () => ({ isWritable: false, reason: 'failed' }),
  portState: async () => 'free',
  cpuPowerWatts: async () => null,
}
